/** The whole screen of the live view, from a state: no keys, no cluster. */
import { Box } from 'ink';
import { useMemo, type ReactElement } from 'react';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { isAllKnown } from '../tables/words.ts';
import type { Body } from './bodies/body.ts';
import { bodyOf } from './bodies/all.ts';
import { Header } from './header.tsx';
import { Help } from './help.tsx';
import { footerOf } from './keys.ts';
import { answerLines, layOut, type Size } from './layout.ts';
import { Line } from './line.tsx';
import { cursorOf, filterOf, indexOfSelected, windowStart, type LiveState } from './state/live-state.ts';
import { NodeTable } from './node-table.tsx';
import { matchCommands } from './palette.ts';
import { TabBar } from './tab-bar.tsx';
import type { Theme } from './state/theme.ts';
import { plural } from '../../core/lib/plural.ts';

/** The body is the costly part: it is recreated only for what it shows, and painted only in the window. */
export function useBody(state: LiveState, { columns }: Size, theme: Theme): Body {
  const { trace, rates, history, timeline, selectedNode, view, filters, order, isGrouped, folded, isByBackend } = state;
  // Lines that come while another view is shown change nothing of it.
  const logs = view === 'logs' ? state.logs : undefined;
  return useMemo(
    () =>
      bodyOf(
        { trace, rates, history, timeline, selectedNode, view, filters, order, isGrouped, folded, isByBackend, logs },
        { width: columns - 2, theme },
      ),
    [
      trace,
      rates,
      history,
      timeline,
      selectedNode,
      view,
      filters,
      order,
      isGrouped,
      folded,
      isByBackend,
      logs,
      columns,
      theme,
    ],
  );
}

export interface LiveViewProps {
  readonly state: LiveState;
  readonly size: Size;
  readonly theme: Theme;
  readonly header: readonly string[];
  readonly body: Body;
}

/** The rows of the body that are shown: the cursor is among them, or it is scrolled. */
export function bodyWindow(
  state: LiveState,
  body: Body,
  bodyRows: number,
): {
  readonly start: number;
  readonly rows: number;
  readonly cursor: number | undefined;
  /** Lines of the pane below the rows. */ readonly detailRows: number;
} {
  const room = Math.max(1, bodyRows - body.fixed.length);
  const detailRows =
    body.detail === undefined || !state.isExplained || room < 4 ? 0 : Math.min(mostDetailRows, Math.floor(room * 0.6));
  const rows = room - detailRows;
  if (body.meaning === undefined) {
    const scrolled = state.view === 'path' ? state.scroll : cursorOf(state);
    return { start: Math.max(0, Math.min(scrolled, body.count - rows)), rows, cursor: undefined, detailRows };
  }
  const cursor = Math.max(0, Math.min(cursorOf(state), body.count - 1));
  return { start: windowStart(cursor, body.count, rows), rows, cursor, detailRows };
}

const mostDetailRows = 12;

