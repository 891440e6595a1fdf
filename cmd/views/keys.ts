/** Keys to named actions. */
import type { Key } from 'ink';
import { views, type LiveAction, type View } from './state/live-state.ts';

/** What a key asks for of the view, which knows how far a page goes, and what a row means. */
export type ViewAction =
  | { readonly type: 'move'; readonly rows: number }
  | { readonly type: 'movePanes'; readonly panes: number }
  | { readonly type: 'moveToEnd'; readonly end: 'first' | 'last' }
  | { readonly type: 'scroll'; readonly lines: number }
  | { readonly type: 'scrollPanes'; readonly panes: number }
  | { readonly type: 'open' }
  | { readonly type: 'foldRow' }
  | { readonly type: 'foldEverything' }
  | { readonly type: 'toggleTail' }
  | { readonly type: 'retryLogs' }
  | { readonly type: 'copy' }
  | { readonly type: 'save' }
  | { readonly type: 'leave' }
  | { readonly type: 'quit' };

/** What a key asks for. */
export type KeyAction =
  | Exclude<
      LiveAction,
      {
        type:
          'event' | 'tick' | 'scrollBy' | 'moveCursor' | 'setCursor' | 'type' | 'fold' | 'foldAll' | 'logs' | 'setTail';
      }
    >
  | ViewAction;

/** In the order of the help. */
export const keyHelp: readonly (readonly [string, string])[] = [
  ['1 … 8, Tab, ← →', 'path, nodes, rules, conntrack, findings, timeline, walk, logs'],
  ['↑ ↓, k j, wheel', 'choose a row; in the path: a node'],
  ['g G, Home End', 'the first, the last'],
  ['PgUp PgDn, b f', 'a page; in the path: of the lower pane'],
  ['[ ]', 'the node before, the next node'],
  ['Enter', 'open: the node, the finding, the chain that a rule jumps to'],
  ['Space, z', 'fold a chain or finding; all of them'],
  ['x', "rules, walk, timeline: show or hide the chosen row's pane"],
  ['/', 'filter rows'],
  [':', 'command palette: every command by its name'],
  ['o O p', 'nodes: sort by the next column, reverse, group by program'],
  ['e', 'conntrack: one row for each backend'],
  ['c', 'walk: choose the client whose packet is followed'],
  ['f r', 'logs: follow the newest line, or stay; try again'],
  ['y', 'copy the row: rule, command (OSC 52)'],
  ['s', 'save what is seen to a bundle'],
  ['Esc', 'back'],
  ['?', 'this help'],
  ['q, Ctrl-C', 'quit'],
];

export type Pressed = Pick<
  Key,
  | 'upArrow'
  | 'downArrow'
  | 'leftArrow'
  | 'rightArrow'
  | 'pageUp'
  | 'pageDown'
  | 'home'
  | 'end'
  | 'tab'
  | 'shift'
  | 'escape'
  | 'ctrl'
  | 'return'
  | 'backspace'
  | 'delete'
>;

const noKey: Pressed = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageUp: false,
  pageDown: false,
  home: false,
  end: false,
  tab: false,
  shift: false,
  escape: false,
  ctrl: false,
  return: false,
  backspace: false,
  delete: false,
};
const controls: ReadonlyMap<string, Partial<Pressed>> = new Map([
  ['\r', { return: true }],
  ['\n', { return: true }],
  ['\t', { tab: true }],
  ['\u007f', { backspace: true }],
  ['\b', { backspace: true }],
]);

/** Keys that are pressed fast, over a slow line, or pasted, arrive in one piece: one after the other, as they were pressed. */
export function pressesOf(text: string, key: Pressed): readonly { readonly text: string; readonly key: Pressed }[] {
  const letters = [...text];
  if (letters.length < 2 || key.ctrl || key.escape) return [{ text, key }];
  return letters.map((letter) => {
    const control = controls.get(letter);
    return control === undefined ? { text: letter, key: noKey } : { text: '', key: { ...noKey, ...control } };
  });
}

