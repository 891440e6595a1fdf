/** Findings of pods and of the nodes that they are on. */
import type { PodFacts } from '../../../../core/api/cluster-facts.ts';
import { bothEndpoints, cluster, clusterNode, pod } from '../../../support/cluster-facts.ts';
import { desiredService, frontend, nodeFacts, nodeProgram } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const desired = desiredService(bothEndpoints);
const beside = (other: PodFacts): FindingCase['facts'] => ({
  desired,
  nodes: [],
  cluster: cluster({ pods: [pod('10.244.1.2'), other] }),
});
const starting = (createdAt: string): PodFacts =>
  pod('10.244.9.9', { name: 'auth-new', uid: 'new', addresses: [], ready: false, phase: 'Pending', createdAt });
const withNew = (other: PodFacts): FindingCase['facts'] => ({
  desired,
  nodes: [],
  cluster: cluster({ pods: [pod('10.244.1.2'), pod('10.244.2.3'), other] }),
});
const restarted = (lastEnd: string, extra: { waiting?: string; restarts?: number } = {}): PodFacts =>
  pod('10.244.2.3', {
    containers: [
      {
        name: 'server',
        ports: [],
        restarts: 3,
        lastEnd: { reason: 'OOMKilled', exitCode: 137, finishedAt: lastEnd },
        ...extra,
      },
    ],
  });
/** Its end was asked for two seconds before the nodes were read, unless the case sets it. */
const ending = (hasPreStop: boolean, by = '2026-11-24T10:00:28Z'): PodFacts =>
  pod('10.244.3.4', { deletionTimestamp: by, terminationGracePeriodSeconds: 30, hasPreStop });
const rulesOf = (...addresses: string[]): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses)]) });
const endingFacts = (hasPreStop: boolean, ...addresses: string[]): FindingCase['facts'] => ({
  desired: { ...desired, lastChange: '2026-11-24T09:59:58Z' },
  nodes: [rulesOf(...addresses)],
  cluster: cluster({ pods: [pod('10.244.1.2'), pod('10.244.2.3'), ending(hasPreStop)] }),
});
const notReadyNode = clusterNode('node-b', {
  ready: false,
  notReady: 'NodeStatusUnknown: Kubelet stopped posting node status.',
});

