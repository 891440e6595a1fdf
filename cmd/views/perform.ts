/** What keys and commands ask for, done: a table by action. */
import type { Dispatch } from 'react';
import { byKind, type ByKind } from '../../core/lib/by-kind.ts';
import { reasonOf } from '../cli/one-line.ts';
import { originText } from '../sources/origin.ts';
import type { TraceSource } from '../sources/source.ts';
import type { Body, RowMeaning } from './bodies/body.ts';
import type { KeyAction, ViewAction } from './keys.ts';
import type { Input, LiveAction, LiveState } from './state/live-state.ts';
import { matchCommands } from './palette.ts';

/** What is on the screen, and what an action may reach. */
export interface Stage {
  readonly source: TraceSource;
  readonly state: LiveState;
  readonly dispatch: Dispatch<LiveAction>;
  readonly body: Body;
  /** Of the body that are visible. */
  readonly rows: number;
  /** Of the row at the cursor. */
  readonly row: RowMeaning | undefined;
  /** Puts a text on the clipboard. */
  readonly copy: (text: string) => void;
  readonly quit: () => void;
}

export function perform(action: KeyAction, stage: Stage): void {
  if (isViewAction(action)) byKind(actions, 'type', action, stage);
  else stage.dispatch(action);
}

/** What the line that was typed asks for. */
export function performInput(input: Input, stage: Stage): void {
  const { state, dispatch } = stage;
  dispatch({ type: 'closeInput', isKept: true });
  if (input.kind === 'command') {
    const command = matchCommands(state, input.text)[input.chosen];
    if (command !== undefined) perform(command.action, stage);
  }
  if (input.kind === 'client' && input.text !== '') walkFrom(input.text, stage);
}

const actions: ByKind<'type', ViewAction, [Stage], void> = {
  quit: (_, { quit }) => {
    quit();
  },
  leave: (_, stage) => {
    leave(stage);
  },
  copy: (_, stage) => {
    copyRow(stage);
  },
  save: (_, stage) => {
    save(stage);
  },
  open: (_, stage) => {
    open(stage);
  },
  foldRow: (_, { row, dispatch }) => {
    if (row?.fold !== undefined) dispatch({ type: 'fold', key: row.fold });
  },
  foldEverything: (_, { body, dispatch }) => {
    if (body.foldable !== undefined) dispatch({ type: 'foldAll', keys: body.foldable });
  },
  // In the path, rows are nodes, and pages are those of the pane below.
  move: ({ rows }, { state, body, rows: visible, dispatch }) => {
    if (state.view === 'path') dispatch({ type: 'selectBy', nodes: rows });
    else dispatch({ type: 'moveCursor', by: rows, last: lastRow(body, visible) });
  },
  movePanes: ({ panes }, { state, body, rows, dispatch }) => {
    if (state.view === 'path') dispatch({ type: 'scrollBy', lines: panes * page(rows), last: lastLine(body, rows) });
    else dispatch({ type: 'moveCursor', by: panes * page(rows), last: lastRow(body, rows) });
  },
  moveToEnd: ({ end }, { state, body, rows, dispatch }) => {
    if (state.view === 'path') dispatch({ type: end === 'first' ? 'selectFirst' : 'selectLast' });
    else if (state.view === 'logs' && end === 'last')
      dispatch({ type: 'setTail', isOn: true, last: lastRow(body, rows) });
    else dispatch({ type: 'setCursor', row: end === 'first' ? 0 : lastRow(body, rows) });
  },
  scroll: ({ lines }, { state, body, rows, dispatch }) => {
    if (state.view === 'path') dispatch({ type: 'scrollBy', lines, last: lastLine(body, rows) });
    else dispatch({ type: 'moveCursor', by: lines, last: lastRow(body, rows) });
  },
  scrollPanes: ({ panes }, { body, rows, dispatch }) => {
    dispatch({ type: 'scrollBy', lines: panes * page(rows), last: lastLine(body, rows) });
  },
  toggleTail: (_, { state, body, rows, dispatch }) => {
    dispatch({ type: 'setTail', isOn: state.logs?.isTailing !== true, last: lastRow(body, rows) });
  },
  retryLogs: (_, { dispatch }) => {
    dispatch({ type: 'logs', event: { kind: 'retried' } });
  },
};

function isViewAction(action: KeyAction): action is ViewAction {
  return Object.hasOwn(actions, action.type);
}

function page(rows: number): number {
  return Math.max(1, rows - 1);
}

/** The greatest first line that still fills the pane. */
function lastLine(body: Body, rows: number): number {
  return Math.max(0, body.count - rows);
}

function lastRow(body: Body, rows: number): number {
  return body.meaning === undefined ? lastLine(body, rows) : Math.max(0, body.count - 1);
}

/** Undoes one thing at a time: the filter, then the view, and at last it quits. */
function leave({ state, dispatch, quit }: Stage): void {
  if (state.filters[state.view] !== undefined) {
    dispatch({ type: 'openInput', kind: 'filter' });
    dispatch({ type: 'closeInput', isKept: false });
  } else if (state.visited.length > 0) dispatch({ type: 'goBack' });
  else quit();
}

function copyRow({ row, state, dispatch, copy }: Stage): void {
  const text = row === undefined ? state.selectedNode : row.copy;
  if (text === undefined || text === '') {
    dispatch({ type: 'say', text: 'nothing to copy in this row' });
    return;
  }
  copy(text);
  dispatch({ type: 'say', text: `copied: ${text}` });
}

function save({ source, state, dispatch }: Stage): void {
  if (source.save === undefined)
    dispatch({ type: 'say', text: `nothing to save: this is ${originText(state.origin)}` });
  else
    sayResult(
      'saving a bundle…',
      source.save().then((file) => `saved to ${file}; show it with --bundle ${file}`),
      dispatch,
    );
}

function walkFrom(client: string, { source, state, dispatch }: Stage): void {
  if (source.walkFrom === undefined)
    dispatch({ type: 'say', text: `a packet cannot be walked: this is ${originText(state.origin)}` });
  else {
    dispatch({ type: 'show', view: 'walk' });
    sayResult(
      `walking the packet of ${client}…`,
      source.walkFrom(client).then(() => `the packet of ${client}`),
      dispatch,
    );
  }
}

function open({ row, state, dispatch }: Stage): void {
  if (state.view === 'path') dispatch({ type: 'show', view: 'rules' });
  switch (row?.open?.kind) {
    case 'node':
      dispatch({ type: 'selectNode', node: row.open.node });
      dispatch({ type: 'show', view: 'path' });
      return;
    case 'row':
      dispatch({ type: 'setCursor', row: row.open.row });
      return;
    case 'fold':
      dispatch({ type: 'fold', key: row.open.key });
      return;
    case undefined:
  }
}

/** Shows the result of what takes its time, and until then what is done. */
function sayResult(doing: string, result: Promise<string>, dispatch: Dispatch<LiveAction>): void {
  dispatch({ type: 'say', text: doing });
  result.then(
    (text) => {
      dispatch({ type: 'say', text });
    },
    (error: unknown) => {
      // Loaded where it is needed: the first frame does not wait for it.
      void import('../cluster/explain-error.ts').then(({ explainError }) => {
        dispatch({ type: 'say', text: reasonOf(explainError(error)) });
      });
    },
  );
}