/** Keys that write something, the same in every view. */
const common: readonly (readonly [string, KeyAction])[] = [
  ['k', { type: 'move', rows: -1 }],
  ['j', { type: 'move', rows: 1 }],
  ['g', { type: 'moveToEnd', end: 'first' }],
  ['G', { type: 'moveToEnd', end: 'last' }],
  ['h', { type: 'turn', by: -1 }],
  ['l', { type: 'turn', by: 1 }],
  ['f', { type: 'movePanes', panes: 1 }],
  ['b', { type: 'movePanes', panes: -1 }],
  ['J', { type: 'scroll', lines: 1 }],
  ['K', { type: 'scroll', lines: -1 }],
  [']', { type: 'selectBy', nodes: 1 }],
  ['[', { type: 'selectBy', nodes: -1 }],
  [' ', { type: 'foldRow' }],
  ['z', { type: 'foldEverything' }],
  ['/', { type: 'openInput', kind: 'filter' }],
  [':', { type: 'openInput', kind: 'command' }],
  ['c', { type: 'openInput', kind: 'client' }],
  ['x', { type: 'toggleExplanation' }],
  ['y', { type: 'copy' }],
  ['s', { type: 'save' }],
  ...views.map((view, index) => [String(index + 1), { type: 'show', view }] as const),
];

/** Those of one view; they come before the common ones. */
const ofView: Partial<Readonly<Record<View, readonly (readonly [string, KeyAction])[]>>> = {
  path: [[' ', { type: 'scrollPanes', panes: 1 }]],
  nodes: [
    ['o', { type: 'sortNext' }],
    ['O', { type: 'reverse' }],
    ['p', { type: 'toggleGrouping' }],
  ],
  conntrack: [['e', { type: 'toggleByBackend' }]],
  logs: [
    ['f', { type: 'toggleTail' }],
    ['r', { type: 'retryLogs' }],
  ],
};

const letters: ReadonlyMap<View, ReadonlyMap<string, KeyAction>> = new Map(
  views.map((view) => [view, new Map([...common, ...(ofView[view] ?? [])])]),
);

/** Keys that write nothing. */
const named: readonly (readonly [keyof Pressed, KeyAction])[] = [
  ['upArrow', { type: 'move', rows: -1 }],
  ['downArrow', { type: 'move', rows: 1 }],
  ['home', { type: 'moveToEnd', end: 'first' }],
  ['end', { type: 'moveToEnd', end: 'last' }],
  ['leftArrow', { type: 'turn', by: -1 }],
  ['tab', { type: 'turn', by: 1 }],
  ['rightArrow', { type: 'turn', by: 1 }],
  ['pageDown', { type: 'movePanes', panes: 1 }],
  ['pageUp', { type: 'movePanes', panes: -1 }],
  ['return', { type: 'open' }],
];

/** A key after Esc may arrive as Alt and that key; it means the same. */
export function actionOf(
  input: string,
  key: Pressed,
  { isHelpOpen, view }: { readonly isHelpOpen: boolean; readonly view: View },
): KeyAction | undefined {
  if ((key.ctrl && input === 'c') || input === 'q') return { type: 'quit' };
  if (input === '?') return { type: 'toggleHelp' };
  if (key.escape) return isHelpOpen ? { type: 'closeHelp' } : { type: 'leave' };
  if (key.tab && key.shift) return { type: 'turn', by: -1 };
  return letters.get(view)?.get(input) ?? named.find(([name]) => key[name])?.[1];
}

/** The keys of the footer, the most useful first. */
export function footerOf(view: View): string {
  const own: Readonly<Record<View, string>> = {
    path: '↑↓ node  Enter its rules',
    nodes: '↑↓ row  Enter its path  o sort  p group',
    rules: '↑↓ row  Enter follow  x explain  [ ] node',
    conntrack: '↑↓ row  e by backend  [ ] node',
    findings: '↑↓ row  Enter open  y copy command',
    timeline: '↑↓ row  Enter its node',
    walk: 'c client  ↑↓ step  x explain  y copy',
    logs: '↑↓ line  Enter whole  f follow  y copy',
  };
  return `${own[view]}  / filter  : commands  ? help  q quit`;
}
