/** Findings of kube-proxy. */
import type { ClusterFacts } from '../../../../core/api/cluster-facts.ts';
import type { NodeReportRecord } from '../../../../core/wire/node-report.ts';
import { readKubeProxy } from '../../../../core/kube-proxy/health.ts';
import { clusterNode, pod } from '../../../support/cluster-facts.ts';
import {
  collectedAt,
  desiredService,
  endpoint,
  frontend,
  nodeFacts,
  nodeProgram,
} from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

type Read = NonNullable<Parameters<typeof nodeFacts>[1]>;
const desired = desiredService();
/** Seconds since 1970 at which the nodes of these cases were read. */
const now = Date.parse(collectedAt) / 1000;
const start: NodeReportRecord = {
  kind: 'start',
  version: 1,
  node: 'node-a',
  startedAt: collectedAt,
  kernel: '6.18',
  probeVersion: '0',
  addresses: ['10.0.0.2'],
};

interface Says {
  readonly metrics?: readonly string[];
  /** Its clusterCIDR is that of the pods where the case does not set it. */
  readonly config?: object;
  readonly proxyMode?: string;
  readonly errors?: readonly string[];
  readonly failures?: NonNullable<Parameters<typeof readKubeProxy>[0]['failures']>;
}

/** A node whose kube-proxy says this. */
function proxy(
  { metrics, config, proxyMode, errors, failures }: Says,
  node = 'node-a',
  read: Read = {},
): ReturnType<typeof nodeFacts> {
  return nodeFacts(node, {
    report: { node, records: [start], complete: true },
    kubeProxy: readKubeProxy({
      kind: 'kubeProxy',
      ...(proxyMode === undefined ? {} : { proxyMode }),
      ...(metrics === undefined ? {} : { metrics: [...metrics] }),
      ...(config === undefined
        ? {}
        : { configz: JSON.stringify({ 'kubeproxy.config.k8s.io': { clusterCIDR: '10.244.0.0/16', ...config } }) }),
      errors: [...(errors ?? [])],
      ...(failures === undefined ? {} : { failures }),
    }),
    ...read,
  });
}

const silent = (why: string): string[] =>
  ['10249/proxyMode', '10249/metrics', '10256/livez'].map((address) => `127.0.0.1:${address}: ${why}`);
const refused = silent('connect ECONNREFUSED 127.0.0.1');
const interfaces = (...names: string[]): Read => ({
  interfaces: { kind: 'interfaces', interfaces: names.map((name) => ({ name, addresses: [] })), omitted: 0 },
});
const cilium = {
  name: 'Cilium' as const,
  interfaces: ['cilium_host'],
  replacesKubeProxy: true,
  keeps: 'its Services stand in BPF maps',
};

const sync = (...lines: string[]): string[] => lines.map((line) => `kubeproxy_sync_${line}`);
const queued = (secondsAgo: number, syncedAgo: number): string[] =>
  sync(
    `proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} ${String(now - secondsAgo)}`,
    `proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${String(now - syncedAgo)}`,
  );
const failures = (count: number, syncs: number): string[] =>
  sync(
    `proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} ${String(count)}`,
    `proxy_rules_duration_seconds_count{ip_family="IPv4"} ${String(syncs)}`,
    `proxy_rules_duration_seconds_sum{ip_family="IPv4"} 1`,
  );
const durations = (name: string, count: number, sum: number): string[] =>
  sync(
    `${name}_duration_seconds_count{ip_family="IPv4"} ${String(count)}`,
    `${name}_duration_seconds_sum{ip_family="IPv4"} ${String(sum)}`,
  );
const fullSyncs = (full: number, minutes: number): string[] => [
  ...durations('full_proxy_rules', full, 1),
  ...durations('partial_proxy_rules', 500, 1),
  `process_start_time_seconds ${String(now - minutes * 60)}`,
];
const apiRequests = (errors: number): string[] => [
  'rest_client_requests_total{code="200",method="GET"} 40',
  ...(errors === 0 ? [] : [`rest_client_requests_total{code="<error>",method="GET"} ${String(errors)}`]),
];

/** The collection ten seconds before, in which node-a's kube-proxy had counted this. */
const before = (kubeProxy: object): NonNullable<FindingCase['facts']['previous']> => ({
  nodes: [
    {
      name: 'node-a',
      probe: { state: 'Collected', collectedAt: '2026-11-24T09:59:50Z' },
      proxyMode: 'iptables',
      ports: [],
      kubeProxy,
    },
  ],
});

