/** The live view with its source and its keys. */
import { useApp, useInput, useWindowSize } from 'ink';
import { useEffect, useReducer, type ReactElement } from 'react';
import type { TraceSource } from '../source.ts';
import { actionOf } from './keys.ts';
import { headerLines } from './header-lines.ts';
import { layOut } from './layout.ts';
import { LiveView, useDetail } from './live-view.tsx';
import { initialState, reduceLive } from './live-state.ts';
import type { Theme } from './theme.ts';

export function LiveApp({ source, theme }: { readonly source: TraceSource; readonly theme: Theme }): ReactElement {
  const { exit } = useApp();
  const size = useWindowSize();
  const [state, dispatch] = useReducer(reduceLive, source.origin, (origin) => initialState(origin, Date.now()));
  const detail = useDetail(state, size, theme);
  const header = headerLines(state, theme, size.columns);

  useEffect(() => {
    const stop = new AbortController();
    source
      .follow((event) => { if (!stop.signal.aborted) dispatch({ type: 'event', event, at: Date.now() }); }, stop.signal)
      // What going on has no sense for is told on the plain terminal.
      .catch((error: unknown) => { if (!stop.signal.aborted) exit(error instanceof Error ? error : new Error(String(error))); });
    const clock = setInterval(() => { dispatch({ type: 'tick', at: Date.now() }); }, 1000);
    return () => {
      clearInterval(clock);
      stop.abort();
    };
  }, [source, exit]);

  useInput((input, key) => {
    const action = actionOf(input, key, state.isHelpOpen);
    if (action === undefined) return;
    const { detailRows: rows } = layOut(size, state, header.length);
    const last = Math.max(0, detail.length - rows);
    if (action.type === 'quit') exit();
    else if (action.type === 'scrollLines') dispatch({ type: 'scrollBy', lines: action.lines, last });
    else if (action.type === 'scrollPanes') dispatch({ type: 'scrollBy', lines: action.panes * Math.max(1, rows - 1), last });
    else dispatch(action);
  });

  return <LiveView state={state} size={size} theme={theme} header={header} detail={detail} />;
}
