/** The conntrack entries of the Service on one node, or one row for each backend that answers them. */
import { plural } from '../../../core/lib/plural.ts';
import { hostPort } from '../../../core/net/address.ts';
import { endpointsByAddress } from '../../../core/api/endpoints-by-address.ts';
import { connectionEventsText, connectionText } from '../../../core/convergence/connection-text.ts';
import type { ConnectionEventsStatus, ConntrackEntryStatus, NodeStatus } from '../../../core/api/service-trace.ts';
import { endpointState } from '../../tables/path-table.ts';
import type { Column } from '../../tables/columns.ts';
import { cell, type Cell } from '../../tables/tone.ts';
import { countText, omittedEntriesText } from '../../tables/words.ts';
import { shellOn } from '../../../core/api/command.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { growingWidths, lazyRows, lazyTable, type LazyRows } from '../state/lazy-table.ts';
import { filterOf, selectedNode } from '../state/live-state.ts';
import { rowFilter } from '../state/row-filter.ts';

const entryColumns: readonly Column[] = [
  { title: 'STATE', least: 8 },
  { title: 'SOURCE', least: 14, cut: 'middle' },
  { title: 'DESTINATION', least: 14, cut: 'middle' },
  { title: 'REPLY SOURCE', least: 14, cut: 'middle' },
  { title: 'POD', least: 8, cut: 'middle' },
  { title: 'ENDPOINT', least: 5 },
];
const backendColumns: readonly Column[] = [
  { title: 'REPLY SOURCE', least: 14, cut: 'middle' },
  { title: 'POD', least: 8, cut: 'middle' },
  { title: 'ENDPOINT', least: 5 },
  { title: 'ENTRIES', align: 'right' },
  { title: 'UNREPLIED', align: 'right' },
  { title: 'CLIENTS', align: 'right' },
];

/** Events above the table. */
const maxEventLines = 5;

/** Undefined where the EndpointSlices are not known. */
type Endpoints = ReturnType<typeof endpointsByAddress> | undefined;

