/** The lower pane of the live view: the lines of each tab, painted. */
import { hostPort } from '../../core/address.ts';
import type { NodeStatus, ServiceTrace, ServiceTraceStatus } from '../../core/service-trace.ts';
import { missingTargets } from '../node-row.ts';
import { endpointOf, endpointState, frontendText } from '../path-table.ts';
import { printColumns, type Column } from '../printers/columns.ts';
import { paintCell } from '../printers/paint.ts';
import { findingLines, wrapped } from '../printers/table.ts';
import { cell, type Cell } from '../tone.ts';
import { countText, noFindingCell, percentText, routingText } from '../words.ts';
import { selectedNode, type LiveState, type Tab } from './live-state.ts';
import { frontendKey, rateText, targetKey, type Rates } from './rates.ts';
import type { Theme } from './theme.ts';

export interface DetailOptions {
  readonly width: number;
  readonly theme: Theme;
}

export function detailLines(state: Pick<LiveState, 'trace' | 'rates' | 'selectedNode' | 'tab'>, options: DetailOptions): string[] {
  const { trace } = state;
  const status = trace?.status;
  if (trace === undefined || status === undefined) return [];
  if (state.tab === 'findings') return findings(status, options);
  const node = selectedNode(state);
  if (node === undefined) return [options.theme.paint('dim', 'No node answered yet.')];
  return nodeTabs[state.tab](node, trace, state.rates, options);
}

const nodeTabs: Readonly<Record<Exclude<Tab, 'findings'>, (node: NodeStatus, trace: ServiceTrace, rates: Rates, options: DetailOptions) => string[]>> = { targets, rules, conntrack };

const targetColumns: readonly Column[] = [
  { title: 'DNAT TARGET', least: 16, cut: 'middle' },
  { title: 'POD', least: 10, cut: 'middle' },
  { title: 'ON', least: 6, cut: 'middle' },
  { title: 'STATE', least: 5 },
  { title: 'SHARE', align: 'right' },
  { title: 'PACKETS', align: 'right' },
  { title: 'RATE', align: 'right' },
  { title: 'CONN', align: 'right' },
];

function targets(node: NodeStatus, trace: ServiceTrace, rates: Rates, options: DetailOptions): string[] {
  const { width, theme } = options;
  const { paint } = theme;
  const lines = nodeFacts(node, options);
  for (const port of node.ports) {
    const rate = rates.get(frontendKey(node.name, port));
    const counted = port.packets === undefined ? '' : `  ${port.packets} packets${rate === undefined ? '' : `, ${rateText(rate)}`}`;
    const verdict = port.verdict === 'DNAT' ? port.verdict : paint('warning', port.verdict === 'None' ? 'no rule' : port.verdict === 'Unknown' ? 'unknown: not read' : port.verdict);
    const routing = routingText(port);
    lines.push(`${paint('heading', `${port.portName ?? ''} ${frontendText(port)}/${port.protocol}`.trim())}  ${verdict}${counted}${routing === '' ? '' : `  ${routing}`}`);
    const present = port.dnatTargets.map((target): Cell[] => {
      const endpoint = trace.status === undefined ? undefined : endpointOf(trace.status, target.address);
      const state = endpointState(endpoint);
      return [
        cell(hostPort(target.address, target.port)),
        cell(target.pod ?? endpoint?.targetRef?.name ?? '-'),
        cell(endpoint?.nodeName ?? '-'),
        cell(state.text, state.tone),
        cell(percentText(target.probability)),
        cell(countText(target.packets)),
        cell(rateText(rates.get(targetKey(node.name, port, target)))),
        cell(countText(target.connections)),
      ];
    });
    const missing = missingTargets(node, port, trace).map((target): Cell[] => [
      cell(hostPort(target.address, target.port)),
      cell(target.pod ?? '-'),
      cell(target.nodeName ?? '-'),
      cell('absent', 'error'),
      ...[1, 2, 3, 4].map(() => cell('-')),
    ]);
    const rows = [...present, ...missing];
    if (rows.length > 0) lines.push(...printColumns(targetColumns, rows, { width, paint, indent: 2 }));
  }
  if (node.ports.length === 0 && node.probe.state === 'Collected') lines.push(paint('dim', 'This node has no frontend of the Service.'));
  return lines;
}

