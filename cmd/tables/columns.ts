/** Aligned columns that fit a width. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { cell, type Cell } from './tone.ts';
import { paintCell, type Paint } from './paint.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** May be cut to `least` characters where the row is too wide; the widest such column is cut first. */
  readonly least?: number;
  /** Where the cut is made; the end of a pod's name distinguishes more than its middle. */
  readonly cut?: 'middle' | 'end';
}

const gap = 2;

/** The lines of a table; `width` Infinity cuts nothing. */
export function printColumns(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, paint, indent = 0 }: { width: number; paint: Paint; indent?: number },
): string[] {
  const natural = columns.map(({ title }, index) =>
    Math.max(stringWidth(title), ...rows.map((row) => stringWidth(row[index]?.text ?? ''))),
  );
  const widths = fit(columns, natural, width - indent);
  const header = columns.map(({ title }) => cell(title, 'heading'));
  return [header, ...rows].map((row) => {
    const cells = columns.map((column, index) => {
      const own = row[index] ?? cell('');
      const room = widths[index] ?? 0;
      const text =
        stringWidth(own.text) > room ? cliTruncate(own.text, room, { position: column.cut ?? 'end' }) : own.text;
      const padding = ' '.repeat(Math.max(0, room - stringWidth(text)));
      const painted = paintCell(paint, { ...own, text });
      return column.align === 'right' ? padding + painted : painted + padding;
    });
    return ' '.repeat(indent) + cells.join(' '.repeat(gap)).trimEnd();
  });
}

/** Takes from the widest column that may shrink until the row fits, or nothing may shrink any more. */
function fit(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, each) => sum + each, 0) + gap * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    columns.forEach(({ least }, index) => {
      const own = widths[index] ?? 0;
      if (least !== undefined && own > least && own > (widths[widest] ?? -1)) widest = index;
    });
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Whether the table would fit without a cut beyond what its columns allow. */
export function fits(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): boolean {
  const least = columns.map(({ title, least: may }, index) => {
    const natural = Math.max(stringWidth(title), ...rows.map((row) => stringWidth(row[index]?.text ?? '')));
    return may === undefined ? natural : Math.min(natural, may);
  });
  return least.reduce((sum, each) => sum + each, 0) + gap * (columns.length - 1) <= width;
}
