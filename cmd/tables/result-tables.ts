/** The parts of a result as tables: one content for what is printed to a terminal and for the report. */
import { hostPort } from '../../core/net/address.ts';
import { plural } from '../../core/lib/plural.ts';
import type {
  ComparisonStatus,
  FindingStatus,
  NodeStatus,
  ServiceStatus,
  ServiceTrace,
  ServiceTraceStatus,
} from '../../core/api/service-trace.ts';
import { sumOfKnown } from '../../core/lib/sum-of-known.ts';
import { untriedOf } from '../../core/status/untried.ts';
import { nodeColumnsOf, nodeRow } from './node-row.ts';
import { endpointState, type Path } from './path-table.ts';
import type { Column } from './columns.ts';
import { cell, type Cell, type Tone } from './tone.ts';
import {
  ageText,
  bytesText,
  countText,
  endpointsText,
  noFindingCell,
  shareText,
  policyTexts,
  portText,
  routingText,
} from './words.ts';

export interface ResultTable {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A result is judged by the time at which it was collected, so that a recorded one stays as it was. */
function timeOf({ collectedAt }: ServiceTraceStatus): number {
  return Date.parse(collectedAt ?? '');
}

/** `ports http 80/TCP → 8080`, other addresses, and policies. */
export function serviceFacts(service: ServiceStatus): string[] {
  return [
    `ports ${service.ports.map(portText).join(', ') || 'none'}`,
    ...(service.externalIPs.length === 0 ? [] : [`externalIPs ${service.externalIPs.join(', ')}`]),
    ...(service.loadBalancerIPs.length === 0 ? [] : [`loadBalancerIPs ${service.loadBalancerIPs.join(', ')}`]),
    ...policyTexts(service),
  ];
}

export function nodesTable(trace: ServiceTrace, status: ServiceTraceStatus, isWide: boolean): ResultTable {
  const now = timeOf(status);
  const columns: Column[] = nodeColumnsOf(trace).map((title) => ({
    title,
    ...(title === 'NODE' ? { least: 12, cut: 'middle' as const } : title === 'PROBE' ? { least: 9 } : {}),
  }));
  const wide: Column[] = isWide
    ? [{ title: 'PROGRAM' }, { title: 'DURATION' }, { title: 'TABLE' }, { title: 'DNS' }, { title: 'MODE SOURCE' }]
    : [];
  const rows = (status.nodes ?? []).map((node): Cell[] => {
    const row = nodeRow(node, trace, now);
    if (!isWide) return row;
    const dns = node.dns === undefined ? '-' : (node.dns.error ?? (node.dns.answers.join(',') || 'no address'));
    const duration = node.probe.durationMilliseconds === undefined ? '-' : `${node.probe.durationMilliseconds}ms`;
    return [
      ...row,
      cell(node.program ?? '-'),
      cell(duration),
      cell(roomText(node)),
      cell(dns),
      cell(node.proxyModeSource ?? 'unknown'),
    ];
  });
  return { columns: [...columns, ...wide], rows };
}

function roomText({ conntrack }: NodeStatus): string {
  return conntrack?.count === undefined ? '-' : `${conntrack.count}/${countText(conntrack.max)}`;
}

/** Why a node did not answer, and what could not be read on one. */
export function nodeReasons({ nodes = [] }: ServiceTraceStatus): string[] {
  return nodes.flatMap(({ name, probe }) => [
    ...(probe.state === 'Collected' || probe.message === undefined ? [] : [`${name}: ${probe.message}`]),
    ...(probe.unread ?? []).map(({ what, reason }) => `${name}: ${what} not read: ${reason}`),
  ]);
}

/** `ClusterIP 10.96.0.1:80  DNAT on 3 nodes, 12 packets on 3 nodes`, for each frontend of a path. */
export function frontendLines(path: Path, names: readonly string[]): string[] {
  return path.frontends.map(({ text, byNode }) => {
    const counted = names.flatMap((name) => byNode.get(name)?.packets ?? []);
    const packets =
      counted.length === 0
        ? ''
        : `, ${counted.reduce((sum, each) => sum + each, 0)} packets on ${plural(counted.length, 'node')}`;
    // Nodes differ in it where one of them has no local endpoint, or another proxy mode.
    const routing = [...new Set([...byNode.values()].map(routingText).filter((each) => each !== ''))].join('; ');
    return `${text}  ${verdictsText([...byNode.values()].map(({ verdict }) => verdict))}${packets}${routing === '' ? '' : `  ${routing}`}`;
  });
}

/** `DNAT on 3 nodes`, or each verdict with its number of nodes. */
function verdictsText(verdicts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const verdict of verdicts) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return [...counts]
    .map(
      ([verdict, count]) =>
        `${verdict === 'None' ? 'no rule' : verdict === 'Unknown' ? 'unknown' : verdict} on ${plural(count, 'node')}`,
    )
    .join(', ');
}

