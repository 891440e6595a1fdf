/** -o table and -o wide: one trace as text, from the whole to the detail. */
import wrapAnsi from 'wrap-ansi';
import { hostPort } from '../../core/address.ts';
import type { FindingStatus, ServiceTrace, ServiceTraceStatus, WalkStatus } from '../../core/service-trace.ts';
import { plural } from '../../core/plural.ts';
import { sumOfKnown } from '../../core/sum-of-known.ts';
import { nodeColumns, nodeRow } from '../node-row.ts';
import { endpointState, pathsOf, type Path } from '../path-table.ts';
import { cell, type Cell } from '../tone.ts';
import { ageText, bytesText, conditionCell, countText, endpointsText, noFindingCell, percentText, policyTexts, portText, routingText, severityTones } from '../words.ts';
import { connectionLines } from './connections.ts';
import { fits, printColumns, type Column } from './columns.ts';
import { paintCell, type Paint } from './paint.ts';

export interface TableOptions {
  /** Columns of the terminal; Infinity cuts nothing. */
  readonly width: number;
  readonly paint: Paint;
  readonly isWide: boolean;
}

export function printTable(trace: ServiceTrace, options: TableOptions): string {
  const { status } = trace;
  const sections = [header(trace, options)];
  if (status !== undefined) {
    sections.push(conditions(status, options), nodes(trace, status, options));
    for (const path of pathsOf(status)) sections.push(pathSection(path, status, options));
    sections.push(endpointSlices(status, options), conntrack(status, options), connectionLines(status, tableWidth(options)), walks(status, options), findings(status, options), cuts(status, options));
  }
  return sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n')).join('\n\n').concat('\n');
}

/** A result is judged by the time at which it was collected, so that a recorded one stays as it was. */
function timeOf({ collectedAt }: ServiceTraceStatus): number {
  return Date.parse(collectedAt ?? '');
}

function header({ metadata, spec, status }: ServiceTrace, { paint, width }: TableOptions): string[] {
  const service = status?.service;
  const name = `${metadata.namespace ?? 'default'}/${spec.serviceRef.name}`;
  const title = `${paint('heading', `Service ${name}`)}  ${service === undefined ? 'unknown' : [service.type, ...service.clusterIPs].join(' ')}`;
  if (service === undefined) return [title];
  const addresses = [
    ...(service.externalIPs.length === 0 ? [] : [`externalIPs ${service.externalIPs.join(', ')}`]),
    ...(service.loadBalancerIPs.length === 0 ? [] : [`loadBalancerIPs ${service.loadBalancerIPs.join(', ')}`]),
  ];
  const facts = [`ports ${service.ports.map(portText).join(', ') || 'none'}`, ...addresses, ...policyTexts(service)];
  const notProxied = service.notProxied === undefined ? [] : [paint('warning', `kube-proxy writes no rules for it, because ${service.notProxied}`)];
  return [title, ...wrapped(facts.join('; '), width), ...notProxied.flatMap((line) => wrapped(line, width))];
}

function conditions(status: ServiceTraceStatus, { paint, width }: TableOptions): string[] {
  return (status.conditions ?? []).flatMap((condition) => {
    const label = `${condition.type.padEnd(9)}  `;
    const word = conditionCell(condition);
    const lead = `${label}${word.text.padEnd(7)}  `;
    const [first = '', ...rest] = wrapped(condition.message, width - lead.length);
    const padded = paintCell(paint, word) + ' '.repeat(Math.max(0, 7 - word.text.length));
    return [`${label}${padded}  ${first}`.trimEnd(), ...rest.map((line) => ' '.repeat(lead.length) + line)];
  });
}

