/** The whole screen of the live view, from a state: no keys, no cluster. */
import { Box } from 'ink';
import { useMemo, type ReactElement } from 'react';
import { Header } from './header.tsx';
import { Help } from './help.tsx';
import { detailLines } from './detail-lines.ts';
import { layOut, type Size } from './layout.ts';
import { Line } from './line.tsx';
import { indexOfSelected, nodesOf, type LiveState } from './live-state.ts';
import { NodeTable } from './node-table.tsx';
import { TabBar } from './tab-bar.tsx';
import type { Theme } from './theme.ts';

/** The detail is the costly part: it is made anew only for what it shows. */
export function useDetail({ trace, rates, selectedNode, tab }: LiveState, { columns }: Size, theme: Theme): string[] {
  return useMemo(() => detailLines({ trace, rates, selectedNode, tab }, { width: columns, theme }), [trace, rates, selectedNode, tab, columns, theme]);
}

export interface LiveViewProps {
  readonly state: LiveState;
  readonly size: Size;
  readonly theme: Theme;
  readonly header: readonly string[];
  readonly detail: readonly string[];
}

export function LiveView({ state, size, theme, header, detail }: LiveViewProps): ReactElement {
  const { trace } = state;
  const nodes = nodesOf(state);
  const { nodeRows, detailRows: rows } = layOut(size, state, header.length);
  const scroll = Math.max(0, Math.min(state.scroll, detail.length - rows));
  const position = detail.length > rows ? `${scroll + 1}-${Math.min(scroll + rows, detail.length)} of ${detail.length}` : '';
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows} overflow="hidden">
      <Box flexDirection="column" flexShrink={0}>
        <Header state={state} lines={header} theme={theme} />
      </Box>
      {state.isHelpOpen ? (
        <Box flexGrow={1} marginTop={1} overflow="hidden">
          <Help theme={theme} />
        </Box>
      ) : (
        <>
          {trace !== undefined && nodes.length > 0 && (
            <Box flexShrink={0} marginTop={1} flexDirection="column">
              <NodeTable trace={trace} selected={indexOfSelected(state)} rows={nodeRows} width={size.columns} theme={theme} />
            </Box>
          )}
          {trace?.status !== undefined && (
            <Box flexShrink={0} flexDirection="column">
              <TabBar shown={state.tab} node={state.selectedNode} findings={trace.status.findings?.length} position={position} theme={theme} />
            </Box>
          )}
          <Box flexDirection="column" flexGrow={1} overflow="hidden">
            {detail.slice(scroll, scroll + rows).map((line, index) => (
              <Line key={index} text={line} />
            ))}
          </Box>
        </>
      )}
      <Box flexShrink={0}>
        <Line text={theme.paint('dim', '↑↓ node  Tab pane  PgUp PgDn scroll  ? help  q quit')} />
      </Box>
    </Box>
  );
}
