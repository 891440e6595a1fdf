/** A table of any length of which only the shown rows are painted: the widths come from all rows, the text from the window. */
import stringWidth from 'string-width';
import { printColumns, type Column } from '../../tables/columns.ts';
import type { Paint } from '../../tables/paint.ts';
import { cell, type Cell } from '../../tables/tone.ts';

export interface LazyTable {
  readonly title: string;
  readonly line: (index: number) => string;
}

/** Rows of which the cells are made when they are painted. */
export interface LazyRows {
  readonly cells: (index: number) => readonly Cell[];
  /** Of each column, the characters of its widest cell. */
  readonly widths: readonly number[];
}

export interface LazyTableOptions {
  readonly width: number;
  readonly paint: Paint;
  readonly indent?: number;
}

export function lazyTable(columns: readonly Column[], rows: LazyRows, options: LazyTableOptions): LazyTable {
  // One row that is as wide as the widest of each column gives every row the same columns.
  const widest = columns.map(({ title }, column) =>
    cell('x'.repeat(Math.max(stringWidth(title), rows.widths[column] ?? 0, 1))),
  );
  const lines = (row: readonly Cell[]): string[] => printColumns(columns, [widest, row], options);
  return {
    title: lines([])[0] ?? '',
    line: (index) => lines(rows.cells(index))[2] ?? '',
  };
}

/** Widths that grow by the lengths of what would be in the cells: of rows by the thousand, only those that are seen are made. */
export interface Widths {
  readonly widths: readonly number[];
  readonly widen: (column: number, length: number) => void;
}

export function growingWidths(columns: readonly Column[]): Widths {
  const widths = columns.map(() => 1);
  return {
    widths,
    widen: (column, length) => {
      if (length > (widths[column] ?? 0)) widths[column] = length;
    },
  };
}

/** Of rows whose cells are there already: making cells is cheap, measuring and painting them is not. */
export function lazyRows(columns: readonly Column[], rows: readonly (readonly Cell[])[]): LazyRows {
  const widths = columns.map((_, column) => {
    let best = '';
    for (const row of rows) {
      const text = row[column]?.text ?? '';
      if (text.length > best.length) best = text;
    }
    return stringWidth(best);
  });
  return { cells: (index) => rows[index] ?? [], widths };
}
