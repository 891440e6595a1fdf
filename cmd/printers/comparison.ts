/** What EndpointSlices, pods, nodes' rules and conntrack say against each other, and the nodes that differ from their peers. */
import { hostPort } from '../../core/address.ts';
import type { ComparisonRowStatus, ComparisonStatus } from '../../core/service-trace.ts';
import { cell, type Cell } from '../tone.ts';
import { countText } from '../words.ts';
import { endpointState } from '../path-table.ts';
import { printColumns, type Column } from './columns.ts';
import type { Paint } from './paint.ts';
import { wrapped } from './wrapped.ts';

const columns: readonly Column[] = [
  { title: 'ADDRESS', least: 16, cut: 'middle' },
  { title: 'SERVICE PORT' },
  { title: 'ENDPOINT' },
  { title: 'POD', least: 10, cut: 'middle' },
  { title: 'ON NODES', align: 'right' },
  { title: 'CONNTRACK', align: 'right' },
];

/** Empty where there is nothing to compare. */
export function comparisonLines(comparison: ComparisonStatus | undefined, { width, paint }: { readonly width: number; readonly paint: Paint }): string[] {
  if (comparison === undefined) return [];
  const { rows, omitted, outliers } = comparison;
  const heading = paint('heading', 'Comparison');
  if (rows.length === 0 && outliers.length === 0) return wrapped(`${heading}  EndpointSlices, pods, rules and conntrack contradict each other nowhere, as far as they were read`, width);
  const [title = '', ...lines] = printColumns(columns, rows.map(cellsOf), { width, paint });
  return [
    `${heading}  EndpointSlices, pods, rules or conntrack disagree on ${rows.length + omitted === 1 ? '1 address' : `${String(rows.length + omitted)} addresses`}`,
    ...(rows.length === 0 ? [] : [title]),
    ...rows.flatMap(({ disagreements }, index) => [lines[index] ?? '', ...disagreements.flatMap((words) => wrapped(words, width, 4).map((line) => paint('warning', line)))]),
    ...(omitted === 0 ? [] : [`${String(omitted)} more are not listed`]),
    ...outliers.flatMap(({ node, differences }) => differences.flatMap((words) => wrapped(`${node} differs: ${words}`, width).map((line) => paint('warning', line)))),
  ];
}

function cellsOf({ address, port, family, portName, protocol, servicePort, endpoint, pod, nodes, connections }: ComparisonRowStatus): Cell[] {
  const state = endpoint === undefined ? { text: 'in no slice', tone: 'error' as const } : endpointState({ ...endpoint, addresses: [address] });
  const known = nodes.present + nodes.absent;
  return [
    cell(hostPort(address, port)),
    cell(`${portName === undefined ? '' : `${portName} `}${String(servicePort)}/${protocol} ${family}`),
    cell(state.text, state.tone),
    cell(pod === undefined ? '-' : `${pod.name}${pod.isDeleting ? ', deleting' : pod.ready ? '' : ', not ready'}`),
    cell(`${String(nodes.present)}/${String(known)}${nodes.unknown === 0 ? '' : `, ${String(nodes.unknown)} unknown`}`),
    cell(countText(connections)),
  ];
}