export function conntrackBody(state: BodyState, options: BodyOptions): Body {
  const { width, theme } = options;
  const { paint } = theme;
  const node = selectedNode(state);
  if (node === undefined || state.trace?.status === undefined) return textBody([paint('dim', 'No node answered yet.')]);
  const { status } = state.trace;
  const table = node.conntrack;
  if (table === undefined) return textBody([paint('dim', `The conntrack table of ${node.name} was not read.`)]);
  const room = table.count === undefined ? 'unknown' : `${String(table.count)} of ${countText(table.max)} entries`;
  const summary = `${plural(table.matched, 'entry', 'entries')} of this Service${table.unreplied === undefined || table.unreplied === 0 ? '' : `, ${String(table.unreplied)} without a reply`}; the whole table: ${room}`;
  const events = eventLines(status.connectionEvents, node, paint);
  const states = Object.entries(table.states ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  const stateLines = states.length === 0 ? [] : [states.map(([name, count]) => `${name} ${String(count)}`).join(', ')];
  if ((table.entries ?? []).length === 0)
    return countedBackends(
      node,
      {
        above: [summary, ...stateLines, ...events],
        below: table.matched > 0 ? [paint('dim', '--conntrack entries lists them one by one.')] : [],
      },
      options,
    );
  const filter = filterOf(state);
  const isShown = rowFilter(filter);
  const entries =
    filter === '' ? (table.entries ?? []) : (table.entries ?? []).filter((entry) => isShown(textOf(entry)));
  const omitted = (table.omitted ?? 0) > 0 ? [paint('dim', omittedEntriesText(table.omitted ?? 0))] : [];
  const fixed = [summary, ...stateLines, ...events, ...omitted];
  const endpoints: Endpoints = status.endpointSlices === undefined ? undefined : endpointsByAddress(status);
  if (state.isByBackend) {
    const backends = byBackend(entries);
    const lazy = lazyTable(
      backendColumns,
      lazyRows(
        backendColumns,
        backends.map((backend) => backendRow(backend, endpoints)),
      ),
      { width, paint },
    );
    return {
      fixed: [...fixed, lazy.title],
      count: backends.length,
      line: lazy.line,
      meaning: (index) => ({ copy: backends[index]?.backend ?? '' }),
    };
  }
  const lazy = lazyTable(entryColumns, entryRows(entries, endpoints), { width, paint });
  return {
    fixed: [...fixed, lazy.title],
    count: entries.length,
    line: lazy.line,
    meaning: (index) => {
      const entry = entries[index];
      return entry === undefined ? {} : { copy: deletion(node.name, entry) };
    },
  };
}

/** What the kernel of this node reported last, the newest first; what is missing and where nothing is reported, of all nodes. */
function eventLines(
  events: ConnectionEventsStatus | undefined,
  { name }: NodeStatus,
  paint: BodyOptions['theme']['paint'],
): string[] {
  if (events === undefined) return [];
  const isDoubtful = events.gaps.length > 0 || events.notFollowed.length > 0;
  const recent = events.recent.filter(({ node }) => node === name).slice(-maxEventLines);
  return [
    paint(isDoubtful ? 'warning' : 'dim', connectionEventsText(events)),
    ...recent.reverse().map((event) => paint('dim', `  ${event.latest.slice(11, 23)} ${connectionText(event)}`)),
  ];
}

/** What a filter looks at. */
function textOf(entry: ConntrackEntryStatus): string {
  return [
    entry.protocol,
    entry.state ?? '',
    entry.unreplied === true ? 'unreplied' : '',
    entry.pod ?? '',
    hostPort(entry.original.source, entry.original.sourcePort),
    hostPort(entry.original.destination, entry.original.destinationPort),
    hostPort(entry.reply.source, entry.reply.sourcePort),
  ].join(' ');
}

function entryRows(entries: readonly ConntrackEntryStatus[], endpoints: Endpoints): LazyRows {
  const { widths, widen } = growingWidths(entryColumns);
  for (const entry of entries) {
    const { original, reply } = entry;
    widen(0, stateText(entry).length);
    widen(1, hostPort(original.source, original.sourcePort).length);
    widen(2, hostPort(original.destination, original.destinationPort).length);
    widen(3, hostPort(reply.source, reply.sourcePort).length);
    widen(4, entry.pod?.length ?? 1);
    widen(5, endpointCell(reply.source, endpoints).text.length);
  }
  return { widths, cells: (index) => (entries[index] === undefined ? [] : entryRow(entries[index], endpoints)) };
}

function entryRow(entry: ConntrackEntryStatus, endpoints: Endpoints): Cell[] {
  return [
    cell(stateText(entry), entry.unreplied === true ? 'warning' : 'plain'),
    cell(hostPort(entry.original.source, entry.original.sourcePort)),
    cell(hostPort(entry.original.destination, entry.original.destinationPort)),
    cell(hostPort(entry.reply.source, entry.reply.sourcePort)),
    cell(entry.pod ?? '-'),
    endpointCell(entry.reply.source, endpoints),
  ];
}

function stateText({ protocol, state, unreplied }: ConntrackEntryStatus): string {
  return `${protocol} ${state ?? ''}${unreplied === true ? ' unreplied' : ''}`.trim();
}

/** An entry whose answering address is no longer an endpoint is stale. */
function endpointCell(address: string, endpoints: Endpoints): Cell {
  if (endpoints === undefined) return cell('unknown', 'warning');
  const endpoint = endpoints.get(address);
  const { text, tone } = endpointState(endpoint);
  return cell(endpoint === undefined ? 'stale' : text, tone);
}

interface Backend {
  readonly backend: string;
  readonly address: string;
  readonly pod: string | undefined;
  readonly entries: readonly ConntrackEntryStatus[];
}

function byBackend(entries: readonly ConntrackEntryStatus[]): Backend[] {
  const groups = new Map<string, ConntrackEntryStatus[]>();
  for (const entry of entries) {
    const key = hostPort(entry.reply.source, entry.reply.sourcePort);
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(entry);
  }
  return [...groups]
    .map(([backend, own]) => ({ backend, address: own[0]?.reply.source ?? '', pod: own[0]?.pod, entries: own }))
    .sort((one, other) => other.entries.length - one.entries.length);
}

function backendRow({ backend, address, pod, entries }: Backend, endpoints: Endpoints): Cell[] {
  const unreplied = entries.filter((entry) => entry.unreplied === true).length;
  return [
    cell(backend),
    cell(pod ?? '-'),
    endpointCell(address, endpoints),
    cell(String(entries.length)),
    cell(String(unreplied), unreplied > 0 ? 'warning' : 'plain'),
    cell(String(new Set(entries.map(({ original }) => original.source)).size)),
  ];
}

const countedColumns: readonly Column[] = [
  { title: 'DESTINATION', least: 14, cut: 'middle' },
  { title: 'REPLY SOURCE', least: 14, cut: 'middle' },
  { title: 'POD', least: 8, cut: 'middle' },
  { title: 'ENTRIES', align: 'right' },
];

/** Where entries are only counted, the targets of the node's rules show how many each answers. */
function countedBackends(
  node: NodeStatus,
  { above, below }: { readonly above: readonly string[]; readonly below: readonly string[] },
  { width, theme }: BodyOptions,
): Body {
  const rows = node.ports.flatMap((port) =>
    port.dnatTargets.flatMap(({ address, port: number, pod, connections }) =>
      connections === undefined
        ? []
        : [
            [
              cell(port.frontend === 'NodePort' ? `NodePort ${String(port.port)}` : hostPort(port.address, port.port)),
              cell(hostPort(address, number)),
              cell(pod ?? '-'),
              cell(String(connections)),
            ],
          ],
    ),
  );
  if (rows.length === 0) return textBody([...above, ...below]);
  const table = lazyTable(countedColumns, lazyRows(countedColumns, rows), { width, paint: theme.paint, indent: 2 });
  return {
    fixed: [...above, table.title],
    count: rows.length + below.length,
    line: (index) => (index < rows.length ? table.line(index) : (below[index - rows.length] ?? '')),
  };
}

/** For a root shell on the node. */
function deletion(node: string, { protocol, original, reply }: ConntrackEntryStatus): string {
  return shellOn(
    node,
    'conntrack',
    '-D',
    ...['-p', protocol.toLowerCase()],
    ...['--orig-src', original.source, '--sport', String(original.sourcePort)],
    ...['--orig-dst', original.destination, '--dport', String(original.destinationPort)],
    ...['--reply-src', reply.source],
  ).run;
}