/** Nothing else is known of the cluster, so that no other finding compares it. */
const cluster = (extra: Partial<ClusterFacts>): ClusterFacts => ({ unread: [], ...extra });
const configMap = (yaml: string): ClusterFacts =>
  cluster({
    kubeProxy: {
      config: { 'config.conf': `kind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16\n${yaml}` },
      pods: [],
    },
  });
/** The Service with one endpoint, whose pod is there. */
const single = desiredService([endpoint('10.244.1.2')]);
const ofSingle: Read = { program: nodeProgram([frontend(['10.244.1.2'])]) };
const hostPod = { ...pod('10.0.0.9', { name: 'auth-9', uid: 'uid-10.0.0.9', hostNetwork: true }) };
const withHostPod = desiredService([endpoint('10.244.1.2'), endpoint('10.0.0.9')]);
const nodes = (extra: Parameters<typeof clusterNode>[1] = {}): ClusterFacts =>
  cluster({ nodes: [clusterNode('node-a', { internalIPs: ['10.0.0.2'], ...extra }), clusterNode('node-b')] });
const withNodePort = desiredService(undefined, {
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
});
const behind = { program: nodeProgram([frontend(['10.244.1.2', '10.244.2.2', '10.244.9.9'])]) };

export const kubeProxyCases: readonly FindingCase[] = [
  {
    name: 'kube-proxy not healthy',
    facts: { desired, nodes: [nodeFacts('node-a', { kubeProxy: { healthy: false } })] },
    ids: ['KP-UNHEALTHY'],
  },
  {
    name: 'kube-proxy that does not answer',
    facts: { desired, nodes: [nodeFacts('node-a', { kubeProxy: {} })] },
    ids: [],
  },

  {
    name: 'kube-proxy whose ports are closed',
    facts: { desired, nodes: [proxy({ errors: refused })] },
    ids: ['KP-ABSENT'],
  },
  {
    name: 'kube-proxy whose ports are closed, in whatever words',
    facts: {
      desired,
      nodes: [
        proxy({
          errors: ['nobody there', 'nobody there'],
          failures: [
            { port: 10249, cause: 'refused' },
            { port: 10256, cause: 'refused' },
          ],
        }),
      ],
    },
    ids: ['KP-ABSENT'],
  },
  {
    name: 'kube-proxy of which one port is closed and the other is late',
    facts: {
      desired,
      nodes: [
        proxy({
          failures: [
            { port: 10249, cause: 'refused' },
            { port: 10256, cause: 'late' },
          ],
        }),
      ],
    },
    ids: [],
  },
  {
    name: 'kube-proxy whose metrics alone are closed',
    facts: { desired, nodes: [proxy({ errors: refused.slice(0, 2) })] },
    ids: [],
  },
  {
    name: 'kube-proxy that listens elsewhere, by its ConfigMap',
    facts: {
      desired,
      nodes: [proxy({ errors: refused })],
      cluster: configMap('healthzBindAddress: 0.0.0.0:20256\nmetricsBindAddress: 127.0.0.1:20249'),
    },
    ids: [],
  },
  {
    name: 'kube-proxy whose ports are closed, and whose ConfigMap has the usual ones',
    facts: {
      desired,
      nodes: [proxy({ errors: refused })],
      cluster: configMap('healthzBindAddress: 0.0.0.0:10256\nmetricsBindAddress: ""'),
    },
    ids: ['KP-ABSENT'],
  },
  {
    name: 'Cilium in place of kube-proxy',
    facts: { desired, nodes: [proxy({ errors: refused }, 'node-a', { datapath: cilium })] },
    ids: ['KP-REPLACED'],
  },
  {
    name: 'Cilium on all nodes, told once',
    facts: {
      desired,
      nodes: [
        proxy({ errors: refused }, 'node-a', { datapath: cilium }),
        proxy({ errors: refused }, 'node-b', { datapath: cilium }),
      ],
    },
    ids: ['KP-REPLACED'],
  },
  {
    name: 'Cilium beside kube-proxy',
    facts: { desired, nodes: [proxy({}, 'node-a', { datapath: { ...cilium, replacesKubeProxy: false } })] },
    ids: [],
  },
  {
    name: 'kube-proxy that is stopped',
    facts: { desired, nodes: [proxy({ errors: silent('The operation was aborted due to timeout') })] },
    ids: ['KP-NO-ANSWER'],
  },

  {
    name: 'writing asked for 20 s ago',
    facts: { desired, nodes: [proxy({ metrics: queued(20, 60) })] },
    ids: ['KP-SYNC-STALE'],
  },
  { name: 'writing asked for 5 s ago', facts: { desired, nodes: [proxy({ metrics: queued(5, 60) })] }, ids: [] },
  {
    name: 'nothing to write for an hour',
    facts: { desired, nodes: [proxy({ metrics: queued(3601, 3600) })] },
    ids: [],
  },
  {
    name: 'writing asked for 20 s ago where kube-proxy waits 15 s',
    facts: { desired, nodes: [proxy({ metrics: queued(20, 60), config: { iptables: { minSyncPeriod: '15s' } } })] },
    ids: ['KP-SYNC-SLOW'],
  },

  { name: 'a failed write of long ago', facts: { desired, nodes: [proxy({ metrics: failures(1, 1000) })] }, ids: [] },
  {
    name: 'three failed writes among many',
    facts: { desired, nodes: [proxy({ metrics: failures(3, 1000) })] },
    ids: [],
  },
  {
    name: 'frequent failed writes, by a first reading that says nothing of when',
    facts: { desired, nodes: [proxy({ metrics: failures(20, 1000) })] },
    ids: [],
  },
  {
    name: 'failed writes, and one that is late',
    facts: { desired, nodes: [proxy({ metrics: [...failures(2, 1000), ...queued(40, 60)] })] },
    ids: ['KP-SYNC-STALE', 'KP-RESTORE-FAIL'],
  },
  {
    name: 'the same at the next reading, where none failed in between',
    facts: {
      desired,
      nodes: [proxy({ metrics: [...failures(2, 1000), ...queued(40, 60)] })],
      previous: before({ failures: 2 }),
    },
    ids: ['KP-SYNC-STALE', 'KP-RESTORE-FAIL'],
  },
  {
    name: 'failed writes, and one that is asked for just now',
    facts: { desired, nodes: [proxy({ metrics: [...failures(2, 1000), ...queued(3, 60)] })] },
    ids: [],
  },
  {
    name: 'frequent failed writes that ended',
    facts: { desired, nodes: [proxy({ metrics: failures(20, 1000) })], previous: before({ failures: 20 }) },
    ids: [],
  },
  {
    name: 'a failed write since the collection before',
    facts: { desired, nodes: [proxy({ metrics: failures(2, 1000) })], previous: before({ failures: 1 }) },
    ids: ['KP-RESTORE-FAIL'],
  },
  {
    name: 'failed writes of a kube-proxy that started again',
    facts: { desired, nodes: [proxy({ metrics: failures(2, 1000) })], previous: before({ failures: 7 }) },
    ids: [],
  },

  { name: 'a full write each hour', facts: { desired, nodes: [proxy({ metrics: fullSyncs(25, 1440) })] }, ids: [] },
  { name: 'full writes at the start', facts: { desired, nodes: [proxy({ metrics: fullSyncs(6, 1) })] }, ids: [] },
  {
    name: 'two full writes a minute until the first reading',
    facts: { desired, nodes: [proxy({ metrics: fullSyncs(120, 60) })] },
    ids: [],
  },
  {
    name: 'four full writes since the collection before',
    facts: { desired, nodes: [proxy({ metrics: fullSyncs(104, 1440) })], previous: before({ fullSyncs: 100 }) },
    ids: ['KP-FULL-RESTORES'],
  },
  {
    name: 'two full writes since the collection before',
    facts: { desired, nodes: [proxy({ metrics: fullSyncs(102, 1440) })], previous: before({ fullSyncs: 100 }) },
    ids: [],
  },
  {
    name: 'full writes of a version that knows no others',
    facts: {
      desired,
      nodes: [
        proxy({
          metrics: [...durations('full_proxy_rules', 120, 1), `process_start_time_seconds ${String(now - 3600)}`],
        }),
      ],
    },
    ids: [],
  },

  {
    name: 'writes of 2 s',
    facts: { desired, nodes: [proxy({ metrics: durations('proxy_rules', 20, 40) })] },
    ids: ['KP-SYNC-SLOW'],
  },
  { name: 'a slow start', facts: { desired, nodes: [proxy({ metrics: durations('proxy_rules', 3, 40) })] }, ids: [] },
  {
    name: 'writes of 50 ms, with the default minSyncPeriod',
    facts: {
      desired,
      nodes: [
        proxy({
          metrics: durations('proxy_rules', 1000, 50),
          config: { mode: 'iptables', iptables: { minSyncPeriod: '1s' } },
        }),
      ],
    },
    ids: [],
  },
  {
    name: 'minSyncPeriod of old tuning, by the ConfigMap',
    facts: { desired, nodes: [nodeFacts('node-a')], cluster: configMap('iptables:\n  minSyncPeriod: 10s') },
    ids: ['KP-SYNC-SLOW'],
  },

  {
    name: 'failing requests, and rules that are behind',
    facts: { desired, nodes: [proxy({ metrics: apiRequests(7) }, 'node-a', behind)] },
    ids: ['RULE-EP-STALE', 'KP-API-ERRORS'],
  },
  { name: 'requests that failed once', facts: { desired, nodes: [proxy({ metrics: apiRequests(7) })] }, ids: [] },
  {
    name: 'failing requests, and rules that are behind, at the next reading',
    facts: {
      desired,
      nodes: [proxy({ metrics: apiRequests(7) }, 'node-a', behind)],
      previous: before({ apiErrors: 7 }),
    },
    ids: ['RULE-EP-STALE', 'KP-API-ERRORS'],
  },
  {
    name: 'requests that fail now',
    facts: { desired, nodes: [proxy({ metrics: apiRequests(10) })], previous: before({ apiErrors: 5 }) },
    ids: ['KP-API-ERRORS'],
  },
  {
    name: 'watches that were made again after an API server was replaced',
    facts: { desired, nodes: [proxy({ metrics: apiRequests(9) })], previous: before({ apiErrors: 5 }) },
    ids: [],
  },

  {
    name: 'a mode that the ConfigMap does not say any more',
    facts: { desired, nodes: [proxy({ proxyMode: 'iptables' })], cluster: configMap('mode: nftables') },
    ids: ['KP-MODE-MIXED'],
  },
  {
    name: 'nodes of different modes without a ConfigMap',
    facts: {
      desired,
      nodes: [proxy({ proxyMode: 'iptables' }), proxy({ proxyMode: 'nftables' }, 'node-b')],
      cluster: cluster({ kubeProxy: { pods: [] } }),
    },
    ids: [],
  },
  {
    name: 'a ConfigMap that leaves the mode open',
    facts: { desired, nodes: [proxy({ proxyMode: 'nftables' })], cluster: configMap('mode: ""') },
    ids: [],
  },
  {
    name: 'rules of an earlier mode',
    facts: {
      desired,
      nodes: [
        proxy({ proxyMode: 'nftables' }, 'node-a', {
          otherModes: {
            kind: 'otherModes',
            service: 'default/auth-service',
            found: [{ mode: 'iptables', family: 'IPv4', what: 'chain KUBE-SVC-X of nat (legacy)' }],
          },
        }),
      ],
    },
    ids: ['KP-MODE-LEFTOVER'],
  },
  {
    name: 'no rules of an earlier mode',
    facts: {
      desired,
      nodes: [
        proxy({ proxyMode: 'nftables' }, 'node-a', {
          otherModes: { kind: 'otherModes', service: 'default/auth-service', found: [] },
        }),
      ],
    },
    ids: [],
  },

  {
    name: 'another host name',
    facts: { desired, nodes: [proxy({ config: { hostnameOverride: 'node-b' } })] },
    ids: ['KP-HOSTNAME'],
  },
  {
    name: 'the host name in other letters',
    facts: { desired, nodes: [proxy({ config: { hostnameOverride: 'Node-A' } })] },
    ids: [],
  },

  {
    name: 'a clusterCIDR without the pods',
    facts: {
      desired: single,
      nodes: [proxy({ config: { clusterCIDR: '10.200.0.0/16' } }, 'node-a', ofSingle)],
      cluster: cluster({ pods: [pod('10.244.1.2')] }),
    },
    ids: ['KP-DETECTLOCAL'],
  },
  {
    name: 'a clusterCIDR without pods of hostNetwork, and with others',
    facts: {
      desired: withHostPod,
      nodes: [proxy({}, 'node-a', { program: nodeProgram([{ ...frontend(['10.244.1.2', '10.0.0.9']) }]) })],
      cluster: cluster({ pods: [hostPod, pod('10.244.1.2')] }),
    },
    ids: [],
  },
  {
    name: 'a clusterCIDR of the other family',
    facts: {
      desired: single,
      nodes: [proxy({ config: { clusterCIDR: 'fd00:10:244::/56' } }, 'node-a', ofSingle)],
      cluster: cluster({ pods: [pod('10.244.1.2')] }),
    },
    ids: [],
  },
  {
    name: 'detection by a podCIDR that the node does not have',
    facts: { desired, nodes: [proxy({ config: { detectLocalMode: 'NodeCIDR' } })], cluster: nodes({ podCIDRs: [] }) },
    ids: ['KP-DETECTLOCAL'],
  },
  {
    name: 'detection by a podCIDR',
    facts: {
      desired,
      nodes: [proxy({ config: { detectLocalMode: 'NodeCIDR' } })],
      cluster: nodes({ podCIDRs: ['10.244.1.0/24'] }),
    },
    ids: [],
  },
  {
    name: 'detection by a bridge that is not there',
    facts: {
      desired,
      nodes: [
        proxy(
          { config: { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'cni0' } } },
          'node-a',
          interfaces('lo', 'eth0'),
        ),
      ],
    },
    ids: ['KP-DETECTLOCAL'],
  },
  {
    name: 'detection by a bridge',
    facts: {
      desired,
      nodes: [
        proxy(
          { config: { detectLocalMode: 'BridgeInterface', detectLocal: { bridgeInterface: 'cni0' } } },
          'node-a',
          interfaces('lo', 'cni0'),
        ),
      ],
    },
    ids: [],
  },
  {
    name: 'detection by interfaces that pods do not have',
    facts: {
      desired: single,
      nodes: [
        proxy(
          { config: { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'cali' } } },
          'node-a',
          { ...ofSingle, ...interfaces('lo', 'veth1') },
        ),
      ],
      cluster: cluster({ pods: [pod('10.244.1.2')] }),
    },
    ids: ['KP-DETECTLOCAL'],
  },
  {
    name: 'detection by interfaces on a node without pods',
    facts: {
      desired: single,
      nodes: [
        proxy(
          { config: { detectLocalMode: 'InterfaceNamePrefix', detectLocal: { interfaceNamePrefix: 'cali' } } },
          'node-b',
          { ...ofSingle, ...interfaces('lo', 'eth0') },
        ),
      ],
      cluster: cluster({ pods: [pod('10.244.1.2')] }),
    },
    ids: [],
  },
  {
    name: 'no clusterCIDR on two nodes, told once',
    facts: {
      desired,
      nodes: [proxy({ config: { clusterCIDR: '' } }), proxy({ config: { clusterCIDR: '' } }, 'node-b')],
    },
    ids: ['KP-DETECTLOCAL-NONE'],
  },
  {
    name: 'masqueradeAll',
    facts: {
      desired,
      nodes: [proxy({ config: { clusterCIDR: '10.244.0.0/16', mode: 'iptables', iptables: { masqueradeAll: true } } })],
    },
    ids: ['KP-MASQALL'],
  },

  {
    name: 'a node port that the node does not serve',
    facts: {
      desired: withNodePort,
      nodes: [proxy({ config: { nodePortAddresses: ['192.168.0.0/16'] } })],
      cluster: nodes(),
    },
    ids: ['KP-NODEPORT-ADDR'],
  },
  {
    name: 'a node port on the primary address',
    facts: { desired: withNodePort, nodes: [proxy({ config: { nodePortAddresses: ['primary'] } })], cluster: nodes() },
    ids: [],
  },
  {
    name: 'a node port in its network',
    facts: {
      desired: withNodePort,
      nodes: [proxy({ config: { nodePortAddresses: ['10.0.0.0/8'] } })],
      cluster: nodes(),
    },
    ids: [],
  },
  {
    name: 'no node port',
    facts: {
      desired: desiredService([endpoint('10.244.1.2'), endpoint('10.244.2.2')]),
      nodes: [proxy({ config: { nodePortAddresses: ['192.168.0.0/16'] } })],
      cluster: nodes(),
    },
    ids: [],
  },
];