function nodes(trace: ServiceTrace, status: ServiceTraceStatus, options: TableOptions): string[] {
  const all = status.nodes ?? [];
  if (all.length === 0) return [];
  const now = timeOf(status);
  const columns: Column[] = nodeColumns.map((title) => ({ title, ...(title === 'NODE' ? { least: 12, cut: 'middle' as const } : title === 'PROBE' ? { least: 9 } : {}) }));
  const wide: Column[] = options.isWide ? [{ title: 'PROGRAM' }, { title: 'DURATION' }, { title: 'TABLE' }, { title: 'DNS' }, { title: 'MODE KNOWN FROM' }] : [];
  const rows = all.map((node): Cell[] => {
    const row = nodeRow(node, trace, now);
    if (!options.isWide) return row;
    const table = node.conntrack?.count === undefined ? '-' : `${node.conntrack.count}/${countText(node.conntrack.max)}`;
    const dns = node.dns === undefined ? '-' : (node.dns.error ?? (node.dns.answers.join(',') || 'no address'));
    const duration = node.probe.durationMilliseconds === undefined ? '-' : `${node.probe.durationMilliseconds}ms`;
    return [...row, cell(node.program ?? '-'), cell(duration), cell(table), cell(dns), cell(node.proxyModeSource ?? 'unknown')];
  });
  const reasons = all.flatMap(({ name, probe }) => [
    ...(probe.state === 'Collected' || probe.message === undefined ? [] : [`${name}: ${probe.message}`]),
    ...(probe.unread ?? []).map(({ what, reason }) => `${name}: ${what} not read: ${reason}`),
  ]);
  return [...printColumns([...columns, ...wide], rows, tableWidth(options)), ...reasons.flatMap((line) => wrapped(line, options.width, 2))];
}

function pathSection(path: Path, status: ServiceTraceStatus, options: TableOptions): string[] {
  const { paint } = options;
  const names = (status.nodes ?? []).map(({ name }) => name);
  const heading = paint('heading', `Path ${path.title}`);
  const perNode = targetTable(path, status, names);
  const isPerNode = options.isWide || fits(perNode.columns, perNode.rows, options.width);
  const table = isPerNode ? perNode : summedTable(path, status, names);
  const legend = isPerNode
    ? 'under a node: DNAT packets / conntrack connections; - is not counted'
    : 'sums over the nodes; - is not counted; -o wide shows each node';
  const frontends = path.frontends.map(({ text, byNode }) => {
    const counted = names.flatMap((name) => byNode.get(name)?.packets ?? []);
    const packets = counted.length === 0 ? '' : `, ${counted.reduce((sum, each) => sum + each, 0)} packets on ${plural(counted.length, 'node')}`;
    // Nodes differ in it where one of them has no local endpoint, or another proxy mode.
    const routing = [...new Set([...byNode.values()].map(routingText).filter((each) => each !== ''))].join('; ');
    return `${text}  ${verdictsText([...byNode.values()].map(({ verdict }) => verdict))}${packets}${routing === '' ? '' : `  ${routing}`}`;
  });
  if (table.rows.length === 0) return [heading, ...frontends.flatMap((line) => wrapped(line, options.width)), paint('dim', 'no DNAT target on any node that was read')];
  return [heading, ...frontends.flatMap((line) => wrapped(line, options.width)), ...printColumns(table.columns, table.rows, tableWidth(options)), ...wrapped(legend, options.width).map((line) => paint('dim', line))];
}

/** `DNAT on 3 nodes`, or each verdict with its number of nodes. */
function verdictsText(verdicts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const verdict of verdicts) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return [...counts].map(([verdict, count]) => `${verdict === 'None' ? 'no rule' : verdict === 'Unknown' ? 'unknown' : verdict} on ${plural(count, 'node')}`).join(', ');
}

interface Table {
  readonly columns: Column[];
  readonly rows: Cell[][];
}

const targetColumns: readonly Column[] = [
  { title: 'DNAT TARGET', least: 16, cut: 'middle' },
  { title: 'POD', least: 12, cut: 'middle' },
  { title: 'ON', least: 6, cut: 'middle' },
  { title: 'STATE' },
];

function targetCells(target: Path['targets'][number]): Cell[] {
  const state = endpointState(target.endpoint);
  return [cell(target.text), cell(target.pod ?? target.endpoint?.targetRef?.name ?? '-'), cell(target.endpoint?.nodeName ?? '-'), cell(state.text, state.tone)];
}

/** The share is one number where all nodes agree. */
function shareCell(target: Path['targets'][number]): Cell {
  const shares = [...new Set([...target.byNode.values()].map(({ probability }) => percentText(probability)))];
  return shares.length === 1 ? cell(shares[0] ?? '') : cell(shares.length === 0 ? '-' : 'differs', shares.length === 0 ? 'dim' : 'warning');
}

