/** Findings of EndpointSlices. */
import { mirrorController, sliceController } from '../../../../core/diagnose/checks/pod-endpoints.ts';
import type { DesiredService } from '../../../../core/api/service.ts';
import type { EndpointStatus } from '../../../../core/api/service-trace.ts';
import { bothEndpoints, cluster, clusterNode, pod } from '../../../support/cluster-facts.ts';
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });

const one = endpoint('10.244.1.2');
const ghost = endpoint('10.244.2.9');
const slice = (name: string, endpoints: EndpointStatus[]): DesiredService['endpointSlices'][number] => ({
  name,
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints,
});
const twoSlices = (first: EndpointStatus[], second: EndpointStatus[]): DesiredService => ({
  ...desiredService(),
  endpointSlices: [slice('auth-service-1', first), slice('auth-service-2', second)],
});
const meta = (
  managedBy: string,
  name = 'auth-service-2',
  createdAt = '2026-11-24T08:00:00Z',
): { name: string; managedBy: string; createdAt: string; bytes: number } => ({
  name,
  managedBy,
  createdAt,
  bytes: 900,
});
const metas = [meta(sliceController, 'auth-service-1'), meta(sliceController)];
const legacy = (...addresses: string[]): ReturnType<typeof cluster>['endpoints'] => ({
  bytes: 600,
  subsets: [{ addresses, notReadyAddresses: [], ports: [{ port: 8080, protocol: 'TCP' }] }],
});
const changing = { lastChange: '2026-11-24T09:59:55Z' };
const notReady = pod('10.244.2.3', {
  ready: false,
  notReady: 'ContainersNotReady',
  notReadySince: '2026-11-24T09:00:00Z',
});
const hinted = (address: string, ...hints: string[]): EndpointStatus =>
  endpoint(address, hints.length === 0 ? {} : { hints });
const zones = cluster({
  nodes: [clusterNode('node-a', { zone: 'zone-a' }), clusterNode('node-b', { zone: 'zone-b' })],
});
const silentNodes = ['node-a', 'node-b'].map((node) => ({
  node,
  answer: { node, state: 'Waiting' as const, reason: 'Asking', message: 'it is asked' },
}));
const many = Array.from({ length: 1200 }, (_, index) => `10.244.${Math.floor(index / 200)}.${(index % 200) + 1}`);

