import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { probePod, probePodName, startProblem, unusableReason } from '../../operator/probe-pod.ts';

const options = { namespace: 'svctrace-system', image: 'docker.io/svctrace/probe:v0.1.0', privileged: false, instance: 'operator', owner: { name: 'operator-x', uid: 'u1' } };
const running = (): V1Pod => ({ ...probePod('node-a', options), status: { phase: 'Running' } });

describe('probePod', () => {
  it('has the least privilege that does', () => {
    const { spec } = probePod('node-a', options);
    expect(spec).toMatchObject({ nodeName: 'node-a', hostNetwork: true, automountServiceAccountToken: false, enableServiceLinks: false, restartPolicy: 'Never' });
    expect(spec?.hostPID).toBeUndefined();
    expect(spec?.hostIPC).toBeUndefined();
    expect(spec?.serviceAccountName).toBeUndefined();
    expect(spec?.activeDeadlineSeconds).toBeGreaterThan(0);
    expect(spec?.containers).toHaveLength(1);
    expect(spec?.containers[0]?.ports).toBeUndefined();
    expect(spec?.containers[0]?.env).toBeUndefined();
    expect(spec?.containers[0]?.securityContext).toEqual({
      privileged: false,
      runAsUser: 0,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(spec?.volumes).toEqual([{ name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }]);
  });

  it('is privileged only where that is asked for', () => {
    expect(probePod('node-a', { ...options, privileged: true }).spec?.containers[0]?.securityContext).toMatchObject({ privileged: true, readOnlyRootFilesystem: true });
  });

  it('is named for its node and its operator', () => {
    expect(probePodName('node-a', 'operator')).toMatch(/^svctrace-probe-[0-9a-f]{12}$/);
    expect(new Set(['operator', 'other'].flatMap((instance) => ['node-a', 'node-b'].map((node) => probePodName(node, instance)))).size).toBe(4);
  });
});

/** What somebody did to the pod, and words of the reason why it is not used. */
const planted: [string, (pod: V1Pod) => void, string | undefined][] = [
  ['nothing', () => undefined, undefined],
  ['ended it', (pod) => { pod.status = { phase: 'Failed', reason: 'DeadlineExceeded' }; }, 'DeadlineExceeded'],
  ['deletes it', (pod) => { pod.metadata = { ...pod.metadata, deletionTimestamp: new Date() }; }, 'being deleted'],
  ['planted one on another node', (pod) => { if (pod.spec) pod.spec.nodeName = 'node-b'; }, 'not the pod of a probe'],
  ['planted one with a second container', (pod) => { pod.spec?.containers.push({ name: 'evil', image: 'evil' }); }, 'not the pod of a probe'],
  ['planted one with another image', (pod) => { const container = pod.spec?.containers[0]; if (container) container.image = 'evil'; }, 'another image'],
  ['planted one with another command', (pod) => { const container = pod.spec?.containers[0]; if (container) container.command = ['sh']; }, 'another image or command'],
  ['planted one without the owner', (pod) => { if (pod.metadata) pod.metadata.ownerReferences = []; }, 'another operator'],
  ['changed the privilege', (pod) => { const container = pod.spec?.containers[0]; if (container) container.securityContext = { privileged: true }; }, 'other privileges'],
];

describe('unusableReason', () => {
  it.each(planted)('where somebody %s', (_name, change, reason) => {
    const pod = running();
    change(pod);
    if (reason === undefined) expect(unusableReason(pod, 'node-a', options)).toBeUndefined();
    else expect(unusableReason(pod, 'node-a', options)).toContain(reason);
  });
});

describe('startProblem', () => {
  const waiting = (reason: string, message?: string): V1Pod => ({
    ...running(),
    status: { phase: 'Pending', containerStatuses: [{ name: 'probe', image: '', imageID: '', ready: false, restartCount: 0, state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } }] },
  });

  it('tells an image that cannot be pulled', () => {
    expect(startProblem(waiting('ImagePullBackOff', 'Back-off pulling image'))).toMatchObject({ reason: 'ImagePullBackOff' });
    expect(startProblem(waiting('ErrImageNeverPull'))?.message).toContain('docker.io/svctrace/probe:v0.1.0');
  });

  it('takes a container that is being made for no problem', () => {
    expect(startProblem(waiting('ContainerCreating'))).toBeUndefined();
  });

  it('tells an eviction, and a node that has no room', () => {
    expect(startProblem({ ...running(), status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' } })?.message).toContain('low on memory');
    const unschedulable: V1Pod = { ...running(), status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'too many pods' }] } };
    expect(startProblem(unschedulable)).toEqual({ reason: 'Unschedulable', message: 'its probe cannot run there: too many pods' });
  });
});