const targetColumns: readonly Column[] = [
  { title: 'DNAT TARGET', least: 16, cut: 'middle' },
  { title: 'POD', least: 12, cut: 'middle' },
  { title: 'ON', least: 6, cut: 'middle' },
  { title: 'STATE' },
];

function targetCells(target: Path['targets'][number]): Cell[] {
  const state = endpointState(target.endpoint);
  return [
    cell(target.text),
    cell(target.pod ?? target.endpoint?.targetRef?.name ?? '-'),
    cell(target.endpoint?.nodeName ?? '-'),
    cell(state.text, state.tone),
  ];
}

/** The share is one number where all nodes agree. */
function shareCell(target: Path['targets'][number]): Cell {
  const shares = [...new Set([...target.byNode.values()].map(shareText))];
  return shares.length === 1
    ? cell(shares[0] ?? '')
    : cell(shares.length === 0 ? '-' : 'differs', shares.length === 0 ? 'dim' : 'warning');
}

export const targetLegends = {
  perNode: 'under a node: DNAT packets / conntrack connections; - is not counted',
  summed: 'sums over the nodes; - is not counted',
} as const;

/** DNAT targets with a column for each node. */
export function targetsByNode(path: Path, status: ServiceTraceStatus): ResultTable {
  const names = (status.nodes ?? []).map(({ name }) => name);
  const isUnknown = new Set(
    (status.nodes ?? []).filter(({ probe }) => probe.state !== 'Collected').map(({ name }) => name),
  );
  return {
    columns: [
      ...targetColumns,
      { title: 'SHARE', align: 'right' },
      ...names.map((title): Column => ({ title, align: 'right' })),
    ],
    rows: path.targets.map((target) => [
      ...targetCells(target),
      shareCell(target),
      ...names.map((name): Cell => {
        const own = target.byNode.get(name);
        const isRead = path.frontends.some(({ byNode }) => (byNode.get(name)?.verdict ?? 'Unknown') !== 'Unknown');
        if (own !== undefined) return cell(`${countText(own.packets)} / ${countText(own.connections)}`);
        return isUnknown.has(name) || !isRead ? cell('unknown', 'warning') : cell('absent', 'error');
      }),
    ]),
  };
}

/** DNAT targets with their sums over the nodes. */
export function targetsSummed(path: Path, status: ServiceTraceStatus): ResultTable {
  const nodes = status.nodes ?? [];
  const answered = nodes.filter(({ probe }) => probe.state === 'Collected').length;
  return {
    columns: [
      ...targetColumns,
      { title: 'SHARE', align: 'right' },
      { title: 'PACKETS', align: 'right' },
      { title: 'CONNTRACK', align: 'right' },
      { title: 'NODES', align: 'right' },
    ],
    rows: path.targets.map((target) => [
      ...targetCells(target),
      shareCell(target),
      cell(countText(sumOfKnown([...target.byNode.values()].map(({ packets }) => packets)))),
      cell(countText(sumOfKnown([...target.byNode.values()].map(({ connections }) => connections)))),
      cell(`${target.byNode.size}/${nodes.length}`, target.byNode.size < answered ? 'warning' : 'plain'),
    ]),
  };
}

