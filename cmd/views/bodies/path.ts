/** The path of the Service on one node: each frontend with what the rules do, and the DNAT targets with their endpoints. */
import { plural } from '../../../core/lib/plural.ts';
import { hostPort } from '../../../core/net/address.ts';
import { endpointsByAddress } from '../../../core/api/endpoints-by-address.ts';
import type {
  DnatTargetStatus,
  EndpointStatus,
  MissingTargetStatus,
  NodePortStatus,
  NodeStatus,
  ServiceTrace,
} from '../../../core/api/service-trace.ts';
import { endpointState, frontendText } from '../../tables/path-table.ts';
import type { Column } from '../../tables/columns.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { cell, type Cell } from '../../tables/tone.ts';
import { countText, percentText, routingText, shareText } from '../../tables/words.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { growingWidths, lazyTable, type LazyRows } from '../state/lazy-table.ts';
import { selectedNode } from '../state/live-state.ts';
import { ratesOf, rateText, rateWidth, type NodeRates } from '../state/rates.ts';

/** The DNAT targets of the selected node, frontend by frontend; the nodes themselves are drawn above it. */
export function pathBody(state: BodyState, options: BodyOptions): Body {
  const { trace } = state;
  if (trace?.status === undefined) return textBody([]);
  const node = selectedNode(state);
  if (node === undefined) return textBody([options.theme.paint('dim', 'No node answered yet.')]);
  return targets(node, trace, ratesOf(state.rates, node.name), options);
}

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

/** A frontend, its title if it has targets, then the targets that the rules have, and those that they should have. */
interface Section {
  readonly head: string;
  readonly port: NodePortStatus;
  readonly missing: readonly MissingTargetStatus[];
  /** Of the table's rows, the first of this section. */
  readonly firstRow: number;
  /** Of the body's lines, the head. */
  readonly firstLine: number;
}

function targets(node: NodeStatus, trace: ServiceTrace, rates: NodeRates, options: BodyOptions): Body {
  const { width, theme } = options;
  const { paint } = theme;
  const facts = nodeFacts(node, trace, options);
  if (node.ports.length === 0 && node.probe.state === 'Collected')
    facts.push(paint('dim', 'This node has no frontend of the Service.'));
  const sections: Section[] = [];
  let [line, row] = [facts.length, 0];
  for (const port of node.ports) {
    const missing = port.drift?.missingTargets ?? [];
    sections.push({ head: headOf(port, rates.frontend(port), options), port, missing, firstRow: row, firstLine: line });
    const count = port.dnatTargets.length + missing.length;
    row += count;
    line += 1 + (count === 0 ? 0 : 1 + count);
  }
  const table = lazyTable(targetColumns, targetRows(sections, endpointsByAddress(trace.status ?? {}), rates), {
    width,
    paint,
    indent: 2,
  });
  return {
    fixed: [],
    count: line,
    line: (index) => {
      const section = sections.findLast(({ firstLine }) => firstLine <= index);
      if (section === undefined) return facts[index] ?? '';
      const { head, firstLine, firstRow } = section;
      if (index === firstLine) return head;
      return index === firstLine + 1 ? table.title : table.line(firstRow + index - firstLine - 2);
    },
  };
}

function headOf(port: NodePortStatus, rate: number | undefined, { theme: { paint } }: BodyOptions): string {
  const counted =
    port.packets === undefined
      ? ''
      : `  ${plural(port.packets, 'packet')}${rate === undefined ? '' : `, ${rateText(rate)}`}`;
  const verdict =
    port.verdict === 'DNAT'
      ? port.verdict
      : paint(
          'warning',
          port.verdict === 'None' ? 'no rule' : port.verdict === 'Unknown' ? 'unknown: not read' : port.verdict,
        );
  const routing = routingText(port);
  return `${paint('heading', `${port.portName ?? ''} ${frontendText(port)}/${port.protocol}`.trim())}  ${verdict}${counted}${routing === '' ? '' : `  ${routing}`}`;
}

type Endpoints = ReturnType<typeof endpointsByAddress>;

