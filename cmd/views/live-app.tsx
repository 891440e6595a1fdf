/** The live view with its source and its keys. */
import { useApp, useInput, useWindowSize } from 'ink';
import { useEffect, useMemo, useReducer, useRef, type ReactElement } from 'react';
import type { TraceSource } from '../sources/source.ts';
import type { Body, RowMeaning } from './bodies/body.ts';
import { headerLines } from './header-lines.ts';
import { actionOf, pressesOf, type KeyAction, type Pressed } from './keys.ts';
import { layOut } from './layout.ts';
import { bodyWindow, LiveView, useBody } from './live-view.tsx';
import {
  initialState,
  openedInput,
  reduceLive,
  type Input,
  type LiveAction,
  type LiveStart,
  type LiveState,
} from './state/live-state.ts';
import { matchCommands } from './palette.ts';
import { createIntake } from './result-intake.ts';
import type { Theme } from './state/theme.ts';
import { visibleSource } from './visible-source.ts';
import { reasonOf } from '../cli/one-line.ts';

export interface LiveAppProps {
  readonly source: TraceSource;
  readonly theme: Theme;
  /** Puts a text on the clipboard. */
  readonly copy: (text: string) => void;
  readonly start?: LiveStart;
}

export function LiveApp({ source: given, theme, copy, start }: LiveAppProps): ReactElement {
  const source = useMemo(() => visibleSource(given), [given]);
  const { exit } = useApp();
  const size = useWindowSize();
  const [state, dispatch] = useReducer(reduceLive, source.origin, (origin) => initialState(origin, Date.now(), start));
  const body = useBody(state, size, theme);
  const header = headerLines(state, theme, size.columns);

  useEffect(() => {
    const stop = new AbortController();
    const take = createIntake((event, comparison) => {
      dispatch({ type: 'event', event, at: Date.now(), ...(comparison === undefined ? {} : { comparison }) });
    }, stop.signal);
    source
      .follow(take, stop.signal)
      // What going on has no sense for is told on the plain terminal.
      .catch((error: unknown) => {
        if (!stop.signal.aborted) exit(error instanceof Error ? error : new Error(String(error)));
      });
    const clock = setInterval(() => {
      dispatch({ type: 'tick', at: Date.now() });
    }, 1000);
    return () => {
      clearInterval(clock);
      stop.abort();
    };
  }, [source, exit]);

  // Logs are read from the time on when somebody looks at them.
  const attempt = state.logs?.attempt;
  useEffect(() => {
    if (attempt === undefined) return undefined;
    if (source.logs === undefined) {
      dispatch({ type: 'logs', event: { kind: 'absent', reason: `this is ${source.origin}` } });
      return undefined;
    }
    const stop = new AbortController();
    source
      .logs((event) => {
        if (!stop.signal.aborted) dispatch({ type: 'logs', event });
      }, stop.signal)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) dispatch({ type: 'logs', event: { kind: 'failed', reason: textOf(error) } });
      });
    return () => {
      stop.abort();
    };
  }, [source, attempt]);

  /** Tells what becomes of a wish that takes its time. */
  const wish = (doing: string, promise: Promise<string>): void => {
    dispatch({ type: 'say', text: doing });
    promise.then(
      (text) => {
        dispatch({ type: 'say', text });
      },
      (error: unknown) => {
        // Loaded where it is needed: the first frame does not wait for it.
        void import('../cluster/explain-error.ts').then(({ explainError }) => {
          dispatch({ type: 'say', text: textOf(explainError(error)) });
        });
      },
    );
  };

  const act = (action: KeyAction): void => {
    const { bodyRows } = layOut(size, state, header.length);
    const { rows, cursor } = bodyWindow(state, body, bodyRows);
    const row = cursor === undefined ? undefined : body.meaning?.(cursor);
    switch (action.type) {
      case 'quit':
        exit();
        return;
      case 'leave':
        leave(state, dispatch, exit);
        return;
      case 'copy': {
        const text = row === undefined ? state.selectedNode : row.copy;
        if (text === undefined || text === '') {
          dispatch({ type: 'say', text: 'nothing to copy in this row' });
          return;
        }
        copy(text);
        dispatch({ type: 'say', text: `copied: ${text}` });
        return;
      }
      case 'save':
        if (source.save === undefined) dispatch({ type: 'say', text: `nothing to save: this is ${state.origin}` });
        else
          wish(
            'saving a bundle…',
            source.save().then((file) => `saved to ${file}; show it with --bundle ${file}`),
          );
        return;
      case 'open':
        open(row, state, dispatch);
        return;
      case 'foldRow':
        if (row?.fold !== undefined) dispatch({ type: 'fold', key: row.fold });
        return;
      case 'foldEverything':
        if (body.foldable !== undefined) dispatch({ type: 'foldAll', keys: body.foldable });
        return;
      default:
        move(action, state, body, rows, dispatch);
    }
  };

  const take = (input: Input): void => {
    dispatch({ type: 'closeInput', isKept: true });
    if (input.kind === 'command') {
      const command = matchCommands(state, input.text)[input.chosen];
      if (command !== undefined) act(command.action);
    }
    if (input.kind === 'client' && input.text !== '') {
      if (source.walkFrom === undefined)
        dispatch({ type: 'say', text: `a packet cannot be walked: this is ${state.origin}` });
      else {
        dispatch({ type: 'show', view: 'walk' });
        wish(
          `walking the packet of ${input.text}…`,
          source.walkFrom(input.text).then(() => `the packet of ${input.text}`),
        );
      }
    }
  };

  // Keys that come in one piece are handled before the state of the first is rendered.
  const line = useRef(state.input);
  line.current = state.input;
  useInput((all, allKeys) => {
    for (const { text, key } of pressesOf(all, allKeys)) {
      const typing = line.current;
      if (typing !== undefined) {
        line.current = typeKey(typing, text, key, {
          dispatch,
          take,
          offered: () => matchCommands(state, typing.text).length,
          quit: exit,
        });
        continue;
      }
      const action = actionOf(text, key, state);
      if (action !== undefined) act(action);
      // What comes after the key that opens a line is typed into it.
      if (action?.type === 'openInput') line.current = openedInput(state, action.kind);
    }
  });

  return <LiveView state={state} size={size} theme={theme} header={header} body={body} />;
}