function targetTable(path: Path, status: ServiceTraceStatus, names: readonly string[]): Table {
  const isUnknown = new Set((status.nodes ?? []).filter(({ probe }) => probe.state !== 'Collected').map(({ name }) => name));
  return {
    columns: [...targetColumns, { title: 'SHARE', align: 'right' }, ...names.map((title): Column => ({ title, align: 'right' }))],
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

function summedTable(path: Path, status: ServiceTraceStatus, names: readonly string[]): Table {
  const answered = (status.nodes ?? []).filter(({ probe }) => probe.state === 'Collected').length;
  return {
    columns: [...targetColumns, { title: 'SHARE', align: 'right' }, { title: 'PACKETS', align: 'right' }, { title: 'CONNTRACK', align: 'right' }, { title: 'NODES', align: 'right' }],
    rows: path.targets.map((target) => [
      ...targetCells(target),
      shareCell(target),
      cell(countText(sumOfKnown([...target.byNode.values()].map(({ packets }) => packets)))),
      cell(countText(sumOfKnown([...target.byNode.values()].map(({ connections }) => connections)))),
      cell(`${target.byNode.size}/${names.length}`, target.byNode.size < answered ? 'warning' : 'plain'),
    ]),
  };
}

function endpointSlices(status: ServiceTraceStatus, options: TableOptions): string[] {
  const slices = status.endpointSlices;
  if (slices === undefined) return [`${options.paint('heading', 'EndpointSlices')}  ${options.paint('warning', 'unknown')}`];
  if (slices.length === 0) return [`${options.paint('heading', 'EndpointSlices')}  ${options.paint('error', 'none')}`];
  const columns: Column[] = [
    { title: 'ENDPOINTSLICE', least: 12, cut: 'middle' },
    { title: 'ADDRESS', least: 15, cut: 'middle' },
    { title: 'PORTS', least: 8 },
    { title: 'STATE' },
    { title: 'NODE', least: 6, cut: 'middle' },
    { title: 'POD', least: 12, cut: 'middle' },
    ...(options.isWide ? [{ title: 'ZONE' }, { title: 'HINTS' }] : []),
  ];
  const rows = slices.flatMap(({ name, ports, endpoints }): Cell[][] => {
    const portsText = ports.map(({ port, protocol }) => `${port ?? 'any'}/${protocol ?? 'TCP'}`).join(',') || 'none';
    if (endpoints.length === 0) return [[cell(name), cell('-'), cell(portsText), cell('no endpoint', 'error'), cell('-'), cell('-')]];
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
        ...(options.isWide ? [cell(endpoint.zone ?? '-'), cell(hints === '' ? '-' : hints)] : []),
      ];
    });
  });
  const changed = status.convergence?.lastChange;
  const title = `${options.paint('heading', 'EndpointSlices')}  ${endpointsText(status)} endpoints ready${changed === undefined ? '' : `, last change ${ageText(changed, timeOf(status))} before`}`;
  return [title, ...printColumns(columns, rows, tableWidth(options)), ...costLines(status, options)];
}

/** What the Service costs as EndpointSlices and as the legacy Endpoints object, where both are there: in one line, or in a table. */
function costLines({ endpoints }: ServiceTraceStatus, options: TableOptions): string[] {
  if (endpoints?.legacy === undefined) return [];
  const { legacy, endpointSlices: slices } = endpoints;
  const cut = legacy.truncated ? ', cut at 1000 addresses' : '';
  if (!options.isWide) {
    const line = `A change sends ${bytesText(slices.changeBytes)} of ${bytesText(slices.bytes)} (${plural(slices.shards, 'shard')}); legacy Endpoints sends ${bytesText(legacy.changeBytes)}${cut}`;
    return wrapped(line, options.width).map((each) => options.paint('dim', each));
  }
  const columns: Column[] = [{ title: 'KEPT AS' }, ...['OBJECTS', 'ADDRESSES', 'SIZE', 'LARGEST', 'A CHANGE SENDS'].map((title) => ({ title, align: 'right' as const }))];
  const row = (kind: string, objects: number, { addresses, bytes, changeBytes }: typeof legacy | typeof slices, largest: number): Cell[] =>
    [kind, String(objects), String(addresses), bytesText(bytes), bytesText(largest), bytesText(changeBytes)].map((text) => cell(text));
  return ['', ...printColumns(columns, [row('EndpointSlices', slices.shards, slices, slices.largestBytes), row(`legacy Endpoints${cut}`, 1, legacy, legacy.bytes)], tableWidth(options))];
}