/** What is wrong with, or known of, the node itself. */
function nodeFacts(node: NodeStatus, { width, theme: { paint } }: DetailOptions): string[] {
  const { probe, kubeProxy, dns } = node;
  const lines: string[] = [];
  if (probe.state !== 'Collected') lines.push(...wrapped(`${node.name} is ${probe.state === 'Failed' ? 'not answering' : 'waited for'}: ${[probe.reason, probe.message].filter((text) => text !== undefined).join(': ')}`, width).map((line) => paint(probe.state === 'Failed' ? 'error' : 'warning', line)));
  for (const { what, reason } of probe.unread ?? []) lines.push(...wrapped(`not read: ${what}: ${reason}`, width).map((line) => paint('warning', line)));
  if (kubeProxy?.healthy === false) lines.push(...wrapped(`kube-proxy is not healthy: ${kubeProxy.message ?? 'it does not say why'}`, width).map((line) => paint('error', line)));
  if (dns?.error !== undefined) lines.push(...wrapped(`DNS: ${dns.name} asked of ${dns.server}: ${dns.error}`, width).map((line) => paint('warning', line)));
  return lines;
}

function rules(node: NodeStatus, { status }: ServiceTrace, _rates: Rates, { width, theme: { paint } }: DetailOptions): string[] {
  const program = status?.programs?.find(({ fingerprint }) => fingerprint === node.program);
  if (program === undefined) return [paint('dim', `No rule of this Service was read on ${node.name}.`)];
  if (program.chains.length === 0) return [paint('warning', `The rules of program ${program.fingerprint} were cut: trace fewer nodes with --node.`)];
  const others = program.nodes.length - 1;
  const lines = wrapped(`Program ${program.fingerprint}${others === 0 ? '' : `, the same on ${others} more node${others === 1 ? '' : 's'}; packets are summed`}; mode known: ${node.proxyModeSource ?? 'unknown'}`, width).map((line) => paint('dim', line));
  for (const chain of program.chains) {
    lines.push(paint('heading', `${chain.family} ${chain.table} ${chain.name}`));
    const room = Math.max(1, ...chain.rules.map(({ packets }) => countText(packets).length));
    for (const { text, packets } of chain.rules) {
      const [first = '', ...rest] = wrapped(text, width - room - 3);
      lines.push(`  ${countText(packets).padStart(room)} ${first}`, ...rest.map((line) => ' '.repeat(room + 3) + line));
    }
  }
  return lines;
}

function conntrack(node: NodeStatus, _trace: ServiceTrace, _rates: Rates, { width, theme: { paint } }: DetailOptions): string[] {
  const table = node.conntrack;
  if (table === undefined) return [paint('dim', `The conntrack table of ${node.name} was not read.`)];
  const room = table.count === undefined ? 'unknown' : `${table.count} of ${countText(table.max)} entries`;
  const lines = [`${table.matched} entries of this Service${table.unreplied === undefined || table.unreplied === 0 ? '' : `, ${table.unreplied} without a reply`}; the whole table: ${room}`];
  const states = Object.entries(table.states ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  if (states.length > 0) lines.push(...printColumns([{ title: 'STATE' }, { title: 'ENTRIES', align: 'right' }], states.map(([state, count]) => [cell(state), cell(String(count))]), { width, paint, indent: 2 }));
  const entries = table.entries ?? [];
  if (entries.length > 0) {
    const columns: Column[] = [{ title: 'STATE', least: 8 }, { title: 'SOURCE', least: 14, cut: 'middle' }, { title: 'DESTINATION', least: 14, cut: 'middle' }, { title: 'ANSWERED BY', least: 14, cut: 'middle' }, { title: 'POD', least: 8, cut: 'middle' }];
    const rows = entries.map((entry): Cell[] => [
      cell(`${entry.protocol} ${entry.state ?? ''}${entry.unreplied === true ? ' unreplied' : ''}`.trim(), entry.unreplied === true ? 'warning' : 'plain'),
      cell(hostPort(entry.original.source, entry.original.sourcePort)),
      cell(hostPort(entry.original.destination, entry.original.destinationPort)),
      cell(hostPort(entry.reply.source, entry.reply.sourcePort)),
      cell(entry.pod ?? '-'),
    ]);
    lines.push(...printColumns(columns, rows, { width, paint }));
    if ((table.omitted ?? 0) > 0) lines.push(paint('dim', `${table.omitted ?? 0} more entries are not listed`));
  } else if (table.matched > 0) {
    lines.push(paint('dim', '--conntrack entries lists them one by one.'));
  }
  return lines;
}

function findings(status: ServiceTraceStatus, { width, theme: { paint } }: DetailOptions): string[] {
  const all = status.findings ?? [];
  if (all.length === 0) return [`Findings: ${paintCell(paint, noFindingCell(status))}`];
  return all.flatMap((finding) => findingLines(finding, { paint, width }));
}
