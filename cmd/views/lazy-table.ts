/** A table of any length of which only the shown rows are painted: the widths come from all rows, the text from the window. */
import stringWidth from 'string-width';
import { printColumns, type Column } from '../printers/columns.ts';
import type { Paint } from '../printers/paint.ts';
import { cell, type Cell } from '../tone.ts';

export interface LazyTable {
  readonly title: string;
  readonly line: (index: number) => string;
}

/** @param rows cells of all rows; making cells is cheap, measuring and painting them is not */
export function lazyTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], options: { readonly width: number; readonly paint: Paint; readonly indent?: number }): LazyTable {
  // One row that is as wide as the widest of each column gives every row the same columns.
  const widest = columns.map(({ title }, column) => {
    let best = title;
    let length = title.length;
    for (const row of rows) {
      const text = row[column]?.text ?? '';
      if (text.length > length) [best, length] = [text, text.length];
    }
    return cell('x'.repeat(Math.max(stringWidth(best), 1)));
  });
  const lines = (row: readonly Cell[]): string[] => printColumns(columns, [widest, row], options);
  return {
    title: lines([])[0] ?? '',
    line: (index) => lines(rows[index] ?? [])[2] ?? '',
  };
}
