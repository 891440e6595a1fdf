/** Findings of conntrack. */
import type { RecordOf } from '../../../../core/wire/node-report.ts';
import { readKubeProxy } from '../../../../core/kube-proxy/health.ts';
import type { DesiredService } from '../../../../core/api/service.ts';
import {
  desiredService,
  endpoint,
  frontend,
  nodeFacts,
  nodeProgram,
  waitingKubeProxy,
} from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const udp = { ports: [{ name: 'http', protocol: 'UDP' as const, port: 80 }] };
type Group = RecordOf<'conntrack'>['groups'][number];
type Read = NonNullable<Parameters<typeof nodeFacts>[1]>;

/** A node with entries of one group from 10.96.0.7:80. */
const entries = (group: Partial<Group>, read: Read = {}): ReturnType<typeof nodeFacts> => {
  const whole: Group = {
    family: 'IPv4',
    protocol: 'udp',
    unreplied: false,
    destination: '10.96.0.7',
    destinationPort: 80,
    replySource: '10.244.1.2',
    replySourcePort: 8080,
    entries: 3,
    ...group,
  };
  return nodeFacts('node-a', {
    program: nodeProgram([frontend(right, { protocol: whole.protocol === 'udp' ? 'UDP' : 'TCP' })]),
    conntrack: {
      kind: 'conntrack',
      service: 'default/auth-service',
      matched: whole.entries,
      groups: [whole],
      lines: [],
    },
    ...read,
  });
};
const tcp = (group: Partial<Group>, read: Read = {}): ReturnType<typeof nodeFacts> =>
  entries({ protocol: 'tcp', replySource: '10.244.9.9', ...group }, read);
/** Entries of SYN_SENT to an endpoint, on a node that keeps them for so many seconds. */
const unanswered = (group: Partial<Group>, timeout = '120'): ReturnType<typeof nodeFacts> =>
  tcp(
    { replySource: '10.244.1.2', state: 'SYN_SENT', unreplied: true, ...group },
    {
      system: {
        kind: 'system',
        sysctls: { 'net/netfilter/nf_conntrack_tcp_timeout_syn_sent': timeout },
        cpus: 2,
        hostname: 'node-a',
      },
    },
  );
const changed = (desired: DesiredService, lastChange: string): DesiredService => ({ ...desired, lastChange });
const ofUdp = desiredService(undefined, udp);
const withoutEndpoints = (rules: readonly string[]): Read => ({
  program: nodeProgram([frontend(rules, { protocol: 'UDP', verdict: 'REJECT' })]),
});
const local = desiredService([endpoint('10.244.1.2'), endpoint('10.244.2.2', { nodeName: 'node-b' })], {
  ...udp,
  internalTrafficPolicy: 'Local',
});

/** A node that counted this while its probe ran, for half a second. */
const counted = (growth: Readonly<Record<string, number>>): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    conntrackStatistics: {
      kind: 'conntrackStatistics',
      source: 'conntrack -S',
      first: { drop: 100, early_drop: 100, insert_failed: 100, invalid: 100 },
      last: {
        drop: 100 + (growth['drop'] ?? 0),
        early_drop: 100 + (growth['early_drop'] ?? 0),
        insert_failed: 100 + (growth['insert_failed'] ?? 0),
        invalid: 100 + (growth['invalid'] ?? 0),
      },
      milliseconds: 500,
    },
  });
/** The collection ten seconds before. */
const before = (conntrackStatistics: { [name: string]: number }): NonNullable<FindingCase['facts']['previous']> => ({
  nodes: [
    {
      name: 'node-a',
      probe: { state: 'Collected', collectedAt: '2026-11-24T09:59:50Z' },
      proxyMode: 'iptables',
      ports: [],
      conntrackStatistics,
    },
  ],
});
const udpService = (
  name: string,
  node: ReturnType<typeof nodeFacts>,
  ids: string[],
  previous?: FindingCase['facts']['previous'],
): FindingCase => ({
  name,
  facts: {
    desired: ofUdp,
    nodes: [
      {
        ...node,
        ...(node.read === undefined
          ? {}
          : { read: { ...node.read, program: nodeProgram([frontend(right, { protocol: 'UDP' })]) } }),
      },
    ],
    ...(previous === undefined ? {} : { previous }),
  },
  ids,
});

