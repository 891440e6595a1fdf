import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { alteration, probePod, startEvent, startProblem, unusableReason } from '../../engine/probe-pod.ts';

const options = {
  namespace: 'svctrace-system',
  image: 'svctrace/probe:v0.1.0',
  privileged: false,
  instance: 'operator',
  owner: { name: 'operator-x', uid: 'u1' },
};
const running = (): V1Pod => ({ ...probePod('node-a', options), status: { phase: 'Running' } });

describe('probePod', () => {
  it('has the least privilege that does', () => {
    const { spec } = probePod('node-a', options);
    expect(spec).toMatchObject({
      nodeName: 'node-a',
      hostNetwork: true,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
    });
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
    expect(probePod('node-a', { ...options, privileged: true }).spec?.containers[0]?.securityContext).toMatchObject({
      privileged: true,
      readOnlyRootFilesystem: true,
    });
  });

  it('is named for its node, and labelled for its operator', () => {
    const { metadata } = probePod('node-a', options);
    expect(metadata?.generateName).toMatch(/^svctrace-probe-[0-9a-f]{8}-$/);
    expect(probePod('node-b', options).metadata?.generateName).not.toBe(metadata?.generateName);
    expect(metadata?.labels).toEqual({
      'app.kubernetes.io/name': 'svctrace',
      'app.kubernetes.io/component': 'probe',
      'app.kubernetes.io/managed-by': 'svctrace',
      'svctrace.io/instance': 'operator',
    });
    expect(metadata?.ownerReferences).toMatchObject([{ kind: 'Pod', name: 'operator-x', uid: 'u1' }]);
  });
});

describe('unusableReason', () => {
  it('lets a pod be used as long as it lives', () => {
    expect(unusableReason(running())).toBeUndefined();
    expect(unusableReason({ ...running(), status: { phase: 'Failed', reason: 'DeadlineExceeded' } })).toContain(
      'DeadlineExceeded',
    );
    expect(unusableReason({ ...running(), status: { phase: 'Succeeded' } })).toContain('Succeeded');
    expect(unusableReason({ ...running(), metadata: { deletionTimestamp: new Date() } })).toContain('being deleted');
  });
});

/** What an admission webhook did to the pod, and words of the message. */
const altered: [string, (spec: NonNullable<V1Pod['spec']>) => void, string | undefined][] = [
  ['nothing', () => undefined, undefined],
  [
    'the image of a mirror',
    (spec) => {
      if (spec.containers[0]) spec.containers[0].image = 'mirror.example/svctrace/probe:v0.1.0';
    },
    undefined,
  ],
  [
    'a sidecar',
    (spec) => {
      spec.containers.push({ name: 'istio-proxy', image: 'proxy' });
    },
    'istio-proxy',
  ],
  [
    'an init container',
    (spec) => {
      spec.initContainers = [{ name: 'istio-init', image: 'proxy' }];
    },
    'istio-init',
  ],
  [
    'another network',
    (spec) => {
      spec.hostNetwork = false;
    },
    'network',
  ],
  [
    'another command',
    (spec) => {
      if (spec.containers[0]) spec.containers[0].command = ['sh'];
    },
    'sh',
  ],
];

describe('alteration', () => {
  it.each(altered)('by a webhook that gave it %s', (_name, change, words) => {
    const { spec } = probePod('node-a', options);
    if (spec === undefined) throw new Error('a probe has a spec');
    change(spec);
    if (words === undefined) expect(alteration({ spec })).toBeUndefined();
    else expect(alteration({ spec })).toContain(words);
  });
});

describe('startProblem', () => {
  const waiting = (reason: string, message?: string): V1Pod => ({
    ...running(),
    status: {
      phase: 'Pending',
      containerStatuses: [
        {
          name: 'probe',
          image: '',
          imageID: '',
          ready: false,
          restartCount: 0,
          state: { waiting: { reason, ...(message === undefined ? {} : { message }) } },
        },
      ],
    },
  });

  it('reports an image that cannot be pulled', () => {
    expect(startProblem(waiting('ImagePullBackOff', 'Back-off pulling image'))).toMatchObject({
      reason: 'ImagePullBackOff',
    });
    expect(startProblem(waiting('ErrImageNeverPull'))?.message).toContain('svctrace/probe:v0.1.0');
  });

  it('takes a container that is being made for no problem', () => {
    expect(startProblem(waiting('ContainerCreating'))).toBeUndefined();
  });

  it('reports an eviction, and a node that has no room', () => {
    expect(
      startProblem({
        ...running(),
        status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' },
      })?.message,
    ).toContain('low on memory');
    const unschedulable: V1Pod = {
      ...running(),
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'too many pods' }],
      },
    };
    expect(startProblem(unschedulable)).toEqual({
      reason: 'Unschedulable',
      message: 'its probe cannot run there: too many pods',
    });
  });
});

it('reports the newest event of the kubelet', () => {
  const event = (
    seconds: number,
    type: string,
    reason: string,
    message: string,
  ): Parameters<typeof startEvent>[0][number] => ({
    involvedObject: {},
    metadata: {},
    lastTimestamp: new Date(seconds * 1000),
    type,
    reason,
    message,
  });
  expect(startEvent([])).toBeUndefined();
  expect(
    startEvent([event(2, 'Normal', 'Pulling', 'Pulling image "x"'), event(1, 'Normal', 'Scheduled', 'assigned')]),
  ).toEqual({ reason: 'Pulling', message: 'its probe is starting: Pulling image "x"' });
  expect(startEvent([event(3, 'Warning', 'FailedMount', 'no room')])?.message).toBe(
    'its probe does not start: no room',
  );
});

it('bounds what a probe may use of its node', () => {
  expect(
    probePod('node-a', { namespace: 'n', image: 'i', privileged: false, instance: 'x' }).spec?.containers[0]?.resources,
  ).toEqual({ requests: { cpu: '10m', memory: '48Mi' }, limits: { cpu: '1', memory: '256Mi' } });
});
