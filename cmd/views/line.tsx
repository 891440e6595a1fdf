/** One line of the screen that never becomes two. */
import { Text } from 'ink';
import type { ReactElement } from 'react';
import { ownLine } from '../../core/lib/visible.ts';
import { paintCell } from '../tables/paint.ts';
import type { Cell } from '../tables/tone.ts';
import type { Theme } from './state/theme.ts';

export function Line({ text }: { readonly text: string }): ReactElement {
  // An empty text would take no line.
  return <Text wrap="truncate-end">{text === '' ? ' ' : ownLine(text)}</Text>;
}

export function CellLine({ cells, theme }: { readonly cells: readonly Cell[]; readonly theme: Theme }): ReactElement {
  return <Line text={cells.map((each) => paintCell(theme.paint, each)).join('')} />;
}
