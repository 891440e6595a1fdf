/** What EndpointSlices, pods, nodes' rules and conntrack say against each other, and the nodes that differ from their peers. */
import type { ComparisonStatus } from '../../core/api/service-trace.ts';
import { comparisonSummary, comparisonTable, outlierLines } from '../tables/result-tables.ts';
import { printColumns } from '../tables/columns.ts';
import type { Paint } from '../tables/paint.ts';
import { wrapped } from './wrapped.ts';

/** Empty where there is nothing to compare. */
export function comparisonLines(
  comparison: ComparisonStatus | undefined,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  if (comparison === undefined) return [];
  const { rows, omitted, outliers } = comparison;
  const heading = paint('heading', 'Comparison');
  if (rows.length === 0 && outliers.length === 0) return wrapped(`${heading}  ${comparisonSummary(comparison)}`, width);
  const table = comparisonTable(comparison);
  const [title = '', ...lines] = printColumns(table.columns, table.rows, { width, paint });
  return [
    ...wrapped(`${heading}  ${comparisonSummary(comparison)}`, width),
    ...(rows.length === 0 ? [] : [title]),
    ...rows.flatMap(({ disagreements }, index) => [
      lines[index] ?? '',
      ...disagreements.flatMap((words) => wrapped(words, width, 4).map((line) => paint('warning', line))),
    ]),
    ...(omitted === 0 ? [] : [`${String(omitted)} more ${omitted === 1 ? 'is' : 'are'} not listed`]),
    ...outlierLines(comparison).flatMap((words) => wrapped(words, width).map((line) => paint('warning', line))),
  ];
}
