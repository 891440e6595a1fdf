/** The names of the views; the one that is shown is in brackets. */
import stringWidth from 'string-width';
import type { ReactElement } from 'react';
import { cell } from '../tone.ts';
import { CellLine } from './line.tsx';
import { views, type View } from './live-state.ts';
import type { Theme } from './theme.ts';

export interface TabBarProps {
  readonly shown: View;
  readonly findings: number | undefined;
  readonly changes: number;
  /** Such as `of node-a`. */
  readonly place: string;
  /** Such as `1-12 of 40`, where not all fits. */
  readonly position: string;
  readonly width: number;
  readonly theme: Theme;
}

export function TabBar({ shown, findings, changes, place, position, width, theme }: TabBarProps): ReactElement {
  const counts: Readonly<Partial<Record<View, number | undefined>>> = { findings, timeline: changes === 0 ? undefined : changes };
  const title = (view: View, isShort: boolean): string => `${isShort ? '' : `${String(views.indexOf(view) + 1)} `}${view}${counts[view] === undefined ? '' : ` (${String(counts[view])})`}`;
  const widthOf = (isShort: boolean): number => views.reduce((sum, view) => sum + stringWidth(title(view, isShort)) + 2, 0);
  const isShort = widthOf(false) + stringWidth(place) + stringWidth(position) + 2 > width;
  const cells = views.map((view) => (view === shown ? cell(`[${title(view, isShort)}]`, 'heading') : cell(` ${title(view, isShort)} `, 'dim')));
  return <CellLine cells={[...cells, cell(` ${place} `), cell(position, 'dim')]} theme={theme} />;
}
