/** The path of the Service on one node: each frontend with what the rules do, and the DNAT targets with their endpoints. */
import { hostPort } from '../../core/address.ts';
import { endpointsByAddress } from '../../core/endpoints-by-address.ts';
import type { NodeStatus, ServiceTrace } from '../../core/service-trace.ts';
import { missingTargets } from '../node-row.ts';
import { endpointState, frontendText } from '../path-table.ts';
import type { Column } from '../printers/columns.ts';
import { wrapped } from '../printers/wrapped.ts';
import { cell, type Cell } from '../tone.ts';
import { countText, percentText, routingText } from '../words.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { lazyTable } from './lazy-table.ts';
import { selectedNode } from './live-state.ts';
import { frontendKey, ratesOf, rateText, targetKey, type NodeRates } from './rates.ts';

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

function targets(node: NodeStatus, trace: ServiceTrace, rates: NodeRates, options: BodyOptions): Body {
  const { width, theme } = options;
  const { paint } = theme;
  const rows: (string | number)[] = nodeFacts(node, trace, options);
  const cells: Cell[][] = [];
  const titles = new Set<number>();
  const endpoints = endpointsByAddress(trace.status ?? {});
  for (const port of node.ports) {
    const rate = rates.get(frontendKey(port));
    const counted = port.packets === undefined ? '' : `  ${String(port.packets)} packets${rate === undefined ? '' : `, ${rateText(rate)}`}`;
    const verdict = port.verdict === 'DNAT' ? port.verdict : paint('warning', port.verdict === 'None' ? 'no rule' : port.verdict === 'Unknown' ? 'unknown: not read' : port.verdict);
    const routing = routingText(port);
    rows.push(`${paint('heading', `${port.portName ?? ''} ${frontendText(port)}/${port.protocol}`.trim())}  ${verdict}${counted}${routing === '' ? '' : `  ${routing}`}`);
    const present = port.dnatTargets.map((target): Cell[] => {
      const endpoint = endpoints.get(target.address);
      const state = endpointState(endpoint);
      return [
        cell(hostPort(target.address, target.port)),
        cell(target.pod ?? endpoint?.targetRef?.name ?? '-'),
        cell(endpoint?.nodeName ?? '-'),
        cell(state.text, state.tone),
        cell(percentText(target.probability)),
        cell(countText(target.packets)),
        cell(rateText(rates.get(targetKey(port, target)))),
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
    if (present.length + missing.length === 0) continue;
    titles.add(rows.push('') - 1);
    for (const row of [...present, ...missing]) {
      rows.push(cells.length);
      cells.push(row);
    }
  }
  if (node.ports.length === 0 && node.probe.state === 'Collected') rows.push(paint('dim', 'This node has no frontend of the Service.'));
  const table = lazyTable(targetColumns, cells, { width, paint, indent: 2 });
  return {
    fixed: [],
    count: rows.length,
    line: (index) => {
      const row = rows[index] ?? '';
      if (titles.has(index)) return table.title;
      return typeof row === 'string' ? row : table.line(row);
    },
  };
}

/** What is wrong with, or known of, the node itself. */
function nodeFacts(node: NodeStatus, { status }: ServiceTrace, { width, theme: { paint } }: BodyOptions): string[] {
  const { probe, kubeProxy, dns } = node;
  const lines: string[] = [];
  if (probe.state !== 'Collected') lines.push(...wrapped(`${node.name} is ${probe.state === 'Failed' ? 'not answering' : 'waited for'}: ${[probe.reason, probe.message].filter((text) => text !== undefined).join(': ')}`, width).map((line) => paint(probe.state === 'Failed' ? 'error' : 'warning', line)));
  for (const { what, reason } of probe.unread ?? []) lines.push(...wrapped(`not read: ${what}: ${reason}`, width).map((line) => paint('warning', line)));
  if (kubeProxy?.healthy === false) lines.push(...wrapped(`kube-proxy is not healthy: ${kubeProxy.message ?? 'it does not say why'}`, width).map((line) => paint('error', line)));
  if (dns?.error !== undefined) lines.push(...wrapped(`DNS: ${dns.name} asked of ${dns.server}: ${dns.error}`, width).map((line) => paint('warning', line)));
  for (const difference of status?.comparison?.outliers.find(({ node: name }) => name === node.name)?.differences ?? []) lines.push(...wrapped(`differs from its peers: ${difference}`, width).map((line) => paint('warning', line)));
  return lines;
}
