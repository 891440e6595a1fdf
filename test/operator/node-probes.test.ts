import type { V1ContainerState, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NodeAnswer } from '../../core/node-report.ts';
import type { ProbeRequest } from '../../core/probe-request.ts';
import { NodeProbes } from '../../operator/node-probes.ts';
import { probePod } from '../../operator/probe-pod.ts';
import { startFakeApiServer, type FakeApiServer } from './fake-api-server.ts';

const options = { namespace: 'svctrace-system', image: 'svctrace/probe:v0.1.0', privileged: false, instance: 'test', idleSeconds: 60, maxConcurrent: 4, log: () => undefined };
const node = { name: 'node-a', isReady: true, internalIPs: ['10.0.0.1'] };
const request: ProbeRequest = { version: 1, node: 'node-a', services: [], collect: { rules: true, conntrack: 'None', kubeProxy: false }, maxConntrackEntries: 0 };

let api: FakeApiServer;
let probes: NodeProbes;

beforeEach(async () => {
  api = await startFakeApiServer();
  probes = new NodeProbes(api.kubeConfig, options);
});
afterEach(async () => {
  await probes.close();
  await api.close();
});

const state = (pod: V1Pod, status: V1Pod['status']): void => { api.update(pod.metadata?.name ?? '', (changed) => { if (status !== undefined) changed.status = status; }); };
const container = (now: V1ContainerState): V1ContainerStatus[] => [{ name: 'probe', image: '', imageID: '', ready: false, restartCount: 0, state: now }];
const failed = (answer: NodeAnswer): string => ('state' in answer ? `${answer.state} ${answer.reason}: ${answer.message}` : 'answered');

/** What becomes of the pod, and words of the answer. */
const starts: [string, () => void, string][] = [
  [
    'its kubelet refuses it',
    () => { api.onCreate = (pod) => { state(pod, { phase: 'Failed', reason: 'OutOfmemory', message: 'Node did not have enough resource: memory' }); }; },
    'Failed OutOfmemory: its probe ended: Node did not have enough resource: memory',
  ],
  [
    'its program ends at once',
    () => { api.onCreate = (pod) => { state(pod, { phase: 'Failed', containerStatuses: container({ terminated: { exitCode: 127, reason: 'StartError', message: 'no such file' } }) }); }; },
    'Failed StartError: its probe ended: no such file',
  ],
  [
    'a webhook gives it a sidecar',
    () => { api.onCreate = (pod) => { api.update(pod.metadata?.name ?? '', ({ spec }) => { spec?.containers.push({ name: 'istio-proxy', image: 'proxy' }); }); }; },
    'Failed ProbeAltered: an admission webhook changed its probe (it has more containers: istio-proxy); exempt namespace svctrace-system from it',
  ],
  [
    'PodSecurity refuses it',
    () => { api.refusal = { code: 403, message: 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' }; },
    'Failed PodSecurity: PodSecurity refuses probes in namespace svctrace-system; label it: kubectl label namespace svctrace-system pod-security.kubernetes.io/enforce=privileged',
  ],
  ['a quota refuses it', () => { api.refusal = { code: 403, message: 'pods "x" is forbidden: exceeded quota: q' }; }, 'Failed QuotaExceeded: a quota of namespace svctrace-system refuses its probe: pods "x" is forbidden: exceeded quota: q'],
  ['RBAC refuses it', () => { api.refusal = { code: 403, message: 'User "u" cannot create resource "pods"' }; }, 'Failed Forbidden: its probe may not be created: User "u" cannot create resource "pods"'],
  [
    'RBAC refuses it to a user',
    () => { api.refusal = { code: 403, message: 'pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "svctrace-system"' }; },
    'Failed Forbidden: its probe may not be created: User "jane" may not create pods in namespace "svctrace-system" (kubectl auth can-i create pods -n svctrace-system); an administrator gives it with: kubectl create role svctrace-create-pods --verb=create --resource=pods -n svctrace-system && kubectl create rolebinding svctrace-create-pods --role=svctrace-create-pods --user=jane -n svctrace-system',
  ],
  [
    'RBAC refuses it to the operator',
    () => { api.refusal = { code: 403, message: 'pods is forbidden: User "system:serviceaccount:svctrace-system:svctrace-operator" cannot create resource "pods" in API group "" in the namespace "svctrace-system"' }; },
    'Failed Forbidden: its probe may not be created: User "system:serviceaccount:svctrace-system:svctrace-operator" may not create pods in namespace "svctrace-system" (kubectl auth can-i create pods -n svctrace-system); install the operator again, which gives it its roles: kubectl svctrace install',
  ],
  ['there is no namespace', () => { api.refusal = { code: 404, message: 'namespaces "svctrace-system" not found' }; }, 'Failed NoNamespace: its probe cannot be created, for there is no namespace svctrace-system'],
  ['the API server fails', () => { api.refusal = { code: 500, message: 'etcdserver: request timed out' }; }, 'Failed CreateFailed: its probe cannot be created: etcdserver: request timed out'],
];

it.each(starts)('says in one sentence that %s', async (_name, arrange, words) => {
  arrange();
  expect(failed(await probes.ask(node, request, () => undefined))).toBe(words);
});

it('tells why a probe does not run yet, to everybody who waits for it, and makes one pod for all', async () => {
  const told: string[][] = [[], []];
  const controller = new AbortController();
  const asks = told.map((list) =>
    probes.ask(node, request, (reason) => {
      list.push(reason);
      if (told.every((reasons) => reasons.includes('ImagePullBackOff'))) controller.abort();
    }, controller.signal),
  );
  api.onCreate = (pod) => { state(pod, { phase: 'Pending', containerStatuses: container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } }) }); };
  expect((await Promise.all(asks)).map(failed)).toEqual(Array(2).fill('Failed Aborted: the collection was ended'));
  expect(told).toEqual(Array(2).fill(['ProbeStarting', 'ImagePullBackOff']));
  expect(api.requests).toEqual(['POST pod']);
});

