/** One row a node: health, mode, lag, drift, conntrack; sorted, filtered, grouped by program. */
import type { NodeStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { plural } from '../../../core/lib/plural.ts';
import { nodeColumnsOf, nodeRow } from '../../tables/node-row.ts';
import type { Column } from '../../tables/columns.ts';
import { cell, type Cell } from '../../tables/tone.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { lazyRows, lazyTable } from '../state/lazy-table.ts';
import { filterOf } from '../state/live-state.ts';
import { groupByProgram, orderNodes, troubleOf } from '../state/node-order.ts';
import type { Theme } from '../state/theme.ts';

function columnsOf(trace: ServiceTrace): Column[] {
  return nodeColumnsOf(trace).flatMap((title): Column[] =>
    title === 'NODE'
      ? [{ title, least: 12, cut: 'middle' }, { title: 'HEALTH' }]
      : [title === 'PROBE' ? { title, least: 9 } : { title }],
  );
}

export function nodesBody(state: BodyState, { width, theme }: BodyOptions): Body {
  const { trace } = state;
  if (trace?.status?.nodes === undefined || trace.status.nodes.length === 0)
    return textBody([theme.paint('dim', 'No node answered yet.')]);
  const nodes = orderNodes(trace, filterOf(state), state.order);
  const collected = Date.parse(trace.status.collectedAt ?? '');
  const rows: { readonly node?: NodeStatus; readonly title?: string }[] = state.isGrouped
    ? groupByProgram(nodes).flatMap((group) => [
        {
          title: `${group.program === '' ? 'rules unknown' : `program ${group.program}`}: ${plural(group.nodes.length, 'node')}`,
        },
        ...group.nodes.map((node) => ({ node })),
      ])
    : nodes.map((node) => ({ node }));
  const columns = columnsOf(trace);
  const table = lazyTable(
    columns,
    lazyRows(
      columns,
      rows.map(({ node }) => (node === undefined ? [] : rowOf(node, trace, collected, theme))),
    ),
    { width, paint: theme.paint },
  );
  const sorted = `sorted by ${state.order.column}${state.order.isReversed ? ', reversed' : ''}`;
  return {
    fixed: [
      theme.paint(
        'dim',
        `${nodes.length === trace.status.nodes.length ? plural(nodes.length, 'node') : `${String(nodes.length)} of ${plural(trace.status.nodes.length, 'node')}`}, ${sorted}`,
      ),
      table.title,
    ],
    count: rows.length,
    line: (index) => {
      const title = rows[index]?.title;
      return title === undefined ? table.line(index) : theme.paint('heading', title);
    },
    meaning: (index) => {
      const node = rows[index]?.node;
      return node === undefined ? {} : { open: { kind: 'node', node: node.name }, copy: node.name };
    },
  };
}

function rowOf(node: NodeStatus, trace: ServiceTrace, collected: number, theme: Theme): Cell[] {
  const [name = cell(''), ...rest] = nodeRow(node, trace, collected);
  return [name, healthCell(node, trace, theme), ...rest];
}

/** Of the node alone: what is wrong with the Service itself is in no node's row. */
function healthCell(node: NodeStatus, trace: ServiceTrace, { marks }: Theme): Cell {
  const { errors, warnings } = troubleOf(node, trace);
  if (errors > 0) return cell(`${marks.error} ${plural(errors, 'error')}`, 'error');
  if (node.probe.state !== 'Collected') return cell(`${marks.warning} unknown`, 'warning');
  if (warnings > 0) return cell(`${marks.warning} ${plural(warnings, 'warning')}`, 'warning');
  return (node.probe.unread ?? []).length > 0
    ? cell(`${marks.warning} not all read`, 'warning')
    : cell(`${marks.ok} ok`, 'ok');
}