export function LiveView({ state, size, theme, header, body }: LiveViewProps): ReactElement {
  const { trace, view } = state;
  const { nodeRows, bodyRows, paletteRows } = layOut(size, state, header.length);
  const { start, rows, cursor, detailRows } = bodyWindow(state, body, bodyRows);
  const shown = Array.from({ length: Math.max(0, Math.min(rows, body.count - start)) }, (_, index) => start + index);
  const position =
    body.count > rows ? { from: start + 1, to: Math.min(start + rows, body.count), of: body.count } : undefined;
  const isOfNode = view === 'path' || view === 'rules' || view === 'conntrack';
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows} overflowY="hidden">
      <Box flexDirection="column" flexShrink={0}>
        <Header state={state} lines={state.isHelpOpen ? [] : header} theme={theme} />
      </Box>
      {state.isHelpOpen ? (
        <Box flexGrow={1} overflowY="hidden">
          <Help theme={theme} />
        </Box>
      ) : (
        <>
          {trace !== undefined && nodeRows > 0 && (
            <Box flexShrink={0} marginTop={1} flexDirection="column">
              <NodeTable
                trace={trace}
                selected={indexOfSelected(state)}
                rows={nodeRows}
                width={size.columns}
                theme={theme}
              />
            </Box>
          )}
          {trace?.status !== undefined && (
            <Box flexShrink={0} flexDirection="column">
              <TabBar
                shown={view}
                findings={findingsCount(trace.status)}
                changes={state.timeline.length}
                node={isOfNode ? state.selectedNode : undefined}
                filter={filterOf(state)}
                position={position}
                width={size.columns}
                theme={theme}
              />
            </Box>
          )}
          <Box flexDirection="column" flexGrow={1} overflowY="hidden">
            {body.fixed.map((line, index) => (
              <Line key={`fixed ${String(index)}`} text={body.meaning === undefined ? line : `  ${line}`} />
            ))}
            {shown.map((index) => (
              <Line
                key={index - start}
                text={
                  body.meaning === undefined
                    ? body.line(index)
                    : `${index === cursor ? theme.paint('heading', `${theme.marks.selected} `) : '  '}${body.line(index)}`
                }
              />
            ))}
          </Box>
          {detailRows > 0 && (
            <Detail
              lines={cursor === undefined ? [] : (body.detail?.(cursor) ?? [])}
              rows={detailRows}
              width={size.columns}
              theme={theme}
            />
          )}
          {paletteRows > 0 && <Palette state={state} rows={paletteRows} theme={theme} />}
        </>
      )}
      <Box flexShrink={0} flexDirection="column">
        {footerLines(state, size, theme).map((line, index) => (
          <Line key={index} text={line} />
        ))}
      </Box>
    </Box>
  );
}

/** None is only none where everything was read. */
function findingsCount(status: ServiceTraceStatus): string | undefined {
  const count = status.findings?.length;
  return count === 0 && !isAllKnown(status) ? '?' : count?.toString();
}

/** As high as it is given, whatever it says: the rows above must not move with the cursor. */
function Detail({
  lines,
  rows,
  width,
  theme,
}: {
  readonly lines: readonly string[];
  readonly rows: number;
  readonly width: number;
  readonly theme: Theme;
}): ReactElement {
  const room = rows - 1;
  const shown =
    lines.length > room
      ? [...lines.slice(0, room - 1), theme.paint('dim', `… ${plural(lines.length - room + 1, 'more line')}`)]
      : lines;
  return (
    <Box flexDirection="column" flexShrink={0} height={rows} overflowY="hidden">
      <Line text={theme.paint('dim', '─'.repeat(width))} />
      {shown.map((line, index) => (
        <Line key={index} text={`  ${line}`} />
      ))}
    </Box>
  );
}

function Palette({
  state,
  rows,
  theme,
}: {
  readonly state: LiveState;
  readonly rows: number;
  readonly theme: Theme;
}): ReactElement {
  const chosen = state.input?.chosen ?? 0;
  const commands = matchCommands(state, state.input?.text ?? '');
  const start = windowStart(chosen, commands.length, rows);
  const shown = commands.slice(start, start + rows);
  const room = Math.max(0, ...shown.map(({ name }) => name.length));
  return (
    <Box flexDirection="column" flexShrink={0} height={rows} overflowY="hidden">
      {shown.length === 0 && <Line text={theme.paint('warning', '  no command has these letters')} />}
      {shown.map(({ name, meaning }, index) => (
        <Line
          key={name}
          text={`${start + index === chosen ? theme.paint('heading', `${theme.marks.selected} ${name.padEnd(room)}`) : `  ${name.padEnd(room)}`}  ${theme.paint('dim', meaning)}`}
        />
      ))}
    </Box>
  );
}

const prompts = { filter: '/', command: ':', client: 'client (a pod or an IP address): ' } as const;

/** What is typed, the result of the last action, or the keys. */
function footerLines(state: LiveState, { columns }: Size, { paint }: Theme): string[] {
  const { input, view } = state;
  if (input !== undefined) return [`${paint('heading', prompts[input.kind])}${input.text}█`];
  const answer = answerLines(state, columns);
  return answer.length === 0 ? [paint('dim', footerOf(view))] : answer.map((line) => paint('heading', line));
}