export const endpointsCases: readonly FindingCase[] = [
  {
    name: 'no endpoint',
    facts: { desired: desiredService([]), nodes: [withRules([], { verdict: 'REJECT' })] },
    ids: ['EPS-EMPTY'],
  },
  {
    name: 'no ready endpoint',
    facts: {
      desired: desiredService([endpoint('10.244.1.2', { ready: false, serving: false })]),
      nodes: [withRules([], { verdict: 'REJECT' })],
    },
    ids: ['EPS-ALL-NOTREADY'],
  },
  {
    name: 'only terminating endpoints',
    facts: {
      desired: desiredService([endpoint('10.244.1.2', { ready: false, terminating: true })]),
      nodes: [withRules(['10.244.1.2'])],
    },
    ids: ['EPS-TERMINATING-ONLY'],
  },

  {
    name: 'an endpoint whose pod is gone',
    facts: {
      desired: desiredService([one, ghost]),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2')], endpoints: null }),
    },
    ids: ['EPS-STALE'],
  },
  {
    name: 'the same, 5 s after a change',
    facts: {
      desired: { ...desiredService([one, ghost]), ...changing },
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2')], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'an endpoint whose pod is gone and which is not ready',
    facts: {
      desired: desiredService([one, { ...ghost, ready: false, serving: false }]),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2')], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'an endpoint whose pod has another uid',
    facts: {
      desired: desiredService([one]),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2', { uid: 'another' })], endpoints: null }),
    },
    ids: ['EPS-STALE'],
  },
  {
    name: 'an endpoint whose pod has ended',
    facts: {
      desired: desiredService(bothEndpoints),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), pod('10.244.2.3', { phase: 'Failed', ready: false })] }),
    },
    ids: ['EPS-STALE'],
  },
  {
    name: 'an endpoint whose pod has another address',
    facts: {
      desired: desiredService([one]),
      nodes: [],
      cluster: cluster({
        pods: [pod('10.244.1.2', { addresses: ['10.244.1.9'], readySince: '2026-11-24T09:59:58Z' })],
        endpoints: null,
      }),
    },
    ids: ['EPS-STALE'],
  },
  {
    name: 'an address that the pod writes in another form',
    facts: {
      desired: {
        ...desiredService([endpoint('fd00::3')], { clusterIPs: ['fd00:10:96::7'], ipFamilies: ['IPv6'] }),
        endpointSlices: [{ ...slice('auth-service-1', [endpoint('fd00::3')]), addressType: 'IPv6' }],
      },
      nodes: [],
      cluster: cluster({ pods: [pod('fd00::3', { addresses: ['fd00:0:0::0003'] })], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'an endpoint that is not a pod',
    facts: {
      desired: desiredService([endpoint('10.9.9.9', { targetRef: { kind: 'Node', name: 'node-a' } })]),
      nodes: [],
      cluster: cluster({
        pods: [pod('10.244.1.2', { ready: false, createdAt: '2026-11-24T09:59:50Z' })],
        endpoints: null,
      }),
    },
    ids: [],
  },

  {
    name: 'a ready pod in no EndpointSlice',
    facts: { desired: desiredService([one]), nodes: [], cluster: cluster({ endpoints: null }) },
    ids: ['EPS-MISSING'],
  },
  {
    name: 'a pod that became ready 5 s ago',
    facts: {
      desired: desiredService([one]),
      nodes: [],
      cluster: cluster({
        pods: [pod('10.244.1.2'), pod('10.244.2.3', { readySince: '2026-11-24T09:59:55Z' })],
        endpoints: null,
      }),
    },
    ids: [],
  },
  {
    name: 'a missing pod within 10 s of a change',
    facts: { desired: { ...desiredService([one]), ...changing }, nodes: [], cluster: cluster({ endpoints: null }) },
    ids: [],
  },
  {
    name: 'a ready pod whose Node is gone',
    facts: {
      desired: desiredService([one]),
      nodes: [],
      cluster: cluster({ nodes: [clusterNode('node-a')], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'a ready pod of another family',
    facts: {
      desired: desiredService([one], { ipFamilies: ['IPv4'] }),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), pod('10.244.2.3', { addresses: ['fd00::3'] })], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'a pod of the host network, found by the address of its node',
    facts: {
      desired: desiredService([endpoint('172.30.0.11', { targetRef: {} })]),
      nodes: [],
      cluster: cluster({ pods: [pod('172.30.0.11', { hostNetwork: true })], endpoints: null }),
    },
    ids: [],
  },

  {
    name: 'a ready endpoint whose pod is not ready',
    facts: {
      desired: desiredService(bothEndpoints),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), notReady] }),
    },
    ids: ['EPS-READY-DIFFERS', 'POD-NOTREADY'],
  },
  {
    name: 'the same 5 s after the pod changed',
    facts: {
      desired: desiredService(bothEndpoints),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), { ...notReady, notReadySince: '2026-11-24T09:59:55Z' }] }),
    },
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'an endpoint that is not ready and whose pod is',
    facts: {
      desired: desiredService([one, endpoint('10.244.2.3', { ready: false, serving: false })]),
      nodes: [],
      cluster: cluster({ endpoints: legacy('10.244.1.2') }),
    },
    ids: ['EPS-READY-DIFFERS'],
  },
  {
    name: 'a terminating endpoint of a pod that still serves',
    facts: {
      desired: desiredService([one, endpoint('10.244.2.3', { ready: false, terminating: true })]),
      nodes: [],
      cluster: cluster({
        pods: [
          pod('10.244.1.2'),
          pod('10.244.2.3', { deletionTimestamp: '2026-11-24T10:00:20Z', terminationGracePeriodSeconds: 60 }),
        ],
        endpoints: legacy('10.244.1.2'),
      }),
    },
    ids: [],
  },
  {
    name: 'publishNotReadyAddresses with a pod that is not ready',
    facts: {
      desired: desiredService([one, endpoint('10.244.2.3', { serving: false })], { publishNotReadyAddresses: true }),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), notReady] }),
    },
    ids: ['POD-NOTREADY', 'EPS-PUBLISH-NOTREADY'],
  },
  {
    name: 'publishNotReadyAddresses with ready pods',
    facts: {
      desired: desiredService(bothEndpoints, { publishNotReadyAddresses: true }),
      nodes: [],
      cluster: cluster(),
    },
    ids: [],
  },

  {
    name: 'an address in two EndpointSlices',
    facts: { desired: twoSlices(bothEndpoints, [one]), nodes: [], cluster: cluster({ endpointSlices: metas }) },
    ids: ['EPS-DUPLICATE'],
  },
  {
    name: 'the same while the EndpointSlices change',
    facts: {
      desired: { ...twoSlices(bothEndpoints, [one]), ...changing },
      nodes: [],
      cluster: cluster({ endpointSlices: metas }),
    },
    ids: [],
  },
  {
    name: 'two pods of one address',
    facts: {
      desired: desiredService([
        one,
        endpoint('10.244.1.2', { targetRef: { kind: 'Pod', name: 'auth-ghost', uid: 'ghost' } }),
      ]),
      nodes: [],
      cluster: cluster({
        pods: [pod('10.244.1.2'), pod('10.244.1.2', { name: 'auth-ghost', uid: 'ghost' })],
        endpoints: null,
      }),
    },
    ids: ['EPS-DUPLICATE'],
  },
  {
    name: 'two pods of the host network of one node',
    facts: {
      desired: desiredService([
        endpoint('172.30.0.11'),
        endpoint('172.30.0.11', { targetRef: { kind: 'Pod', name: 'auth-other', uid: 'other' } }),
      ]),
      nodes: [],
      cluster: cluster({
        pods: [
          pod('172.30.0.11', { hostNetwork: true }),
          pod('172.30.0.11', { name: 'auth-other', uid: 'other', hostNetwork: true }),
        ],
        endpoints: null,
      }),
    },
    ids: [],
  },

  {
    name: 'a mirrored EndpointSlice beside a selector of a moment ago',
    facts: {
      desired: {
        ...twoSlices(bothEndpoints, [endpoint('10.9.9.9', { targetRef: {} })]),
        serviceChange: '2026-11-24T09:59:55Z',
      },
      nodes: [],
      cluster: cluster({ endpointSlices: [meta(sliceController, 'auth-service-1'), meta(mirrorController)] }),
    },
    ids: [],
  },
  {
    name: 'a mirrored EndpointSlice beside a selector',
    facts: {
      desired: twoSlices(bothEndpoints, [endpoint('10.9.9.9', { targetRef: {} })]),
      nodes: [],
      cluster: cluster({ endpointSlices: [meta(sliceController, 'auth-service-1'), meta(mirrorController)] }),
    },
    ids: ['EPS-MIRROR-LEFTOVER'],
  },
  {
    name: 'the same, made 5 s ago',
    facts: {
      desired: twoSlices(bothEndpoints, [endpoint('10.9.9.9', { targetRef: {} })]),
      nodes: [],
      cluster: cluster({
        endpointSlices: [
          meta(sliceController, 'auth-service-1'),
          meta(mirrorController, 'auth-service-2', '2026-11-24T09:59:55Z'),
        ],
      }),
    },
    ids: [],
  },
  {
    name: 'a mirror of a Service without a selector',
    facts: {
      desired: { ...desiredService([endpoint('10.9.9.9', { targetRef: {} })], { selector: {} }) },
      nodes: [],
      cluster: cluster({
        pods: [],
        endpointSlices: [meta(mirrorController, 'auth-service-1')],
        endpoints: legacy('10.9.9.9'),
      }),
    },
    ids: [],
  },

  {
    name: 'hints for one of two endpoints',
    facts: {
      desired: desiredService([hinted('10.244.1.2', 'zone-a'), hinted('10.244.2.3')]),
      nodes: [],
      cluster: zones,
    },
    ids: ['EPS-HINTS-PARTIAL'],
  },
  {
    name: 'the same while the EndpointSlices change',
    facts: {
      desired: { ...desiredService([hinted('10.244.1.2', 'zone-a'), hinted('10.244.2.3')]), ...changing },
      nodes: [],
      cluster: zones,
    },
    ids: [],
  },
  {
    name: 'no hint at all',
    facts: { desired: desiredService(bothEndpoints), nodes: silentNodes, cluster: zones },
    ids: [],
  },
  {
    name: 'hints for every zone',
    facts: {
      desired: desiredService([hinted('10.244.1.2', 'zone-a'), hinted('10.244.2.3', 'zone-b')]),
      nodes: silentNodes,
      cluster: zones,
    },
    ids: [],
  },
  {
    name: 'no hint for the zone of a node',
    facts: {
      desired: desiredService([hinted('10.244.1.2', 'zone-a'), hinted('10.244.2.3', 'zone-a')]),
      nodes: silentNodes,
      cluster: zones,
    },
    ids: ['EPS-HINTS-ZONE-EMPTY'],
  },
  {
    name: 'a node hint where the zone has none',
    facts: {
      desired: desiredService([
        { ...one, hints: ['zone-a'], nodeHints: ['node-a'] },
        { ...endpoint('10.244.2.3'), hints: ['zone-a'], nodeHints: ['node-b'] },
      ]),
      nodes: silentNodes,
      cluster: zones,
    },
    ids: [],
  },

  {
    name: 'more than 1,000 addresses',
    facts: {
      desired: desiredService(many.map((address) => endpoint(address, { targetRef: {} }))),
      nodes: [],
      cluster: cluster({
        pods: [],
        endpoints: {
          ...legacy(...many.slice(0, 1000)),
          bytes: 1,
          subsets: legacy(...many.slice(0, 1000))?.subsets ?? [],
          overCapacity: 'truncated',
        },
        endpointSlices: [meta(sliceController, 'auth-service-1')],
      }),
    },
    ids: ['SVC-SELECTOR-NOMATCH', 'EPS-OVERSIZE'],
  },
  {
    name: 'other addresses in the Endpoints object',
    facts: {
      desired: desiredService(bothEndpoints),
      nodes: [],
      cluster: cluster({ endpoints: legacy('10.244.1.2', '10.244.9.9') }),
    },
    ids: ['EPS-LEGACY-DIFFERS'],
  },
  {
    name: 'the same while the EndpointSlices change',
    facts: {
      desired: { ...desiredService(bothEndpoints), ...changing },
      nodes: [],
      cluster: cluster({ endpoints: legacy('10.244.1.2', '10.244.9.9') }),
    },
    ids: [],
  },
  {
    name: 'an Endpoints object beside EndpointSlices that are kept by hand',
    facts: {
      desired: desiredService(bothEndpoints),
      nodes: [],
      cluster: cluster({ endpoints: legacy('10.244.9.9'), endpointSlices: [meta('hand', 'auth-service-1')] }),
    },
    ids: [],
  },
  {
    name: 'an Endpoints object of the first of two families',
    facts: {
      desired: {
        ...desiredService(bothEndpoints, { clusterIPs: ['10.96.0.7', 'fd00::7'] }),
        endpointSlices: [
          slice('auth-service-1', bothEndpoints),
          { ...slice('auth-service-2', [endpoint('fd00::2', { targetRef: {} })]), addressType: 'IPv6' },
        ],
      },
      nodes: [],
      cluster: cluster({ endpointSlices: metas }),
    },
    ids: [],
  },
];
