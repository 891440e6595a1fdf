/** Service and freshness, then what `headerLines` says. */
import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { paintCell } from '../tables/paint.ts';
import { connectionText } from './header-lines.ts';
import { Line } from './line.tsx';
import type { LiveState } from './state/live-state.ts';
import type { Theme } from './state/theme.ts';

export function Header({
  state,
  lines,
  theme,
}: {
  readonly state: LiveState;
  readonly lines: readonly string[];
  readonly theme: Theme;
}): ReactElement {
  const { trace } = state;
  const { paint } = theme;
  const service = trace?.status?.service;
  const name =
    trace === undefined
      ? paint('heading', state.subject)
      : `${paint('heading', trace.spec.serviceRef.name)} in ${trace.metadata.namespace ?? 'default'}`;
  const addresses = service === undefined ? '' : `  ${[service.type, ...service.clusterIPs].join(' ')}`;
  return (
    <Box flexDirection="column">
      <Box justifyContent="space-between">
        <Box flexShrink={1}>
          <Text wrap="truncate-end">{name + addresses}</Text>
        </Box>
        <Box flexShrink={0} marginLeft={2}>
          <Text>{paintCell(paint, connectionText(state, theme))}</Text>
        </Box>
      </Box>
      {lines.map((line, index) => (
        <Line key={index} text={line} />
      ))}
    </Box>
  );
}
