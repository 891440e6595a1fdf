/** -o table and -o wide: one trace as text, from the whole to the detail. */
import { hostPort } from '../../core/net/address.ts';
import type {
  CommandStatus,
  FindingStatus,
  ServiceTrace,
  ServiceTraceStatus,
  WalkStatus,
} from '../../core/api/service-trace.ts';
import { plural } from '../../core/lib/plural.ts';
import { pathsOf, type Path } from '../tables/path-table.ts';
import {
  connectionsTable,
  conntrackEntries,
  costTable,
  cutText,
  endpointSlicesSummary,
  endpointSlicesTable,
  findingsSummary,
  frontendLines,
  nodeReasons,
  nodesTable,
  omittedEntries,
  serviceFacts,
  targetLegends,
  targetsByNode,
  targetsSummed,
  untriedEnd,
} from '../tables/result-tables.ts';
import {
  omittedEntriesText,
  bytesText,
  conditionCell,
  noFindingCell,
  shareText,
  severityTones,
} from '../tables/words.ts';
import { comparisonLines } from './comparison.ts';
import { fits, printColumns } from '../tables/columns.ts';
import { paintCell, type Paint } from '../tables/paint.ts';
import { wrapped } from './wrapped.ts';

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
    sections.push(
      endpointSlices(status, options),
      ...(options.isWide ? [comparisonLines(status.comparison, tableWidth(options))] : []),
      conntrack(status, options),
      connections(status, options),
      walks(status, options),
      findings(status, options),
      cuts(status, options),
    );
  }
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .concat('\n');
}

function header({ metadata, spec, status }: ServiceTrace, { paint, width }: TableOptions): string[] {
  const service = status?.service;
  const name = `${metadata.namespace ?? 'default'}/${spec.serviceRef.name}`;
  const title = `${paint('heading', `Service ${name}`)}  ${service === undefined ? 'unknown' : [service.type, ...service.clusterIPs].join(' ')}`;
  if (service === undefined) return [title];
  const notProxied =
    service.notProxied === undefined
      ? []
      : [paint('warning', `kube-proxy writes no rules for it, because ${service.notProxied}`)];
  return [
    title,
    ...wrapped(serviceFacts(service).join('; '), width),
    ...notProxied.flatMap((line) => wrapped(line, width)),
  ];
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
  const { columns, rows } = nodesTable(trace, status, options.isWide);
  if (rows.length === 0) return [];
  return [
    ...printColumns(columns, rows, tableWidth(options)),
    ...nodeReasons(status).flatMap((line) => wrapped(line, options.width, 2)),
  ];
}

function pathSection(path: Path, status: ServiceTraceStatus, options: TableOptions): string[] {
  const { paint } = options;
  const heading = paint('heading', `Path ${path.title}`);
  const perNode = targetsByNode(path, status);
  const isPerNode = options.isWide || fits(perNode.columns, perNode.rows, options.width);
  const table = isPerNode ? perNode : targetsSummed(path, status);
  const legend = isPerNode ? targetLegends.perNode : `${targetLegends.summed}; -o wide shows each node`;
  const frontends = frontendLines(
    path,
    (status.nodes ?? []).map(({ name }) => name),
  ).flatMap((line) => wrapped(line, options.width));
  if (table.rows.length === 0) return [heading, ...frontends, paint('dim', 'no DNAT target on any node that was read')];
  return [
    heading,
    ...frontends,
    ...printColumns(table.columns, table.rows, tableWidth(options)),
    ...wrapped(legend, options.width).map((line) => paint('dim', line)),
  ];
}

function endpointSlices(status: ServiceTraceStatus, options: TableOptions): string[] {
  const slices = status.endpointSlices;
  if (slices === undefined)
    return [`${options.paint('heading', 'EndpointSlices')}  ${options.paint('warning', 'unknown')}`];
  if (slices.length === 0) return [`${options.paint('heading', 'EndpointSlices')}  ${options.paint('error', 'none')}`];
  const { columns, rows } = endpointSlicesTable(status, options.isWide);
  const title = `${options.paint('heading', 'EndpointSlices')}  ${endpointSlicesSummary(status)}`;
  return [title, ...printColumns(columns, rows, tableWidth(options)), ...costLines(status, options)];
}

/** What the Service costs as EndpointSlices and as the legacy Endpoints object, where both are there: in one line, or in a table. */
function costLines(status: ServiceTraceStatus, options: TableOptions): string[] {
  const table = costTable(status);
  const { endpoints } = status;
  if (table === undefined || endpoints?.legacy === undefined) return [];
  if (options.isWide) return ['', ...printColumns(table.columns, table.rows, tableWidth(options))];
  const { legacy, endpointSlices: slices } = endpoints;
  const line = `A change sends ${bytesText(slices.changeBytes)} of ${bytesText(slices.bytes)} (${plural(slices.shards, 'shard')}); legacy Endpoints sends ${bytesText(legacy.changeBytes)}${cutText(legacy)}`;
  return wrapped(line, options.width).map((each) => options.paint('dim', each));
}

