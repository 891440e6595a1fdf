/** The names of the views; the one that is shown is in brackets. */
import stringWidth from 'string-width';
import type { ReactElement } from 'react';
import { cell, type Cell } from '../tables/tone.ts';
import { CellLine } from './line.tsx';
import { views, type View } from './state/live-state.ts';
import type { Theme } from './state/theme.ts';

export interface TabBarProps {
  readonly shown: View;
  /** How many; `?` where that is not known. */
  readonly findings: string | undefined;
  readonly changes: number;
  /** Whose rows are shown. */
  readonly node: string | undefined;
  /** The words that rows have to have; empty for all. */
  readonly filter: string;
  /** The rows that are shown, where not all fit. */
  readonly position: { readonly from: number; readonly to: number; readonly of: number } | undefined;
  readonly width: number;
  readonly theme: Theme;
}

export function TabBar({ shown, findings, changes, node, filter, position, width, theme }: TabBarProps): ReactElement {
  const counts: Readonly<Partial<Record<View, string | number | undefined>>> = {
    findings,
    timeline: changes === 0 ? undefined : changes,
  };
  const count = (view: View): string => (counts[view] === undefined ? '' : `(${String(counts[view])})`);
  const whereTexts = ({ of, outOf }: { readonly of: string; readonly outOf: string }): readonly [string, string] => [
    `${node === undefined ? '' : `${of}${node}`}${filter === '' ? '' : ` /${filter}`}`.trim(),
    position === undefined ? '' : `${String(position.from)}-${String(position.to)}${outOf}${String(position.of)}`,
  ];
  const [place, range] = whereTexts({ of: 'of ', outOf: ' of ' });
  const long = views.map((view, index) => `${String(index + 1)} ${view}${count(view) === '' ? '' : ` ${count(view)}`}`);
  const isShort =
    long.reduce((sum, title) => sum + stringWidth(title) + 2, 0) + stringWidth(place) + stringWidth(range) + 2 > width;
  const titles = isShort ? views.map((view) => `${view}${count(view)}`) : long;
  // Where there is little room, the brackets take the place of the blanks.
  const cells = titles.flatMap((title, index): Cell[] => {
    const isShown = views[index] === shown;
    if (!isShort) return [isShown ? cell(`[${title}]`, 'heading') : cell(` ${title} `, 'dim')];
    const isNext = views[index - 1] === shown;
    return [
      cell(isShown ? '' : index === 0 || isNext ? '' : ' '),
      isShown ? cell(`[${title}]`, 'heading') : cell(title, 'dim'),
    ];
  });
  const where = isShort ? whereTexts({ of: '', outOf: '/' }) : [place, range];
  return <CellLine cells={[...cells, cell(` ${where[0] ?? ''} `), cell(where[1] ?? '', 'dim')]} theme={theme} />;
}
