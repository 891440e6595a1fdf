/** A trace past what one object may hold (core/status/bound.ts): 1,000 nodes and 5,000 endpoints, with everything that the views show. */
import type {
  ChainStatus,
  ConntrackEntryStatus,
  DnatTargetStatus,
  DriftStatus,
  FindingStatus,
  NodeStatus,
  ServiceTrace,
} from '../../core/api/service-trace.ts';

const nodeCount = 1000;
const endpointCount = 5000;
/** So many nodes have all endpoints as DNAT targets, the others only those of a slice that was cut. */
const wholeNodes = 10;
const fewTargets = 40;
/** The rules of so many endpoints are 500 KiB, which is all that an object has room for. */
const endpointsWithRules = 1000;
const clusterIP = '10.96.0.7';

const name = (kind: string, index: number): string => `${kind}-${String(index).padStart(4, '0')}`;
const address = (index: number): string =>
  `10.${String(64 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}`;

/** Of a node with so many of the endpoints; a bounded status lists the first 10 that are missing. */
function driftOf(count: number): DriftStatus {
  return {
    desired: endpointCount,
    missing: endpointCount - count,
    extra: 0,
    missingTargets: Array.from({ length: Math.min(10, endpointCount - count) }, (_, index) => ({
      address: address(count + index),
      port: 8080,
      pod: name('auth-service', count + index),
      nodeName: name('node', (count + index) % nodeCount),
    })),
  };
}

/** The `round`th result: each round counts more packets. */
export function largeTrace(round: number): ServiceTrace {
  const collectedAt = new Date(Date.parse('2026-11-24T11:00:00Z') + 2000 * round).toISOString();
  const targets = (count: number): DnatTargetStatus[] =>
    Array.from({ length: count }, (_, index) => ({
      address: address(index),
      port: 8080,
      pod: name('auth-service', index),
      probability: 1 / count,
      packets: index + 7 * round,
      bytes: 60 * (index + 7 * round),
      connections: index % 9,
    }));
  return {
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: {
      name: 'auth-service-x7k2p',
      namespace: 'default',
      generation: 1,
      resourceVersion: String(round + 1),
      uid: 'uid-1',
    },
    spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch', interval: '2s' },
    status: {
      observedGeneration: 1,
      collectedAt,
      conditions: (['Ready', 'Collected', 'Converged', 'Healthy'] as const).map((type) => ({
        type,
        status: 'True',
        reason: 'Collected',
        message: 'collected from all nodes',
        lastTransitionTime: '2026-11-24T11:00:00Z',
      })),
      service: {
        type: 'ClusterIP',
        clusterIPs: [clusterIP],
        externalIPs: [],
        loadBalancerIPs: [],
        ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: '8080' }],
        internalTrafficPolicy: 'Cluster',
        sessionAffinity: 'None',
      },
      endpointSlices: Array.from({ length: endpointCount / 100 }, (_, slice) => ({
        name: name('auth-service-slice', slice),
        addressType: 'IPv4' as const,
        ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }],
        endpoints: Array.from({ length: 100 }, (_each, index) => ({
          addresses: [address(100 * slice + index)],
          ready: true,
          serving: true,
          terminating: false,
          nodeName: name('node', (100 * slice + index) % nodeCount),
          targetRef: {
            kind: 'Pod',
            name: name('auth-service', 100 * slice + index),
            uid: `uid-${String(100 * slice + index)}`,
          },
        })),
      })),
      programs: [
        {
          fingerprint: 'program',
          proxyMode: 'iptables',
          backend: 'nf_tables',
          nodes: Array.from({ length: nodeCount }, (_, index) => name('node', index)),
          chains: chains(round),
        },
      ],
      nodes: Array.from({ length: nodeCount }, (_, index): NodeStatus => ({
        name: name('node', index),
        probe: { state: 'Collected', collectedAt, durationMilliseconds: 41 },
        proxyMode: 'iptables',
        proxyModeSource: 'kube-proxy says so on 127.0.0.1:10249/proxyMode',
        backend: 'nf_tables',
        kubeProxy: { healthy: true, lastSync: '2026-11-24T10:59:48Z' },
        program: 'program',
        ports: [
          {
            family: 'IPv4',
            frontend: 'ClusterIP',
            address: clusterIP,
            portName: 'http',
            protocol: 'TCP',
            port: 80,
            verdict: 'DNAT',
            packets: index + 100 * round,
            bytes: 60 * (index + 100 * round),
            dnatTargets: targets(index < wholeNodes ? endpointCount : fewTargets),
            drift: driftOf(index < wholeNodes ? endpointCount : fewTargets),
          },
        ],
        conntrack: {
          matched: index % 50,
          unreplied: 0,
          count: 548,
          max: 262_144,
          states: { 'TCP ESTABLISHED': 2 },
          ...(index === 0 || index === nodeCount - 1 ? { entries: entries() } : {}),
        },
        dns: { name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10', answers: [clusterIP] },
      })),
      findings: Array.from({ length: nodeCount - wholeNodes }, (_, index): FindingStatus => ({
        id: 'RULE-EP-MISSING',
        severity: 'error',
        where: `node/${name('node', index + wholeNodes)}`,
        node: name('node', index + wholeNodes),
        message: `${name('node', index + wholeNodes)} sends ${index % 10 === round % 10 ? 'at last' : 'still'} no packet of ClusterIP ${clusterIP}:80/TCP to ${String(endpointCount - fewTargets)} ready endpoints.`,
        evidence: ['the EndpointSlices ask for 5000 endpoints', 'the rules of the node have 40'],
        advice: 'restart kube-proxy on the node',
      })),
      walks: [
        {
          node: 'node-0000',
          source: '10.244.0.7',
          destination: clusterIP,
          destinationPort: 80,
          protocol: 'TCP',
          verdict: 'DNAT',
          masquerade: false,
          destinations: Array.from({ length: endpointCount }, (_, index) => ({
            address: address(index),
            port: 8080,
            probability: 1 / endpointCount,
          })),
          path: Array.from({ length: endpointCount }, (_, index) => ({
            table: 'nat',
            chain: 'KUBE-SVC-X',
            rule: `-A KUBE-SVC-X -j KUBE-SEP-${String(index)}`,
            effect: `jumps to KUBE-SEP-${String(index)}`,
          })),
          unknown: [],
        },
      ],
      summary: {
        nodes: `${String(nodeCount)}/${String(nodeCount)}`,
        endpoints: `${String(endpointCount)}/${String(endpointCount)}`,
        findings: nodeCount - wholeNodes,
        errors: nodeCount - wholeNodes,
        warnings: 0,
      },
    },
  };
}