it('one who goes does not end the start for the others', async () => {
  const controller = new AbortController();
  const goes = probes.ask(node, request, () => undefined, controller.signal);
  let reasons = 0;
  const stays = probes.ask(node, request, () => { reasons += 1; });
  api.onCreate = (pod) => {
    controller.abort();
    void goes.then(() => { state(pod, { phase: 'Failed', reason: 'Evicted', message: 'low on memory' }); });
  };
  expect(failed(await goes)).toContain('Aborted');
  expect(failed(await stays)).toContain('Evicted');
  expect(reasons).toBe(1);
});

it('never asks a pod that it did not make, and deletes what an earlier process left', async () => {
  const planted = probePod('node-a', options);
  planted.metadata = { ...planted.metadata, name: 'planted', uid: 'planted' };
  planted.status = { phase: 'Running', containerStatuses: container({ running: {} }) };
  api.pods.set('planted', planted);
  api.onCreate = (pod) => { state(pod, { phase: 'Failed', reason: 'Evicted' }); };
  expect(failed(await probes.ask(node, request, () => undefined))).toContain('Evicted');
  expect(api.requests).toContain('DELETE planted');
  expect(api.requests.filter((line) => line === 'POST pod')).toHaveLength(1);
});

it('says of a node that is not ready that it is not', async () => {
  api.refusal = { code: 500, message: 'no' };
  expect(failed(await probes.ask({ ...node, isReady: false }, request, () => undefined))).toBe('Failed CreateFailed: the node is not ready (kubectl describe node node-a tells why): its probe cannot be created: no');
});

it('ends its probes when it is closed, and no pod stays that is being made at that time', async () => {
  const asking = probes.ask(node, request, () => undefined);
  await new Promise<void>((resolve) => { api.onCreate = () => { resolve(); }; });
  await probes.close();
  expect(failed(await asking)).toContain('Aborted');
  expect(api.pods.size).toBe(0);
});