/** The entries of --conntrack entries, node by node. */
function conntrack(status: ServiceTraceStatus, options: TableOptions): string[] {
  const rows = (status.nodes ?? []).flatMap(({ name, conntrack: table }) =>
    (table?.entries ?? []).map((entry): Cell[] => [
      cell(name),
      cell(`${entry.protocol} ${entry.state ?? ''}${entry.unreplied === true ? ' unreplied' : ''}`.trim(), entry.unreplied === true ? 'warning' : 'plain'),
      cell(hostPort(entry.original.source, entry.original.sourcePort)),
      cell(hostPort(entry.original.destination, entry.original.destinationPort)),
      cell(hostPort(entry.reply.source, entry.reply.sourcePort)),
      cell(entry.pod ?? '-'),
    ]),
  );
  if (rows.length === 0) return [];
  const omitted = (status.nodes ?? []).reduce((total, node) => total + (node.conntrack?.omitted ?? 0), 0);
  const columns: Column[] = [{ title: 'NODE', least: 6, cut: 'middle' }, { title: 'STATE', least: 8 }, { title: 'SOURCE', least: 14, cut: 'middle' }, { title: 'DESTINATION', least: 14, cut: 'middle' }, { title: 'ANSWERED BY', least: 14, cut: 'middle' }, { title: 'POD', least: 8, cut: 'middle' }];
  return [options.paint('heading', 'Conntrack entries'), ...printColumns(columns, rows, tableWidth(options)), ...(omitted === 0 ? [] : [`${omitted} more entries are not listed`])];
}

function walks({ walks: all = [] }: ServiceTraceStatus, options: TableOptions): string[] {
  return all.flatMap((walk) => walkLines(walk, options));
}

function walkLines(walk: WalkStatus, { paint, width }: TableOptions): string[] {
  const destinations = walk.destinations.map(({ address, port, probability }) => `${hostPort(address, port)} (${percentText(probability)})`).join(', ');
  const title = `${paint('heading', `Walk of a packet from ${walk.source}`)} on ${walk.node} to ${hostPort(walk.destination, walk.destinationPort)}/${walk.protocol}`;
  const end = `${walk.verdict}${destinations === '' ? '' : ` to ${destinations}`}${walk.masquerade ? ', masqueraded' : ', its source stays'}`;
  return [
    title,
    ...wrapped(end, width, 2),
    ...walk.path.flatMap(({ table, chain, rule, effect }) => wrapped(`${table} ${chain}: ${rule} ⇒ ${effect}`, width, 4)),
    ...walk.unknown.flatMap((text) => wrapped(`not understood, so nothing is said beyond it: ${text}`, width, 4).map((line) => paint('warning', line))),
  ];
}

function findings(status: ServiceTraceStatus, options: TableOptions): string[] {
  const { findings: all, summary } = status;
  if (all === undefined) return [];
  if (all.length === 0) return [`${options.paint('heading', 'Findings')}  ${paintCell(options.paint, noFindingCell(status))}`];
  const counts = [plural(summary?.errors ?? all.filter(({ severity }) => severity === 'error').length, 'error'), plural(summary?.warnings ?? all.filter(({ severity }) => severity === 'warning').length, 'warning')].join(', ');
  return [`${options.paint('heading', 'Findings')}  ${all.length}: ${counts}`, ...all.flatMap((finding) => findingLines(finding, options))];
}

export function findingTitle({ severity, id, where }: FindingStatus, { paint }: Pick<TableOptions, 'paint'>): string {
  return `${paint(severityTones[severity], severity.toUpperCase())} ${paint('heading', id)}  ${where}`;
}

export function findingLines(finding: FindingStatus, { paint, width }: Pick<TableOptions, 'paint' | 'width'>): string[] {
  const { message, evidence, advice } = finding;
  return [
    findingTitle(finding, { paint }),
    ...wrapped(message, width, 2),
    ...evidence.flatMap((text) => wrapped(`evidence: ${text}`, width, 4)),
    ...wrapped(`do: ${advice}`, width, 4),
  ];
}

function cuts({ truncated = [] }: ServiceTraceStatus, { paint, width }: TableOptions): string[] {
  if (truncated.length === 0) return [];
  return wrapped(`Cut, so that the object stays small: ${truncated.join('; ')}`, width).map((line) => paint('warning', line));
}

function tableWidth({ width, paint, isWide }: TableOptions): { width: number; paint: Paint } {
  return { width: isWide ? Infinity : width, paint };
}

/** Lines of at most `width`; all but the first begin with as many blanks as the first, and two more. */
export function wrapped(text: string, width: number, indent = 0): string[] {
  if (!Number.isFinite(width)) return [' '.repeat(indent) + text];
  const lines = wrapAnsi(text, Math.max(20, width - indent - 2), { hard: true, trim: true }).split('\n');
  return lines.map((line, index) => ' '.repeat(index === 0 ? indent : indent + 2) + line);
}
