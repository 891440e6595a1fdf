/** Literal facts of the API server for tests: the two pods of auth-service, its EndpointSlice, and two nodes. */
import type { ClusterFacts, ClusterNode, NetworkPolicyFacts, PodFacts } from '../../core/api/cluster-facts.ts';
import { sliceController } from '../../core/diagnose/checks/pod-endpoints.ts';
import { endpoint } from './node-facts.ts';

/** The endpoints of both pods. */
export const bothEndpoints = [endpoint('10.244.1.2'), endpoint('10.244.2.3', { nodeName: 'node-b' })];

/** A ready pod whose name and uid are those that `endpoint(address)` of facts.ts refers to. */
export function pod(address: string, extra: Partial<PodFacts> = {}): PodFacts {
  return {
    name: `auth-${address.split('.').at(-1) ?? ''}`,
    uid: `uid-${address}`,
    selected: true,
    labels: { app: 'auth' },
    node: 'node-a',
    phase: 'Running',
    ready: true,
    createdAt: '2026-11-24T08:00:00Z',
    readySince: '2026-11-24T08:00:10Z',
    hasPreStop: false,
    addresses: [address],
    hostNetwork: false,
    containers: [{ name: 'server', ports: [{ name: 'web', port: 8080, protocol: 'TCP' }], restarts: 0 }],
    ...extra,
  };
}

export const bothPods: PodFacts[] = [pod('10.244.1.2'), pod('10.244.2.3', { node: 'node-b' })];

export function clusterNode(name: string, extra: Partial<ClusterNode> = {}): ClusterNode {
  return {
    name,
    ready: true,
    internalIPs: [`172.30.0.${name.charCodeAt(name.length - 1) - 86}`],
    podCIDRs: [],
    ...extra,
  };
}

export function cluster(extra: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    service: { createdAt: '2026-11-24T08:00:00Z', loadBalancerIngress: [] },
    pods: bothPods,
    endpointSlices: [
      { name: 'auth-service-1', managedBy: sliceController, createdAt: '2026-11-24T08:00:00Z', bytes: 900 },
    ],
    endpoints: {
      bytes: 600,
      subsets: [
        {
          addresses: ['10.244.1.2', '10.244.2.3'],
          notReadyAddresses: [],
          ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        },
      ],
    },
    networkPolicies: [],
    nodes: [clusterNode('node-a'), clusterNode('node-b')],
    unread: [],
    ...extra,
  };
}

/** One that isolates the pod of node-a. */
export function policy(
  ingress: NetworkPolicyFacts['ingress'],
  extra: Partial<NetworkPolicyFacts> = {},
): NetworkPolicyFacts {
  return { name: 'guard', pods: ['auth-2'], ingress, ...extra };
}