export const podCases: readonly FindingCase[] = [
  {
    name: 'a pod that is not ready, and was not put among the ready endpoints',
    facts: withNew({ ...starting('2026-11-24T09:59:00Z'), phase: 'Running' }),
    ids: ['POD-NOTREADY'],
  },
  { name: 'a pod that started 20 s ago', facts: withNew(starting('2026-11-24T09:59:40Z')), ids: [] },
  {
    name: 'a pod that its kubelet has not come to within a minute',
    facts: withNew(starting('2026-11-24T09:59:00Z')),
    ids: [],
  },
  {
    name: 'a pod that its kubelet has not come to within three minutes',
    facts: withNew(starting('2026-11-24T09:57:00Z')),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod that no node was found for',
    facts: withNew((({ node: _node, ...rest }: PodFacts): PodFacts => rest)(starting('2026-11-24T09:59:00Z'))),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod whose container is being made for a minute',
    facts: withNew({
      ...starting('2026-11-24T09:59:00Z'),
      containers: [{ name: 'server', ports: [], restarts: 0, waiting: 'ContainerCreating' }],
    }),
    ids: [],
  },
  {
    name: 'a pod whose container is being made for three minutes',
    facts: withNew({
      ...starting('2026-11-24T09:57:00Z'),
      containers: [{ name: 'server', ports: [], restarts: 0, waiting: 'ContainerCreating' }],
    }),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod whose image cannot be had',
    facts: withNew({
      ...starting('2026-11-24T09:59:00Z'),
      containers: [{ name: 'server', ports: [], restarts: 0, waiting: 'ImagePullBackOff' }],
    }),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod whose container was started 20 s ago',
    facts: withNew({
      ...starting('2026-11-24T09:58:00Z'),
      phase: 'Running',
      containers: [{ name: 'server', ports: [], restarts: 0, startedAt: '2026-11-24T09:59:40Z' }],
    }),
    ids: [],
  },
  {
    name: 'a pod that was ready, and is not any more 20 s after its container was started',
    facts: withNew({
      ...starting('2026-11-24T09:58:00Z'),
      phase: 'Running',
      notReadySince: '2026-11-24T09:59:50Z',
      containers: [{ name: 'server', ports: [], restarts: 0, startedAt: '2026-11-24T09:59:40Z' }],
    }),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod that is not ready a minute after its container was started',
    facts: withNew({
      ...starting('2026-11-24T09:58:00Z'),
      phase: 'Running',
      containers: [{ name: 'server', ports: [], restarts: 0, startedAt: '2026-11-24T09:59:00Z' }],
    }),
    ids: ['POD-NOTREADY'],
  },
  {
    name: 'a pod that ended well',
    facts: withNew(pod('10.244.9.9', { name: 'auth-job', uid: 'job', ready: false, phase: 'Succeeded' })),
    ids: [],
  },

  {
    name: 'a container that ended ten minutes ago',
    facts: beside(restarted('2026-11-24T09:50:00Z')),
    ids: ['POD-RESTARTS'],
  },
  { name: 'a container that ended yesterday', facts: beside(restarted('2026-11-23T09:50:00Z')), ids: [] },
  {
    name: 'a container that has been failing since yesterday',
    facts: beside(restarted('2026-11-23T09:50:00Z', { waiting: 'CrashLoopBackOff' })),
    ids: ['POD-RESTARTS'],
  },
  {
    name: 'a pod that is not ready because its container just ended',
    facts: withNew({
      ...restarted('2026-11-24T09:58:00Z'),
      name: 'auth-new',
      uid: 'new',
      addresses: ['10.244.9.9'],
      ready: false,
      notReady: 'ContainersNotReady',
    }),
    ids: ['POD-RESTARTS'],
  },
  {
    name: 'a pod that is not ready for long after its container ended',
    facts: withNew({
      ...restarted('2026-11-24T09:30:00Z'),
      name: 'auth-new',
      uid: 'new',
      addresses: ['10.244.9.9'],
      ready: false,
      notReady: 'ContainersNotReady',
    }),
    ids: ['POD-NOTREADY', 'POD-RESTARTS'],
  },

  {
    name: 'a pod that ends without preStop, and is still sent packets',
    facts: endingFacts(false, '10.244.1.2', '10.244.2.3', '10.244.3.4'),
    ids: ['POD-NO-DRAIN'],
  },
  { name: 'a pod that ends with preStop', facts: endingFacts(true, '10.244.1.2', '10.244.2.3', '10.244.3.4'), ids: [] },
  {
    name: 'a pod that began to end a second before the nodes were read, or after it',
    facts: {
      ...endingFacts(false, '10.244.1.2', '10.244.2.3', '10.244.3.4'),
      cluster: cluster({ pods: [pod('10.244.1.2'), pod('10.244.2.3'), ending(false, '2026-11-24T10:00:29Z')] }),
    },
    ids: [],
  },
  {
    name: 'a pod that ends and is sent nothing any more',
    facts: endingFacts(false, '10.244.1.2', '10.244.2.3'),
    ids: [],
  },

  {
    name: 'a node with endpoints that is not ready',
    facts: { desired, nodes: [], cluster: cluster({ nodes: [clusterNode('node-a'), notReadyNode] }) },
    ids: ['NODE-NOTREADY'],
  },
  {
    name: 'a node that has nothing to do with the Service',
    facts: {
      desired,
      nodes: [],
      cluster: cluster({ nodes: [clusterNode('node-a'), clusterNode('node-b'), { ...notReadyNode, name: 'node-z' }] }),
    },
    ids: [],
  },
  {
    name: 'a node that was asked and is not ready',
    facts: {
      desired,
      nodes: [
        { node: 'node-z', answer: { node: 'node-z', state: 'Waiting', reason: 'Asking', message: 'it is asked' } },
      ],
      cluster: cluster({ nodes: [clusterNode('node-a'), clusterNode('node-b'), { ...notReadyNode, name: 'node-z' }] }),
    },
    ids: ['NODE-NOTREADY'],
  },
  {
    name: 'endpoints on a node that the cluster does not have',
    facts: { desired, nodes: [], cluster: cluster({ nodes: [clusterNode('node-a')] }) },
    ids: ['NODE-GONE'],
  },
  {
    name: 'endpoints of a new pod on a node that joined a moment ago',
    facts: {
      desired,
      nodes: [],
      cluster: cluster({
        nodes: [clusterNode('node-a')],
        pods: [pod('10.244.1.2'), pod('10.244.2.3', { node: 'node-b', createdAt: '2026-11-24T09:59:30Z' })],
      }),
    },
    ids: [],
  },
];
