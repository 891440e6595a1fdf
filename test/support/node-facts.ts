/** Literal facts for tests: a Service with two endpoints on two nodes, seen by nodes whose rules are right. */
import type { ClusterFacts } from '../../core/api/cluster-facts.ts';
import type { NodeFacts } from '../../core/program/node-facts.ts';
import type { NodeReport } from '../../core/wire/node-report.ts';
import type { FrontendProgram, NodeProgram } from '../../core/program/program.ts';
import type { EndpointStatus } from '../../core/api/service-trace.ts';
import type { DesiredService } from '../../core/api/service.ts';

export const collectedAt = '2026-11-24T10:00:00Z';

export function endpoint(address: string, extra: Partial<EndpointStatus> = {}): EndpointStatus {
  return {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName: 'node-a',
    targetRef: { kind: 'Pod', name: `auth-${address.split('.').at(-1) ?? ''}`, uid: `uid-${address}` },
    ...extra,
  };
}

export function desiredService(
  endpoints: EndpointStatus[] = [endpoint('10.244.1.2'), endpoint('10.244.2.2', { nodeName: 'node-b' })],
  extra: Partial<DesiredService['service']> = {},
): DesiredService {
  return {
    namespace: 'default',
    name: 'auth-service',
    service: {
      type: 'ClusterIP',
      clusterIPs: ['10.96.0.7'],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      selector: { app: 'auth' },
      ...extra,
    },
    endpointSlices: [
      {
        name: 'auth-service-1',
        addressType: 'IPv4',
        ports: [{ name: 'http', protocol: extra.ports?.[0]?.protocol ?? 'TCP', port: 8080 }],
        endpoints,
      },
    ],
  };
}

export function frontend(addresses: readonly string[], extra: Partial<FrontendProgram> = {}): FrontendProgram {
  return {
    family: 'IPv4',
    frontend: 'ClusterIP',
    address: '10.96.0.7',
    portName: 'http',
    protocol: 'TCP',
    port: 80,
    verdict: addresses.length > 0 ? 'DNAT' : 'None',
    dnatTargets: addresses.map((address) => ({ address, port: 8080, probability: 1 / addresses.length })),
    ...extra,
  };
}

export function nodeProgram(frontends: readonly FrontendProgram[], extra: Partial<NodeProgram> = {}): NodeProgram {
  return {
    proxyMode: 'iptables',
    proxyModeSource: 'kube-proxy says so',
    backend: 'nf_tables',
    frontends,
    chains: [],
    unrecognized: [],
    ...extra,
  };
}

/** A kube-proxy that waits so long between two writes, by the ConfigMap. */
export function waitingKubeProxy(minSyncPeriod: string): NonNullable<ClusterFacts['kubeProxy']> {
  return {
    config: { 'config.conf': `kind: KubeProxyConfiguration\niptables:\n  minSyncPeriod: ${minSyncPeriod}\n` },
    pods: [],
  };
}

const report: NodeReport = { node: 'node-a', records: [], complete: true };

export function nodeFacts(node = 'node-a', read: Partial<NonNullable<NodeFacts['read']>> = {}): NodeFacts {
  return {
    node,
    answer: { node, report, collectedAt },
    read: { report, collectedAt, program: nodeProgram([frontend(['10.244.1.2', '10.244.2.2'])]), unread: [], ...read },
  };
}
