/**
 * What the probe of a simulated node answers: the recorded records of the Service, with what differs from node to node in a
 * real cluster: name, addresses, interfaces, counters of rules, connections, when kube-proxy wrote.
 */
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { nodeAddresses, nodeName, podCIDRs } from '../cluster-objects.ts';
import { dnsAnswers, type TracedService } from './traced-service.ts';

const podsOfNode = 20;
const rulesKinds = new Set<NodeReportRecord['kind']>(['tables', 'iptablesChain']);

/** Repeats for the same node and reading: counters of one node are unlike those of each other. @returns between 0 and 1 */
function noise(seed: number): () => number {
  let state = (seed * 2_654_435_761) % 4_294_967_296;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/** @param reading how many times the node was asked before: connections come and go in between */
export function recordsOfNode(
  node: number,
  services: readonly TracedService[],
  { collect }: Pick<ProbeRequest, 'collect'>,
  reading: number,
): NodeReportRecord[] {
  const started = Date.now();
  const [first] = services;
  const shared = (first?.records ?? []).flatMap((record) => sharedOf(record, node, collect));
  return [
    {
      kind: 'start',
      version: 1,
      node: nodeName(node),
      startedAt: new Date(started).toISOString(),
      kernel: '6.12.0',
      probeVersion: '0.1.0',
      addresses: interfacesOf(node).flatMap(({ addresses }) => addresses),
    },
    ...(collect.system === true ? systemOf(node) : []),
    ...shared,
    ...services.flatMap((service) => ofService(service, node, collect, reading)),
    {
      kind: 'end',
      finishedAt: new Date().toISOString(),
      durationMilliseconds: Math.max(1, Date.now() - started),
    },
  ];
}

/** The rules of a Service, as a watch gives them. */
export function rulesOfNode(node: number, service: TracedService): NodeReportRecord[] {
  return withCounters(
    service.records.filter(({ kind }) => rulesKinds.has(kind)),
    node,
  );
}

/** Of a record that is one for all Services. */
function sharedOf(record: NodeReportRecord, node: number, collect: ProbeRequest['collect']): NodeReportRecord[] {
  if (record.kind === 'tables') return collect.rules ? [record] : [];
  if (record.kind === 'kubeProxy') return collect.kubeProxy ? [kubeProxyOf(record, node)] : [];
  if (record.kind === 'conntrackTable') return collect.conntrack === 'None' ? [] : [{ ...record, count: 200 + node }];
  return [];
}

function ofService(
  service: TracedService,
  node: number,
  collect: ProbeRequest['collect'],
  reading: number,
): NodeReportRecord[] {
  const { desired, records } = service;
  const key = `${desired.namespace}/${desired.name}`;
  return [
    ...(collect.dns === undefined ? [] : dnsOf(service, collect.dns)),
    ...(collect.system === true
      ? [
          { kind: 'sockets' as const, service: key, listening: [] },
          { kind: 'otherModes' as const, service: key, found: [] },
        ]
      : []),
    ...records.flatMap((record) =>
      record.kind === 'conntrack' && collect.conntrack !== 'None'
        ? [conntrackOf(record, node, reading, collect.conntrack)]
        : [],
    ),
    ...(collect.rules
      ? withCounters(
          records.filter(({ kind }) => kind === 'iptablesChain'),
          node,
        )
      : []),
  ];
}

/** Rules that have counted nothing stay so: nobody uses them. */
function withCounters(records: readonly NodeReportRecord[], node: number): NodeReportRecord[] {
  const next = noise(node + 1);
  const counted = (line: string): string =>
    line.replace(/ -c (\d+) (\d+) /, (counters, packets) => {
      if (packets === '0') return counters;
      const count = 1 + Math.floor(next() * 100_000);
      return ` -c ${String(count)} ${String(count * 60)} `;
    });
  return records.map((record) =>
    record.kind === 'iptablesChain' ? { ...record, lines: record.lines.map(counted) } : record,
  );
}

function conntrackOf(
  { groups, lines, ...record }: Extract<NodeReportRecord, { kind: 'conntrack' }>,
  node: number,
  reading: number,
  detail: 'Summary' | 'Entries',
): NodeReportRecord {
  const next = noise(node * 1000 + reading);
  const counted = groups.map((group) => ({ ...group, entries: 1 + Math.floor(next() * 50) }));
  const client = podCIDRs(node)[0].replace('.0/24', '.');
  return {
    ...record,
    groups: counted,
    matched: counted.reduce((sum, { entries }) => sum + entries, 0),
    lines:
      detail === 'Entries'
        ? lines.map((line) => line.replaceAll(/10\.244\.\d+\.\d+/g, `${client}${String(2 + Math.floor(next() * 200))}`))
        : [],
  };
}

/** Its times are of the last half minute, in which kube-proxy writes again. */
function kubeProxyOf(record: Extract<NodeReportRecord, { kind: 'kubeProxy' }>, node: number): NodeReportRecord {
  const next = noise(node + 7);
  const now = Date.now();
  const written = now - 30_000 + Math.floor(next() * 25_000);
  const seconds = (milliseconds: number): string => `${(milliseconds / 1e12).toFixed(13)}e+09`;
  return {
    ...record,
    ...(record.livez === undefined
      ? {}
      : {
          livez: {
            ...record.livez,
            body: record.livez.body.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, new Date(now).toISOString()),
          },
        }),
    ...(record.metrics === undefined
      ? {}
      : {
          metrics: record.metrics.map((line) =>
            line
              .replace(/^(\S+last_queued_timestamp_seconds\S* ).*$/, `$1${seconds(written - 300)}`)
              .replace(/^(\S+last_timestamp_seconds\S* ).*$/, `$1${seconds(written)}`)
              .replace(
                /^(\S+_total\{ip_family=\S* )([1-9]\d*)$/,
                (_line, name: string) => `${name}${String(Math.floor(next() * 10_000))}`,
              ),
          ),
        }),
  };
}

function dnsOf(
  service: TracedService,
  { servers, endpoints, health, questions }: NonNullable<ProbeRequest['collect']['dns']>,
): NodeReportRecord[] {
  const key = `${service.desired.namespace}/${service.desired.name}`;
  const own = questions.filter(({ service: of }) => of === key);
  return [
    ...servers.map((server) => ({ server, port: 53, role: 'Service' as const, asked: [health, ...own] })),
    ...endpoints.map(({ address, port }) => ({
      server: address,
      port,
      role: 'Endpoint' as const,
      asked: [health, ...own.filter(({ type }) => type !== 'SRV')],
    })),
  ].flatMap(({ asked, ...server }) =>
    asked.map(({ name, type }): NodeReportRecord => ({
      kind: 'dnsAnswer',
      service: key,
      ...server,
      name,
      type,
      answers: dnsAnswers(service, { name, type }),
      responseCode: 'NOERROR',
      milliseconds: 1,
    })),
  );
}

function interfacesOf(node: number): { name: string; addresses: string[] }[] {
  const [ipv4, ipv6] = podCIDRs(node);
  const gateways = [ipv4.replace('.0/24', '.1'), ipv6.replace('::/64', '::1')];
  const local = (number: number): string => `fe80::${(node + 1).toString(16)}:${(number + 1).toString(16)}`;
  return [
    { name: 'lo', addresses: ['127.0.0.1', '::1'] },
    { name: 'eth0', addresses: [...nodeAddresses(node), local(0)] },
    ...Array.from({ length: podsOfNode }, (_, each) => ({
      name: `veth${(((node * podsOfNode + each) * 2_654_435_761) % 4_294_967_296).toString(16).padStart(8, '0')}`,
      addresses: [...gateways, local(each + 1)],
    })),
  ];
}

function systemOf(node: number): NodeReportRecord[] {
  const counters = { drop: 0, early_drop: 0, insert_failed: 0, invalid: node % 50 };
  return [
    {
      kind: 'conntrackStatistics',
      source: '/proc/net/stat/nf_conntrack',
      first: counters,
      last: counters,
      milliseconds: 100,
    },
    {
      kind: 'system',
      sysctls: {
        'net/ipv4/conf/all/route_localnet': '0',
        'net/ipv4/conf/all/rp_filter': '0',
        'net/ipv4/conf/default/forwarding': '1',
        'net/ipv4/conf/default/rp_filter': '0',
        'net/ipv4/ip_forward': '1',
        'net/ipv4/ip_local_port_range': '32768\t60999',
        'net/ipv4/ip_local_reserved_ports': '',
        'net/ipv6/conf/all/forwarding': '1',
        'net/ipv6/conf/default/forwarding': '1',
        'net/netfilter/nf_conntrack_buckets': '65536',
        'net/netfilter/nf_conntrack_max': '262144',
        'net/netfilter/nf_conntrack_tcp_be_liberal': '0',
        'net/netfilter/nf_conntrack_tcp_timeout_close_wait': '3600',
        'net/netfilter/nf_conntrack_tcp_timeout_established': '86400',
        'net/netfilter/nf_conntrack_tcp_timeout_syn_sent': '120',
        'net/netfilter/nf_conntrack_udp_timeout': '30',
        'net/netfilter/nf_conntrack_udp_timeout_stream': '120',
      },
      cpus: 8,
      hostname: nodeName(node),
    },
    { kind: 'interfaces', interfaces: interfacesOf(node), omitted: 0 },
  ];
}
