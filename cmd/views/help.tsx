/** The keys. */
import { Box } from 'ink';
import type { ReactElement } from 'react';
import { keyHelp } from './keys.ts';
import { Line } from './line.tsx';
import type { Theme } from './theme.ts';

export function Help({ theme }: { readonly theme: Theme }): ReactElement {
  const room = Math.max(...keyHelp.map(([keys]) => keys.length));
  return (
    <Box flexDirection="column">
      <Line text={theme.paint('heading', 'Keys')} />
      {keyHelp.map(([keys, meaning]) => (
        <Line key={keys} text={`  ${keys.padEnd(room)}  ${meaning}`} />
      ))}
      <Line text="" />
      <Line text="RATE is packets a second between the last two collections, CONN the conntrack" />
      <Line text="entries that a target answers; - is not counted: kube-proxy writes no counter." />
    </Box>
  );
}