function conntrack(status: ServiceTraceStatus, options: TableOptions): string[] {
  const { columns, rows } = conntrackEntries(status);
  if (rows.length === 0) return [];
  const omitted = omittedEntries(status);
  return [
    options.paint('heading', 'Conntrack entries'),
    ...printColumns(columns, rows, tableWidth(options)),
    ...(omitted === 0 ? [] : [omittedEntriesText(omitted)]),
  ];
}

function connections(status: ServiceTraceStatus, options: TableOptions): string[] {
  const { columns, rows } = connectionsTable(status);
  if (rows.length === 0) return [];
  const { by, pod = '', untried } = status.client ?? {};
  const notes = [
    ...(by === undefined ? [] : [`those of pod ${pod} were made by ${by}`]),
    ...(untried === undefined ? [] : [`connections from pod ${pod} not tried: ${untried}`]),
  ];
  return [
    options.paint('heading', 'Connections made by --connect'),
    ...printColumns(columns, rows, tableWidth(options)),
    ...notes.flatMap((text) => wrapped(text, options.width)).map((line) => options.paint('dim', line)),
  ];
}

function walks({ walks: all = [] }: ServiceTraceStatus, options: TableOptions): string[] {
  return all.flatMap((walk) => walkLines(walk, options));
}

function walkLines(walk: WalkStatus, { paint, width }: TableOptions): string[] {
  const destinations = walk.destinations
    .map((each) => `${hostPort(each.address, each.port)} (${shareText(each)})`)
    .join(', ');
  const title = `${paint('heading', `Walk of a packet from ${walk.source}`)} on ${walk.node} to ${hostPort(walk.destination, walk.destinationPort)}/${walk.protocol}`;
  const end = `${walk.verdict}${destinations === '' ? '' : ` to ${destinations}`}${walk.masquerade ? ', masqueraded' : ', its source stays'}`;
  return [
    title,
    ...wrapped(end, width, 2),
    ...walk.path.flatMap(({ table, chain, rule, effect }) =>
      wrapped(`${table} ${chain}: ${rule} ⇒ ${effect}`, width, 4),
    ),
    ...walk.unknown.flatMap((text) =>
      wrapped(`not understood, so nothing is said beyond it: ${text}`, width, 4).map((line) => paint('warning', line)),
    ),
  ];
}

function findings(status: ServiceTraceStatus, options: TableOptions): string[] {
  const { findings: all } = status;
  if (all === undefined) return [];
  const untried = options.paint('dim', untriedEnd(status));
  if (all.length === 0)
    return [`${options.paint('heading', 'Findings')}  ${paintCell(options.paint, noFindingCell(status))}${untried}`];
  return [
    `${options.paint('heading', 'Findings')}  ${all.length}: ${findingsSummary(status)}${untried}`,
    ...all.flatMap((finding) => findingLines(finding, options)),
  ];
}

export function findingTitle({ severity, id, where }: FindingStatus, { paint }: Pick<TableOptions, 'paint'>): string {
  return `${paint(severityTones[severity], severity.toUpperCase())} ${paint('heading', id)}  ${where}`;
}

/** A command stands on a line of its own, however long it is: so it can be selected and pasted. */
export function findingLines(finding: FindingStatus, options: Pick<TableOptions, 'paint' | 'width'>): string[] {
  return [
    ...findingText(finding, options),
    ...(finding.commands ?? []).map((command) => `    ${commandText(command)}`),
  ];
}

/** The lines before the commands. */
export function findingText(finding: FindingStatus, { paint, width }: Pick<TableOptions, 'paint' | 'width'>): string[] {
  const { message, evidence, advice } = finding;
  return [
    findingTitle(finding, { paint }),
    ...wrapped(message, width, 2),
    ...evidence.flatMap((text) => wrapped(`evidence: ${text}`, width, 4)),
    ...wrapped(`do: ${advice}`, width, 4),
  ];
}

/** With the prompt of the shell that it is for: `$ kubectl …`, `node-a# sysctl …`. */
export function commandText({ node, run }: CommandStatus): string {
  return `${commandPrompt(node)} ${run}`;
}

export function commandPrompt(node: string | undefined): string {
  return node === undefined ? '$' : `${node}#`;
}

function cuts({ truncated = [] }: ServiceTraceStatus, { paint, width }: TableOptions): string[] {
  if (truncated.length === 0) return [];
  return wrapped(`Cut, so that the object stays small: ${truncated.join('; ')}`, width).map((line) =>
    paint('warning', line),
  );
}

function tableWidth({ width, paint, isWide }: TableOptions): { width: number; paint: Paint } {
  return { width: isWide ? Infinity : width, paint };
}
