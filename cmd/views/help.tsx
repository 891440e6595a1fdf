/** The keys. */
import { Box } from 'ink';
import type { ReactElement } from 'react';
import { keyHelp } from './keys.ts';
import { Line } from './line.tsx';
import type { Theme } from './state/theme.ts';

export function Help({ theme }: { readonly theme: Theme }): ReactElement {
  const room = Math.max(...keyHelp.map(([keys]) => keys.length));
  return (
    <Box flexDirection="column">
      {keyHelp.map(([keys, meaning]) => (
        <Line key={keys} text={`  ${theme.paint('heading', keys.padEnd(room))}  ${meaning}`} />
      ))}
      <Line text={theme.paint('dim', '  RATE: packets a second; CONN: conntrack entries; -: no counter is there')} />
    </Box>
  );
}