/** `3/3 endpoints ready, last change 10m ago, at collection`. */
export function endpointSlicesSummary(status: ServiceTraceStatus): string {
  const changed = status.convergence?.lastChange;
  return `${endpointsText(status)} endpoints ready${changed === undefined ? '' : `, last change ${ageText(changed, timeOf(status))} ago, at collection`}`;
}

export function endpointSlicesTable({ endpointSlices = [] }: ServiceTraceStatus, isWide: boolean): ResultTable {
  const columns: Column[] = [
    { title: 'ENDPOINTSLICE', least: 12, cut: 'middle' },
    { title: 'ADDRESS', least: 15, cut: 'middle' },
    { title: 'PORTS', least: 8 },
    { title: 'STATE' },
    { title: 'NODE', least: 6, cut: 'middle' },
    { title: 'POD', least: 12, cut: 'middle' },
    ...(isWide ? [{ title: 'ZONE' }, { title: 'HINTS' }] : []),
  ];
  const rows = endpointSlices.flatMap(({ name, ports, endpoints }): Cell[][] => {
    const portsText = ports.map(({ port, protocol }) => `${port ?? 'any'}/${protocol ?? 'TCP'}`).join(',') || 'none';
    if (endpoints.length === 0)
      return [
        [
          cell(name),
          cell('-'),
          cell(portsText),
          cell('no endpoint', 'error'),
          cell('-'),
          cell('-'),
          ...(isWide ? [cell('-'), cell('-')] : []),
        ],
      ];
    return endpoints.map((endpoint) => {
      const state = endpointState(endpoint);
      const hints = [...(endpoint.hints ?? []), ...(endpoint.nodeHints ?? [])].join(',');
      return [
        cell(name),
        cell(endpoint.addresses.join(',')),
        cell(portsText),
        cell(state.text, state.tone),
        cell(endpoint.nodeName ?? '-'),
        cell(endpoint.targetRef?.name ?? '-'),
        ...(isWide ? [cell(endpoint.zone ?? '-'), cell(hints === '' ? '-' : hints)] : []),
      ];
    });
  });
  return { columns, rows };
}

