/** Keys to named actions. */
import type { Key } from 'ink';
import { tabs, type LiveAction } from './live-state.ts';

/** What a key asks for; scrolling is by lines or by half a pane, whose size the view knows. */
export type KeyAction = Exclude<LiveAction, { type: 'event' | 'tick' | 'scrollBy' }> | { readonly type: 'scrollLines'; readonly lines: number } | { readonly type: 'scrollPanes'; readonly panes: number } | { readonly type: 'quit' };

export const keyHelp: readonly (readonly [string, string])[] = [
  ['↑ ↓ or k j', 'choose a node'],
  ['Home End or g G', 'the first, the last node'],
  ['Tab, ← →, or 1 2 3 4', 'DNAT targets, rules, conntrack, findings'],
  ['PgUp PgDn, or b and space', 'scroll the lower pane'],
  ['K J', 'scroll it by a line'],
  ['?', 'this help'],
  ['q, Esc or Ctrl-C', 'quit'],
];

type Pressed = Pick<Key, 'upArrow' | 'downArrow' | 'leftArrow' | 'rightArrow' | 'pageUp' | 'pageDown' | 'home' | 'end' | 'tab' | 'shift' | 'escape' | 'ctrl'>;

/** A key after Esc may arrive as Alt and that key; it means the same. */
export function actionOf(input: string, key: Pressed, isHelpOpen: boolean): KeyAction | undefined {
  if ((key.ctrl && input === 'c') || input === 'q') return { type: 'quit' };
  if (input === '?') return { type: 'toggleHelp' };
  if (key.escape) return isHelpOpen ? { type: 'closeHelp' } : { type: 'quit' };
  if (key.upArrow || input === 'k') return { type: 'selectBy', nodes: -1 };
  if (key.downArrow || input === 'j') return { type: 'selectBy', nodes: 1 };
  if (key.home || input === 'g') return { type: 'selectFirst' };
  if (key.end || input === 'G') return { type: 'selectLast' };
  if ((key.tab && key.shift) || key.leftArrow || input === 'h') return { type: 'turnTabs', by: -1 };
  if (key.tab || key.rightArrow || input === 'l') return { type: 'turnTabs', by: 1 };
  if (key.pageDown || input === ' ') return { type: 'scrollPanes', panes: 1 };
  if (key.pageUp || input === 'b') return { type: 'scrollPanes', panes: -1 };
  if (input === 'J') return { type: 'scrollLines', lines: 1 };
  if (input === 'K') return { type: 'scrollLines', lines: -1 };
  const tab = tabs[Number(input) - 1];
  return tab === undefined ? undefined : { type: 'showTab', tab };
}