/** A pod of the namespace that is none of the Service's, with an address of before. */
const clientPod = (createdAt: string): NonNullable<FindingCase['facts']['cluster']> => ({
  pods: [
    ...right.map((address, index) => ({
      name: `auth-${String(index + 1)}`,
      address,
      selected: true,
      createdAt: '2026-11-24T08:00:00Z',
    })),
    { name: 'batch-7', address: '10.244.9.9', selected: false, createdAt },
  ].map(({ name, address, selected, createdAt: at }) => ({
    name,
    uid: `uid-${address}`,
    selected,
    labels: {},
    phase: 'Running',
    ready: true,
    hasPreStop: false,
    addresses: [address],
    hostNetwork: false,
    containers: [],
    createdAt: at,
  })),
  unread: [],
});
const longAgo = (desired: DesiredService): DesiredService => ({
  ...changed(desired, '2026-11-24T09:57:00Z'),
  endpointSlices: desired.endpointSlices.map((slice) => ({
    ...slice,
    endpoints: slice.endpoints.map(({ targetRef: _pod, ...rest }) => rest),
  })),
});

export const conntrackCases: readonly FindingCase[] = [
  { name: 'UDP entries to an endpoint', facts: { desired: ofUdp, nodes: [entries({})] }, ids: [] },
  {
    name: 'UDP entries to a dead address',
    facts: { desired: ofUdp, nodes: [entries({ replySource: '10.244.9.9' })] },
    ids: ['CT-UDP-STALE'],
  },
  {
    name: 'UDP entries to a dead address within 10 s of the change',
    facts: { desired: changed(ofUdp, '2026-11-24T09:59:55Z'), nodes: [entries({ replySource: '10.244.9.9' })] },
    ids: [],
  },
  {
    name: 'UDP entries to an endpoint that serves while it terminates',
    facts: {
      desired: desiredService(
        [
          endpoint('10.244.1.2'),
          endpoint('10.244.2.2'),
          endpoint('10.244.3.3', { ready: false, serving: true, terminating: true }),
        ],
        udp,
      ),
      nodes: [entries({ replySource: '10.244.3.3' })],
    },
    ids: [],
  },
  {
    name: 'UDP entries to an endpoint that the policy Local would not choose',
    facts: {
      desired: local,
      nodes: [
        entries(
          { replySource: '10.244.2.2' },
          { program: nodeProgram([frontend(['10.244.1.2'], { protocol: 'UDP' })]) },
        ),
      ],
    },
    ids: [],
  },
  {
    name: 'UDP entries of a Service that lost its endpoints',
    facts: { desired: desiredService([], udp), nodes: [entries({}, withoutEndpoints([]))] },
    ids: ['EPS-EMPTY', 'CT-UDP-NOEP'],
  },
  {
    name: 'UDP entries of a Service that lost its endpoints, by a version that leaves them',
    facts: {
      desired: desiredService([], udp),
      nodes: [
        entries(
          {},
          {
            ...withoutEndpoints([]),
            kubeProxy: readKubeProxy({
              kind: 'kubeProxy',
              metrics: ['kubernetes_build_info{git_version="v1.34.4"} 1'],
              errors: [],
            }),
          },
        ),
      ],
    },
    ids: ['EPS-EMPTY', 'CT-UDP-NOEP'],
  },
  {
    name: 'UDP entries to an address that another pod got',
    facts: {
      desired: longAgo(ofUdp),
      nodes: [entries({ replySource: '10.244.9.9' })],
      cluster: clientPod('2026-11-24T09:58:00Z'),
    },
    ids: ['CT-IP-REUSED'],
  },
  {
    name: 'connections to an address that another pod got',
    facts: {
      desired: longAgo(desiredService()),
      nodes: [tcp({ state: 'ESTABLISHED' })],
      cluster: clientPod('2026-11-24T09:58:00Z'),
    },
    ids: ['CT-IP-REUSED'],
  },
  {
    name: 'connections to a pod that may have been an endpoint',
    facts: {
      desired: longAgo(desiredService()),
      nodes: [tcp({ state: 'ESTABLISHED' })],
      cluster: clientPod('2026-11-24T09:56:00Z'),
    },
    ids: ['CT-TCP-ESTABLISHED-GONE'],
  },
  {
    name: 'UDP entries without DNAT',
    facts: { desired: ofUdp, nodes: [entries({ replySource: '10.96.0.7', replySourcePort: 80, unreplied: true })] },
    ids: ['CT-UDP-UNNATTED'],
  },
  {
    name: 'UDP entries without DNAT, and no endpoint',
    facts: {
      desired: desiredService([], udp),
      nodes: [entries({ replySource: '10.96.0.7', replySourcePort: 80, unreplied: true }, withoutEndpoints([]))],
    },
    ids: ['EPS-EMPTY'],
  },

  {
    name: 'first packets to a dead address for long',
    facts: {
      desired: changed(desiredService(), '2026-11-24T09:57:00Z'),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true })],
    },
    ids: ['CT-TCP-SYN'],
  },
  {
    name: 'first packets to a dead address for less than their timeout',
    facts: {
      desired: changed(desiredService(), '2026-11-24T09:58:30Z'),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true })],
    },
    ids: [],
  },
  {
    name: 'first packets to a dead address for longer than a shorter timeout',
    facts: {
      desired: changed(desiredService(), '2026-11-24T09:58:30Z'),
      nodes: [
        tcp(
          { state: 'SYN_SENT', unreplied: true },
          {
            system: {
              kind: 'system',
              cpus: 2,
              hostname: 'node-a',
              sysctls: { 'net/netfilter/nf_conntrack_tcp_timeout_syn_sent': '60' },
            },
          },
        ),
      ],
    },
    ids: ['CT-TCP-SYN'],
  },
  {
    name: 'first packets to a dead address, made while kube-proxy waited 60 s to write',
    facts: {
      desired: changed(desiredService(), '2026-11-24T09:57:00Z'),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true })],
      cluster: { kubeProxy: waitingKubeProxy('60s'), unread: [] },
    },
    ids: ['KP-SYNC-SLOW', 'KP-DETECTLOCAL-NONE'],
  },
  {
    name: 'first packets to a dead address, after the port of the Service was changed',
    facts: {
      desired: { ...changed(desiredService(), '2026-11-24T09:57:00Z'), serviceChange: '2026-11-24T09:59:00Z' },
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true })],
    },
    ids: [],
  },
  {
    name: 'first packets to a dead address, after an EndpointSlice was seen to be gone',
    facts: {
      desired: { ...changed(desiredService(), '2026-11-24T09:57:00Z'), noticedChange: '2026-11-24T09:59:00Z' },
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true })],
    },
    ids: [],
  },
  {
    name: 'first packets to an endpoint',
    facts: {
      desired: changed(desiredService(), '2026-11-24T09:57:00Z'),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true, replySource: '10.244.1.2' })],
    },
    ids: [],
  },
  {
    name: 'first packets to a dead address, with no time of a change',
    facts: { desired: desiredService(), nodes: [tcp({ state: 'SYN_SENT', unreplied: true })] },
    ids: [],
  },
  {
    name: 'connections to an address that is gone',
    facts: { desired: desiredService(), nodes: [tcp({ state: 'ESTABLISHED' })] },
    ids: ['CT-TCP-ESTABLISHED-GONE'],
  },
  { name: 'connections that end', facts: { desired: desiredService(), nodes: [tcp({ state: 'TIME_WAIT' })] }, ids: [] },
  {
    name: 'connections to an endpoint that is not ready',
    facts: {
      desired: desiredService([
        endpoint('10.244.1.2'),
        endpoint('10.244.2.2'),
        endpoint('10.244.9.9', { ready: false, serving: false }),
      ]),
      nodes: [tcp({ state: 'ESTABLISHED' })],
    },
    ids: [],
  },
  {
    name: 'a hundred connections without an answer',
    facts: {
      desired: desiredService(),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true, replySource: '10.244.1.2', entries: 100 })],
    },
    ids: ['CT-UNREPLIED-FLOOD'],
  },
  {
    name: 'fewer connections without an answer',
    facts: {
      desired: desiredService(),
      nodes: [tcp({ state: 'SYN_SENT', unreplied: true, replySource: '10.244.1.2', entries: 99 })],
    },
    ids: [],
  },
  {
    name: 'many UDP entries without an answer',
    facts: { desired: ofUdp, nodes: [entries({ unreplied: true, entries: 5000 })] },
    ids: [],
  },

  {
    name: 'a conntrack table at 80 %',
    facts: {
      desired: desiredService(),
      nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 80, max: 100 } })],
    },
    ids: [],
  },
  {
    name: 'a conntrack table above 80 %',
    facts: {
      desired: desiredService(),
      nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 81, max: 100 } })],
    },
    ids: ['CT-FULL'],
  },

  { name: 'nothing that grew', facts: { desired: desiredService(), nodes: [counted({})] }, ids: [] },
  {
    name: 'packets dropped while the probe ran',
    facts: { desired: desiredService(), nodes: [counted({ drop: 10 })] },
    ids: ['CT-DROP'],
  },
  {
    name: 'a few packets dropped while the probe ran',
    facts: { desired: desiredService(), nodes: [counted({ drop: 9 })] },
    ids: [],
  },
  {
    name: 'counters of a node that started again',
    facts: {
      desired: desiredService(),
      nodes: [counted({})],
      previous: before({ drop: 40, early_drop: 100, insert_failed: 100, invalid: 5000 }),
    },
    ids: [],
  },
  {
    name: 'entries thrown out while the probe ran',
    facts: { desired: desiredService(), nodes: [counted({ early_drop: 1 })] },
    ids: ['CT-DROP'],
  },
  {
    name: 'packets dropped for a lost race alone',
    facts: { desired: desiredService(), nodes: [counted({ drop: 3, insert_failed: 3 })] },
    ids: [],
  },
  {
    name: 'packets dropped since the collection before',
    facts: {
      desired: desiredService(),
      nodes: [counted({})],
      previous: before({ drop: 40, early_drop: 100, insert_failed: 100, invalid: 100 }),
    },
    ids: ['CT-DROP'],
  },
  {
    name: 'packets dropped before the collection before',
    facts: {
      desired: desiredService(),
      nodes: [counted({})],
      previous: before({ drop: 100, early_drop: 100, insert_failed: 100, invalid: 100 }),
    },
    ids: [],
  },
  {
    name: 'a connection that was just begun',
    facts: { desired: desiredService(), nodes: [unanswered({ leastTimeout: 118 })] },
    ids: [],
  },
  {
    name: 'connections that an endpoint does not answer',
    facts: { desired: desiredService(), nodes: [unanswered({ leastTimeout: 117 })] },
    ids: ['CT-TCP-UNANSWERED'],
  },
  {
    name: 'the same where entries stay for 60 s',
    facts: { desired: desiredService(), nodes: [unanswered({ leastTimeout: 58 }, '60')] },
    ids: [],
  },
  {
    name: 'connections without an answer from before the endpoints changed',
    facts: { desired: changed(desiredService(), '2026-11-24T09:59:45Z'), nodes: [unanswered({ leastTimeout: 100 })] },
    ids: [],
  },
  {
    name: 'the same from after the endpoints changed',
    facts: { desired: changed(desiredService(), '2026-11-24T09:59:35Z'), nodes: [unanswered({ leastTimeout: 100 })] },
    ids: ['CT-TCP-UNANSWERED'],
  },
  {
    name: 'entries without an answer, whose age is not known',
    facts: { desired: desiredService(), nodes: [unanswered({})] },
    ids: [],
  },
  {
    name: 'connections that were reset before they were connected',
    facts: { desired: desiredService(), nodes: [tcp({ replySource: '10.244.1.2', state: 'CLOSE', assured: false })] },
    ids: ['CT-TCP-UNANSWERED'],
  },
  {
    name: 'connections that were reset later',
    facts: { desired: desiredService(), nodes: [tcp({ replySource: '10.244.1.2', state: 'CLOSE', assured: true })] },
    ids: [],
  },
  {
    name: 'many packets of no connection',
    facts: { desired: desiredService(), nodes: [counted({ invalid: 100 })] },
    ids: ['CT-INVALID'],
  },
  {
    name: 'a few packets of no connection',
    facts: { desired: desiredService(), nodes: [counted({ invalid: 99 })] },
    ids: [],
  },
  {
    name: 'as many packets of no connection in a longer time',
    facts: {
      desired: desiredService(),
      nodes: [counted({})],
      previous: before({ drop: 100, early_drop: 100, insert_failed: 100, invalid: 10 }),
    },
    ids: [],
  },
  udpService('lost races of a UDP Service', counted({ insert_failed: 5, drop: 5 }), ['DNS-CT-RACE']),
  udpService('as many lost races in a longer time', counted({}), [], {
    nodes: [
      {
        name: 'node-a',
        probe: { state: 'Collected', collectedAt: '2026-11-24T09:58:00Z' },
        proxyMode: 'iptables',
        ports: [],
        conntrackStatistics: { drop: 95, early_drop: 100, insert_failed: 95, invalid: 100 },
      },
    ],
  }),
  udpService('fewer lost races', counted({ insert_failed: 4, drop: 4 }), []),
  {
    name: 'lost races of a TCP Service',
    facts: { desired: desiredService(), nodes: [counted({ insert_failed: 50, drop: 50 })] },
    ids: [],
  },
];
