/** The names of the tabs; the one that is shown is in brackets. */
import type { ReactElement } from 'react';
import { CellLine } from './line.tsx';
import { tabs, type Tab } from './live-state.ts';
import type { Theme } from './theme.ts';
import { cell } from '../tone.ts';

export interface TabBarProps {
  readonly shown: Tab;
  readonly node: string | undefined;
  readonly findings: number | undefined;
  /** Such as `1-12 of 40`, where not all fits. */
  readonly position: string;
  readonly theme: Theme;
}

export function TabBar({ shown, node, findings, position, theme }: TabBarProps): ReactElement {
  const titles: Readonly<Record<Tab, string>> = { targets: 'DNAT targets', rules: 'Rules', conntrack: 'Conntrack', findings: `Findings${findings === undefined ? '' : ` (${findings})`}` };
  const cells = tabs.map((tab, index) => (tab === shown ? cell(`[${index + 1} ${titles[tab]}] `, 'heading') : cell(` ${index + 1} ${titles[tab]}  `, 'dim')));
  const place = shown === 'findings' || node === undefined ? '' : `of ${node}  `;
  return <CellLine cells={[...cells, cell(place), cell(position, 'dim')]} theme={theme} />;
}
