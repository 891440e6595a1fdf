/** The nodes, a window of them around the selected one. */
import { Box } from 'ink';
import { useMemo, type ReactElement } from 'react';
import stringWidth from 'string-width';
import { nodeColumnsOf, nodeRow } from '../tables/node-row.ts';
import { printColumns, type Column } from '../tables/columns.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { Line } from './line.tsx';
import { windowStart } from './state/live-state.ts';
import type { Theme } from './state/theme.ts';

export interface NodeTableProps {
  readonly trace: ServiceTrace;
  readonly selected: number;
  /** Rows without the titles. */
  readonly rows: number;
  readonly width: number;
  readonly theme: Theme;
}

export function NodeTable({ trace, selected, rows, width, theme }: NodeTableProps): ReactElement {
  const nodes = trace.status?.nodes ?? [];
  const start = windowStart(selected, nodes.length, rows);
  const longest = useMemo(
    () => Math.max(0, ...(trace.status?.nodes ?? []).map(({ name }) => stringWidth(name))),
    [trace],
  );
  const lines = useMemo(() => {
    const shown = (trace.status?.nodes ?? []).slice(start, start + rows);
    // The names' column keeps its width while the window moves.
    const columns: Column[] = nodeColumnsOf(trace).map((title, index) =>
      index === 0
        ? { title: title.padEnd(longest), least: 12, cut: 'middle' }
        : title === 'PROBE'
          ? { title, least: 9 }
          : { title },
    );
    const now = Date.parse(trace.status?.collectedAt ?? '');
    return printColumns(
      columns,
      shown.map((node) => nodeRow(node, trace, now)),
      { width: width - 2, paint: theme.paint },
    );
  }, [trace, start, rows, longest, width, theme]);
  return (
    <Box flexDirection="column">
      {lines.map((line, index) => {
        const isSelected = index - 1 + start === selected && index > 0;
        return (
          <Line key={index} text={`${isSelected ? theme.paint('heading', `${theme.marks.selected} `) : '  '}${line}`} />
        );
      })}
    </Box>
  );
}