function targetRows(sections: readonly Section[], endpoints: Endpoints, rates: NodeRates): LazyRows {
  const { widths, widen } = growingWidths(targetColumns);
  for (const { port, missing } of sections) {
    const { dnatTargets } = port;
    // A number is the longer the greater it is: that of the greatest is the widest text.
    const most = { share: 0, packets: 0, connections: 0 };
    for (const target of dnatTargets) {
      const endpoint = endpoints.get(target.address);
      widen(0, hostPort(target.address, target.port).length);
      widen(1, (target.pod ?? endpoint?.targetRef?.name ?? '-').length);
      widen(2, endpoint?.nodeName?.length ?? 1);
      widen(3, endpointState(endpoint).text.length);
      if (target.probability === undefined) widen(4, shareText(target).length);
      else if (target.probability > most.share) most.share = target.probability;
      if (target.packets !== undefined && target.packets > most.packets) most.packets = target.packets;
      if (target.connections !== undefined && target.connections > most.connections)
        most.connections = target.connections;
    }
    if (dnatTargets.length > 0) {
      widen(4, percentText(most.share).length);
      widen(5, countText(most.packets).length);
      widen(6, rateWidth(dnatTargets.map((_, index) => rates.target(port, index))));
      widen(7, countText(most.connections).length);
    }
    for (const target of missing) {
      widen(0, hostPort(target.address, target.port).length);
      widen(1, target.pod?.length ?? 1);
      widen(2, target.nodeName?.length ?? 1);
    }
    if (missing.length > 0) widen(3, absent.text.length);
  }
  return {
    widths,
    cells: (row) => {
      const section = sections.findLast(({ firstRow }) => firstRow <= row);
      if (section === undefined) return [];
      const index = row - section.firstRow;
      const target = section.port.dnatTargets[index];
      return target === undefined
        ? missingRow(section.missing[index - section.port.dnatTargets.length])
        : presentRow(target, endpoints.get(target.address), rates.target(section.port, index));
    },
  };
}

function presentRow(target: DnatTargetStatus, endpoint: EndpointStatus | undefined, rate: number | undefined): Cell[] {
  const state = endpointState(endpoint);
  return [
    cell(hostPort(target.address, target.port)),
    cell(target.pod ?? endpoint?.targetRef?.name ?? '-'),
    cell(endpoint?.nodeName ?? '-'),
    cell(state.text, state.tone),
    cell(shareText(target)),
    cell(countText(target.packets)),
    cell(rateText(rate)),
    cell(countText(target.connections)),
  ];
}

const absent = cell('absent', 'error');

function missingRow(target: MissingTargetStatus | undefined): Cell[] {
  return target === undefined
    ? []
    : [
        cell(hostPort(target.address, target.port)),
        cell(target.pod ?? '-'),
        cell(target.nodeName ?? '-'),
        absent,
        ...[1, 2, 3, 4].map(() => cell('-')),
      ];
}

const notCollected = { Failed: 'not answering', Waiting: 'waited for', Skipped: 'skipped' } as const;

/** What is wrong with, or known of, the node itself. */
function nodeFacts(node: NodeStatus, { status }: ServiceTrace, { width, theme: { paint } }: BodyOptions): string[] {
  const { probe, kubeProxy, dns, ports } = node;
  const lines: string[] = [];
  if (probe.state !== 'Collected')
    lines.push(
      ...wrapped(
        `${node.name} is ${notCollected[probe.state]}: ${[probe.reason, probe.message].filter((text) => text !== undefined).join(': ')}`,
        width,
      ).map((line) => paint(probe.state === 'Failed' ? 'error' : 'warning', line)),
    );
  for (const { what, reason } of probe.unread ?? [])
    lines.push(...wrapped(`not read: ${what}: ${reason}`, width).map((line) => paint('warning', line)));
  if (kubeProxy?.healthy === false)
    lines.push(
      ...wrapped(`kube-proxy is not healthy: ${kubeProxy.message ?? 'it does not say why'}`, width).map((line) =>
        paint('error', line),
      ),
    );
  if (dns?.error !== undefined)
    lines.push(
      ...wrapped(`DNS: ${dns.name} asked of ${dns.server}: ${dns.error}`, width).map((line) => paint('warning', line)),
    );
  if (
    probe.state === 'Collected' &&
    status?.service !== undefined &&
    status.service.notProxied === undefined &&
    ports.some(({ verdict, drift }) => verdict !== 'Unknown' && drift === undefined)
  )
    lines.push(paint('warning', 'missing DNAT targets: unknown; an earlier version wrote this status'));
  for (const difference of status?.comparison?.outliers.find(({ node: name }) => name === node.name)?.differences ?? [])
    lines.push(...wrapped(`differs from its peers: ${difference}`, width).map((line) => paint('warning', line)));
  return lines;
}
