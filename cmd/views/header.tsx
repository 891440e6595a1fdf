/** Service, freshness, path, conditions; four lines at most. */
import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { paintCell } from '../printers/paint.ts';
import { conditionCells, connectionText, pathText } from './header-lines.ts';
import { CellLine, Line } from './line.tsx';
import type { LiveState } from './live-state.ts';
import type { Theme } from './theme.ts';

export function Header({ state, theme }: { readonly state: LiveState; readonly theme: Theme }): ReactElement {
  const { trace, connection } = state;
  const service = trace?.status?.service;
  const { paint } = theme;
  const name = trace === undefined ? '' : `${paint('heading', trace.spec.serviceRef.name)} in ${trace.metadata.namespace ?? 'default'}  ${service === undefined ? '' : [service.type, ...service.clusterIPs].join(' ')}`;
  const trouble = connection.state === 'silent' || connection.state === 'lost' ? connection.reason : connection.state === 'ended' && !state.origin.startsWith('recorded') ? connection.reason : (state.notice ?? waitingFor(state));
  return (
    <Box flexDirection="column">
      <Box justifyContent="space-between">
        <Box flexShrink={1}>
          <Text wrap="truncate-end">{name}</Text>
        </Box>
        <Box flexShrink={0} marginLeft={2}>
          <Text>{paintCell(paint, connectionText(state, theme))}</Text>
        </Box>
      </Box>
      {trace?.status?.service !== undefined && <CellLine cells={pathText(trace.status, theme)} theme={theme} />}
      {trace?.status !== undefined && <CellLine cells={conditionCells(trace.status, theme)} theme={theme} />}
      {trouble !== undefined && <Text wrap="wrap">{paint(connection.state === 'silent' || connection.state === 'lost' ? 'error' : 'warning', trouble)}</Text>}
      {trouble === undefined && service?.notProxied !== undefined && <Line text={paint('warning', `kube-proxy writes no rules, because ${service.notProxied}`)} />}
    </Box>
  );
}

/** While not all is known, the condition Ready says what is waited for. */
function waitingFor({ trace }: LiveState): string | undefined {
  const ready = trace?.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? undefined : ready.message;
}