/** kube-proxy's chains of the Service: one for each endpoint. */
function chains(round: number): ChainStatus[] {
  const rule = (text: string, packets: number): ChainStatus['rules'][number] => ({
    text,
    packets: packets + 7 * round,
    bytes: 60 * (packets + 7 * round),
  });
  return [
    {
      family: 'IPv4',
      table: 'nat',
      name: 'KUBE-SERVICES',
      rules: [
        rule(
          `-A KUBE-SERVICES -d ${clusterIP}/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-X`,
          12,
        ),
      ],
    },
    {
      family: 'IPv4',
      table: 'nat',
      name: 'KUBE-SVC-X',
      rules: Array.from({ length: endpointsWithRules }, (_, index) =>
        rule(
          `-A KUBE-SVC-X -m comment --comment "default/auth-service:http -> ${address(index)}:8080" -m statistic --mode random --probability ${(1 / (endpointsWithRules - index)).toFixed(11)} -j KUBE-SEP-${String(index)}`,
          index,
        ),
      ),
    },
    ...Array.from({ length: endpointsWithRules }, (_, index): ChainStatus => ({
      family: 'IPv4',
      table: 'nat',
      name: `KUBE-SEP-${String(index)}`,
      rules: [
        rule(`-A KUBE-SEP-${String(index)} -s ${address(index)}/32 -j KUBE-MARK-MASQ`, 0),
        rule(`-A KUBE-SEP-${String(index)} -p tcp -m tcp -j DNAT --to-destination ${address(index)}:8080`, index),
      ],
    })),
  ];
}

function entries(): ConntrackEntryStatus[] {
  return Array.from({ length: endpointCount }, (_, index) => ({
    protocol: 'TCP',
    state: 'ESTABLISHED',
    original: {
      source: `10.244.0.${String(index % 250)}`,
      sourcePort: 30_000 + index,
      destination: clusterIP,
      destinationPort: 80,
    },
    reply: {
      source: address(index % 700),
      sourcePort: 8080,
      destination: '10.244.0.7',
      destinationPort: 30_000 + index,
    },
    pod: name('auth-service', index % 700),
  }));
}
