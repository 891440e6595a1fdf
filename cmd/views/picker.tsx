/** Which Service? A list that is searched by typing, with each one's health at a glance. */
import { Box, useApp, useInput, useWindowSize } from 'ink';
import { useEffect, useMemo, useReducer, type ReactElement } from 'react';
import type { Column } from '../tables/columns.ts';
import { visible, visibleText } from '../../core/lib/visible.ts';
import { wrapped } from '../printers/wrapped.ts';
import { healthCell, type ServiceChoice } from './service-choices.ts';
import { cell } from '../tables/tone.ts';
import { lazyRows, lazyTable } from './state/lazy-table.ts';
import type { Size } from './layout.ts';
import { Line } from './line.tsx';
import { windowStart } from './state/live-state.ts';
import { matching, reducePicker, type ListedServices, type PickerState } from './picker-state.ts';
import type { Theme } from './state/theme.ts';
import { reasonOf } from '../cli/one-line.ts';

export interface PickerProps {
  readonly isEverywhere: boolean;
  /** Of all namespaces, or of the user's. */
  readonly list: (isEverywhere: boolean) => Promise<ListedServices>;
  /** Undefined where the user leaves. */
  readonly onChoice: (service: ServiceChoice | undefined) => void;
  readonly theme: Theme;
}

const refreshMilliseconds = 5000;

export function Picker({ isEverywhere, list, onChoice, theme }: PickerProps): ReactElement {
  const { exit } = useApp();
  const size = useWindowSize();
  const [state, dispatch] = useReducer(reducePicker, { typed: '', chosen: 0, isEverywhere });

  useEffect(() => {
    let isOver = false;
    const read = (): void => {
      list(state.isEverywhere).then(
        (listed) => {
          if (!isOver) dispatch({ type: 'listed', listed: visible(listed) });
        },
        (error: unknown) => {
          if (!isOver) dispatch({ type: 'failed', problem: visibleText(reasonOf(error)) });
        },
      );
    };
    read();
    const timer = setInterval(read, refreshMilliseconds);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [list, state.isEverywhere]);

  const leave = (service: ServiceChoice | undefined): void => {
    onChoice(service);
    exit();
  };
  useInput((text, key) => {
    // The letters and Enter may come in one piece.
    const [letters = '', ...after] = text.split(/[\r\n]/);
    if (after.length > 0 && letters !== '') {
      const service = matching({ ...state, typed: state.typed + letters.replace(/\p{Cc}/gu, '') })[0];
      if (service !== undefined) leave(service);
      else dispatch({ type: 'type', text: state.typed + letters });
      return;
    }
    if (key.ctrl && text === 'c') leave(undefined);
    else if (key.escape) {
      if (state.typed === '') leave(undefined);
      else dispatch({ type: 'type', text: '' });
    } else if (key.return) {
      const service = matching(state)[state.chosen];
      if (service !== undefined) leave(service);
    } else if (key.upArrow) dispatch({ type: 'move', rows: -1 });
    else if (key.downArrow) dispatch({ type: 'move', rows: 1 });
    else if (key.pageUp) dispatch({ type: 'move', rows: 4 - size.rows });
    else if (key.pageDown) dispatch({ type: 'move', rows: size.rows - 4 });
    else if (key.tab) dispatch({ type: 'toggleEverywhere' });
    else if (key.backspace || key.delete) dispatch({ type: 'type', text: [...state.typed].slice(0, -1).join('') });
    else if (text !== '' && !key.ctrl) dispatch({ type: 'type', text: state.typed + text.replace(/\p{Cc}/gu, '') });
  });
  return <PickerView state={state} size={size} theme={theme} />;
}

const columns: readonly Column[] = [
  { title: 'NAMESPACE', least: 8, cut: 'middle' },
  { title: 'SERVICE', least: 12, cut: 'middle' },
  { title: 'TYPE', least: 6 },
  { title: 'CLUSTER IP', least: 8, cut: 'middle' },
  { title: 'PORTS', least: 8 },
  { title: 'READY', align: 'right' },
  { title: 'HEALTH' },
];

export function PickerView({
  state,
  size,
  theme,
}: {
  readonly state: PickerState;
  readonly size: Size;
  readonly theme: Theme;
}): ReactElement {
  const { paint, marks } = theme;
  const shown = useMemo(() => matching(state), [state]);
  const table = useMemo(
    () =>
      lazyTable(
        columns,
        lazyRows(
          columns,
          shown.map((service) => [
            cell(service.namespace),
            cell(service.name),
            cell(service.type),
            cell(service.clusterIP ?? '-', service.clusterIP === undefined ? 'dim' : 'plain'),
            cell(service.ports.length === 0 ? '-' : service.ports.join(',')),
            cell(
              service.endpoints === undefined || service.readyEndpoints === undefined
                ? 'unknown'
                : `${String(service.readyEndpoints)}/${String(service.endpoints)}`,
            ),
            healthCell(service),
          ]),
        ),
        { width: size.columns - 2, paint },
      ),
    [shown, size.columns, paint],
  );
  // A refusal with the role that gives it takes some lines.
  const problem =
    state.problem === undefined
      ? []
      : wrapped(`${marks.error} ${state.problem}`, size.columns).slice(0, Math.max(1, size.rows - 6));
  const rows = Math.max(1, size.rows - 3 - Math.max(1, problem.length));
  const start = windowStart(state.chosen, shown.length, rows);
  const where = state.isEverywhere
    ? 'all namespaces'
    : state.namespace === undefined
      ? 'the namespace'
      : `namespace ${state.namespace}`;
  const count =
    state.services === undefined
      ? 'being listed'
      : shown.length === state.services.length
        ? String(shown.length)
        : `${String(shown.length)} of ${String(state.services.length)}`;
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows} overflowY="hidden">
      <Line text={`${paint('heading', 'Which Service?')} ${state.typed}█`} />
      {problem.length === 0 && <Line text={paint('dim', `Services of ${where}: ${count}`)} />}
      {problem.map((line, index) => (
        <Line key={index} text={paint('error', line)} />
      ))}
      <Line text={`  ${table.title}`} />
      <Box flexDirection="column" flexGrow={1} overflowY="hidden">
        {Array.from({ length: Math.max(0, Math.min(rows, shown.length - start)) }, (_, index) => (
          <Line
            key={index}
            text={`${start + index === state.chosen ? paint('heading', `${marks.selected} `) : '  '}${table.line(start + index)}`}
          />
        ))}
        {state.services !== undefined && shown.length === 0 && (
          <Line
            text={paint(
              'warning',
              state.typed === '' ? `  there is no Service in ${where}` : `  no Service of ${where} has these letters`,
            )}
          />
        )}
      </Box>
      <Line text={paint('dim', 'type to search  ↑↓ choose  Enter open  Tab all namespaces  Esc leave')} />
    </Box>
  );
}