/** What the Service costs as EndpointSlices and as the legacy Endpoints object; undefined where not both are there. */
export function costTable({ endpoints }: ServiceTraceStatus): ResultTable | undefined {
  if (endpoints?.legacy === undefined) return undefined;
  const { legacy, endpointSlices: slices } = endpoints;
  const row = (
    kind: string,
    objects: number,
    { addresses, bytes, changeBytes }: typeof legacy | typeof slices,
    largest: number,
  ): Cell[] =>
    [kind, String(objects), String(addresses), bytesText(bytes), bytesText(largest), bytesText(changeBytes)].map(
      (text) => cell(text),
    );
  return {
    columns: [
      { title: 'OBJECT' },
      ...['OBJECTS', 'ADDRESSES', 'SIZE', 'LARGEST', 'BYTES PER UPDATE'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    rows: [
      row('EndpointSlices', slices.shards, slices, slices.largestBytes),
      row(`legacy Endpoints${cutText(legacy)}`, 1, legacy, legacy.bytes),
    ],
  };
}

export function cutText({ truncated }: { readonly truncated: boolean }): string {
  return truncated ? ', cut at 1000 addresses' : '';
}

/** What was counted of the conntrack table on each node. */
export function conntrackSummary({ nodes = [] }: ServiceTraceStatus): ResultTable {
  return {
    columns: [
      { title: 'NODE' },
      { title: 'ENTRIES', align: 'right' },
      { title: 'UNREPLIED', align: 'right' },
      { title: 'STATES' },
      { title: 'TABLE', align: 'right' },
    ],
    rows: nodes.map((node): Cell[] => {
      const { name, conntrack, probe } = node;
      if (conntrack === undefined)
        return [
          cell(name),
          probe.state === 'Collected' ? cell('not read', 'warning') : cell('unknown', 'warning'),
          cell('-'),
          cell('-'),
          cell('-'),
        ];
      const { matched, unreplied, states = {} } = conntrack;
      const isUnreplied = unreplied !== undefined && unreplied > 0;
      return [
        cell(name),
        cell(String(matched)),
        cell(countText(unreplied), isUnreplied ? 'warning' : 'plain'),
        cell(
          Object.entries(states)
            .sort(([one], [other]) => (one < other ? -1 : 1))
            .map(([state, count]) => `${state} ${String(count)}`)
            .join(', ') || '-',
        ),
        cell(roomText(node)),
      ];
    }),
  };
}

/** The entries of --conntrack entries, node by node. */
export function conntrackEntries({ nodes = [] }: ServiceTraceStatus): ResultTable {
  return {
    columns: [
      { title: 'NODE', least: 6, cut: 'middle' },
      { title: 'STATE', least: 8 },
      { title: 'SOURCE', least: 14, cut: 'middle' },
      { title: 'DESTINATION', least: 14, cut: 'middle' },
      { title: 'REPLY SOURCE', least: 14, cut: 'middle' },
      { title: 'POD', least: 8, cut: 'middle' },
    ],
    rows: nodes.flatMap(({ name, conntrack: table }) =>
      (table?.entries ?? []).map((entry): Cell[] => [
        cell(name),
        cell(
          `${entry.protocol} ${entry.state ?? ''}${entry.unreplied === true ? ' unreplied' : ''}`.trim(),
          entry.unreplied === true ? 'warning' : 'plain',
        ),
        cell(hostPort(entry.original.source, entry.original.sourcePort)),
        cell(hostPort(entry.original.destination, entry.original.destinationPort)),
        cell(hostPort(entry.reply.source, entry.reply.sourcePort)),
        cell(entry.pod ?? '-'),
      ]),
    ),
  };
}

/** Entries that --conntrack entries left out, over the nodes. */
export function omittedEntries({ nodes = [] }: ServiceTraceStatus): number {
  return nodes.reduce((total, node) => total + (node.conntrack?.omitted ?? 0), 0);
}

/** `1 error, 1 warning`. */
export function findingsSummary({ findings = [], summary }: ServiceTraceStatus): string {
  const count = (severity: FindingStatus['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length;
  return [
    plural(summary?.errors ?? count('error'), 'error'),
    plural(summary?.warnings ?? count('warning'), 'warning'),
  ].join(', ');
}

/** The whole in a few words, such as `1 error, 1 warning`: that nothing was found is good only where all could be read, and says what was not tried. */
export function verdictCell(status: ServiceTraceStatus): Cell {
  const { findings } = status;
  if (findings === undefined) return cell('unknown', 'warning');
  const hasSeverity = (severity: FindingStatus['severity']): boolean =>
    findings.some((finding) => finding.severity === severity);
  const more = findings.filter(({ severity }) => severity === 'info').length;
  if (hasSeverity('error') || hasSeverity('warning'))
    return cell(`${findingsSummary(status)}${untriedEnd(status)}`, hasSeverity('error') ? 'error' : 'warning');
  const none = noFindingCell(status);
  if (more > 0)
    return cell(
      `${findingsSummary(status)}, ${String(more)} for information${none.tone === 'ok' ? '' : '; not all could be read'}${untriedEnd(status)}`,
      none.tone,
    );
  return cell(
    `${none.tone === 'ok' ? 'no finding' : 'no finding in what could be read, and not all could be read'}${untriedEnd(status)}`,
    none.tone,
  );
}

/** `; connections not tried: --connect` where there is no error, so that nobody takes it for more than it is. */
export function untriedEnd(status: ServiceTraceStatus): string {
  return untriedOf(status)
    .map((text) => `; ${text}`)
    .join('');
}

type Connection = Omit<NonNullable<NodeStatus['connections']>[number], 'status'> & {
  readonly status?: number | undefined;
};

/** What one node tried. */
export interface NodeConnections {
  readonly name: string;
  readonly connections?: readonly Connection[];
}

const connectionTones: Readonly<Record<Connection['outcome'], Tone>> = {
  connected: 'ok',
  answered: 'ok',
  refused: 'error',
  timeout: 'error',
  unreachable: 'error',
  failed: 'error',
  noReply: 'dim',
  untried: 'dim',
};

/** Results of the active check's connections: alike outcomes of several nodes in one row. */
export function connectionsTable({
  nodes = [],
  client,
}: {
  readonly nodes?: readonly NodeConnections[];
  readonly client?: ServiceTraceStatus['client'];
}): ResultTable {
  const rows = new Map<string, { connection: Connection; nodes: string[]; slowest: number }>();
  const ofPod = client === undefined ? undefined : { name: `pod ${client.pod}`, connections: client.connections };
  for (const from of [...nodes, ...(ofPod === undefined ? [] : [ofPod])]) {
    const { name, connections = [] } = from;
    for (const connection of connections) {
      const { hop, address, port, protocol, outcome, status, milliseconds }: Connection = connection;
      const key = [hop, address, port, protocol, outcome, status, from === ofPod].join(' ');
      const row = rows.get(key);
      rows.set(key, {
        connection,
        nodes: [...(row?.nodes ?? []), name],
        slowest: Math.max(row?.slowest ?? 0, milliseconds),
      });
    }
  }
  return {
    columns: [
      { title: 'TO', least: 14 },
      { title: 'ADDRESS', least: 16, cut: 'middle' },
      { title: 'OUTCOME' },
      { title: 'FROM', least: 10 },
      { title: 'SLOWEST', align: 'right' },
    ],
    rows: [...rows.values()].map(({ connection, nodes: from, slowest }): Cell[] => [
      cell(connection.hop),
      cell(`${hostPort(connection.address, connection.port)}/${connection.protocol}`),
      cell(
        connection.status === undefined
          ? outcomeText(connection.outcome)
          : `${outcomeText(connection.outcome)} ${String(connection.status)}`,
        connectionTones[connection.outcome],
      ),
      cell(from.length > 3 ? plural(from.length, 'node') : from.join(',')),
      cell(`${slowest.toFixed(1)} ms`),
    ]),
  };
}

function outcomeText(outcome: Connection['outcome']): string {
  return outcome === 'noReply' ? 'no reply' : outcome === 'untried' ? 'not tried' : outcome;
}

/** What the sources say of the addresses on which they disagree. */
export function comparisonTable({ rows }: ComparisonStatus): ResultTable {
  return {
    columns: [
      { title: 'ADDRESS', least: 16, cut: 'middle' },
      { title: 'SERVICE PORT' },
      { title: 'ENDPOINT' },
      { title: 'POD', least: 10, cut: 'middle' },
      { title: 'ON NODES', align: 'right' },
      { title: 'CONNTRACK', align: 'right' },
    ],
    rows: rows.map(
      ({ address, port, family, portName, protocol, servicePort, endpoint, pod, nodes, connections }): Cell[] => {
        const state = endpointState(endpoint === undefined ? undefined : { ...endpoint, addresses: [address] });
        return [
          cell(hostPort(address, port)),
          cell(`${portName === undefined ? '' : `${portName} `}${String(servicePort)}/${protocol} ${family}`),
          cell(state.text, state.tone),
          cell(
            pod === undefined ? '-' : `${pod.name}${pod.isDeleting ? ', deleting' : pod.ready ? '' : ', not ready'}`,
          ),
          cell(
            `${String(nodes.present)}/${String(nodes.present + nodes.absent)}${nodes.unknown === 0 ? '' : `, ${String(nodes.unknown)} unknown`}`,
          ),
          cell(countText(connections)),
        ];
      },
    ),
  };
}

export function comparisonSummary({ rows, omitted }: ComparisonStatus): string {
  const count = rows.length + omitted;
  if (count === 0)
    return 'EndpointSlices, pods, rules and conntrack contradict each other nowhere, as far as they were read';
  return `EndpointSlices, pods, rules or conntrack disagree on ${count === 1 ? '1 address' : `${String(count)} addresses`}`;
}

export function outlierLines({ outliers }: ComparisonStatus): string[] {
  return outliers.flatMap(({ node, differences }) => differences.map((words) => `${node} differs: ${words}`));
}
