/** The live view with its source and its keys. */
import { useApp, useInput, useWindowSize } from 'ink';
import { useMemo, useReducer, useRef, type Dispatch, type ReactElement } from 'react';
import type { TraceSource } from '../sources/source.ts';
import { headerLines } from './header-lines.ts';
import { actionOf, pressesOf } from './keys.ts';
import { layOut } from './layout.ts';
import { bodyWindow, LiveView, useBody } from './live-view.tsx';
import { matchCommands } from './palette.ts';
import { perform, performInput, type Stage } from './perform.ts';
import {
  initialState,
  openedInput,
  reduceLive,
  type LiveAction,
  type LiveStart,
  type LiveState,
} from './state/live-state.ts';
import type { Theme } from './state/theme.ts';
import { typeKey } from './typing.ts';
import { useLogs, useTrace } from './use-source.ts';
import { visibleSource } from './visible-source.ts';

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

  useTrace(source, dispatch, exit);
  useLogs(source, state.logs?.attempt, dispatch);
  useKeys(state, dispatch, exit, () => {
    const { rows, cursor } = bodyWindow(state, body, layOut(size, state, header.length).bodyRows);
    const row = cursor === undefined ? undefined : body.meaning?.(cursor);
    return { source, state, dispatch, body, rows, row, copy, quit: exit };
  });
  return <LiveView state={state} size={size} theme={theme} header={header} body={body} />;
}

/**
 * Each key is an action, or goes into the line that is typed.
 * @param stage worked out for an action, not for each frame
 */
function useKeys(state: LiveState, dispatch: Dispatch<LiveAction>, quit: () => void, stage: () => Stage): void {
  // Keys that come in one piece are handled before the state of the first is rendered.
  const line = useRef(state.input);
  line.current = state.input;
  useInput((all, allKeys) => {
    for (const { text, key } of pressesOf(all, allKeys)) {
      const typing = line.current;
      if (typing !== undefined) {
        line.current = typeKey(typing, text, key, {
          dispatch,
          take: (input) => {
            performInput(input, stage());
          },
          offered: () => matchCommands(state, typing.text).length,
          quit,
        });
        continue;
      }
      const action = actionOf(text, key, state);
      if (action !== undefined) perform(action, stage());
      // What comes after the key that opens a line is typed into it.
      if (action?.type === 'openInput') line.current = openedInput(state, action.kind);
    }
  });
}