function textOf(error: unknown): string {
  return reasonOf(error);
}

type Dispatch = (action: LiveAction) => void;

/** Esc undoes one thing at a time: the filter, then the view, and at last it quits. */
function leave(state: LiveState, dispatch: Dispatch, quit: () => void): void {
  if (state.filters[state.view] !== undefined) {
    dispatch({ type: 'openInput', kind: 'filter' });
    dispatch({ type: 'closeInput', isKept: false });
  } else if (state.visited.length > 0) dispatch({ type: 'goBack' });
  else quit();
}

function open(row: RowMeaning | undefined, state: LiveState, dispatch: Dispatch): void {
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

/** In the path, rows are nodes, and pages are those of the pane below. */
function move(
  action: Exclude<KeyAction, { type: 'quit' | 'leave' | 'copy' | 'save' | 'open' | 'foldRow' | 'foldEverything' }>,
  state: LiveState,
  body: Body,
  rows: number,
  dispatch: Dispatch,
): void {
  const isPath = state.view === 'path';
  const page = Math.max(1, rows - 1);
  const lastLine = Math.max(0, body.count - rows);
  const lastRow = body.meaning === undefined ? lastLine : Math.max(0, body.count - 1);
  switch (action.type) {
    case 'move':
      dispatch(
        isPath ? { type: 'selectBy', nodes: action.rows } : { type: 'moveCursor', by: action.rows, last: lastRow },
      );
      return;
    case 'movePanes':
      dispatch(
        isPath
          ? { type: 'scrollBy', lines: action.panes * page, last: lastLine }
          : { type: 'moveCursor', by: action.panes * page, last: lastRow },
      );
      return;
    case 'moveToEnd':
      if (isPath) dispatch({ type: action.end === 'first' ? 'selectFirst' : 'selectLast' });
      else if (state.view === 'logs' && action.end === 'last') dispatch({ type: 'setTail', isOn: true, last: lastRow });
      else dispatch({ type: 'setCursor', row: action.end === 'first' ? 0 : lastRow });
      return;
    case 'toggleTail':
      dispatch({ type: 'setTail', isOn: state.logs?.isTailing !== true, last: lastRow });
      return;
    case 'retryLogs':
      dispatch({ type: 'logs', event: { kind: 'retried' } });
      return;
    case 'scroll':
      dispatch(
        isPath
          ? { type: 'scrollBy', lines: action.lines, last: lastLine }
          : { type: 'moveCursor', by: action.lines, last: lastRow },
      );
      return;
    case 'scrollPanes':
      dispatch({ type: 'scrollBy', lines: action.panes * page, last: lastLine });
      return;
    default:
      dispatch(action);
  }
}

/** The line as it is after the key; undefined where it is closed. */
function typeKey(
  input: Input,
  text: string,
  key: Pressed,
  {
    dispatch,
    take,
    offered,
    quit,
  }: { dispatch: Dispatch; take: (input: Input) => void; offered: () => number; quit: () => void },
): Input | undefined {
  const type = (typed: string, chosen = 0): Input => {
    dispatch({ type: 'type', text: typed, chosen });
    return { ...input, text: typed, chosen };
  };
  const close = (): undefined => {
    dispatch({ type: 'closeInput', isKept: false });
  };
  if (key.ctrl && text === 'c') {
    quit();
    return undefined;
  }
  if (key.escape) return close();
  if (key.return) {
    take(input);
    return undefined;
  }
  if (key.upArrow || key.downArrow || key.tab) {
    const by = key.upArrow || (key.tab && key.shift) ? -1 : 1;
    return input.kind === 'command' ? type(input.text, Math.max(0, Math.min(input.chosen + by, offered() - 1))) : input;
  }
  if (key.backspace || key.delete) return input.text === '' ? close() : type([...input.text].slice(0, -1).join(''));
  if (key.ctrl && text === 'u') return type('');
  return text !== '' && !key.ctrl ? type(input.text + text.replace(/\p{Cc}/gu, '')) : input;
}
