/** The walk of one client's packet through the rules of its node, a row for each step. */
import { hostPort } from '../../core/address.ts';
import type { WalkStatus } from '../../core/service-trace.ts';
import { wrapped } from '../printers/table.ts';
import { percentText } from '../words.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';

export function walkBody({ trace, selectedNode }: BodyState, { width, theme }: BodyOptions): Body {
  const { paint } = theme;
  const walks = trace?.status?.walks ?? [];
  if (walks.length === 0) return textBody(wrapped('No client is chosen: press c, and write the name of a pod of this namespace or an IP address.', width).map((line) => paint('dim', line)));
  const own = walks.filter(({ node }) => node === selectedNode);
  const shown = own.length > 0 ? own : walks;
  const rows = shown.flatMap((walk) => rowsOf(walk));
  return {
    fixed: [],
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      return row.tone === 'plain' ? row.text : paint(row.tone, row.text);
    },
    meaning: (index) => ({ copy: rows[index]?.copy ?? rows[index]?.text ?? '' }),
  };
}

interface Row {
  readonly text: string;
  readonly tone: 'plain' | 'heading' | 'dim' | 'warning' | 'ok' | 'error';
  readonly copy?: string;
}

function rowsOf(walk: WalkStatus): Row[] {
  const room = String(walk.path.length).length;
  const target = `${hostPort(walk.destination, walk.destinationPort)}/${walk.protocol.toLowerCase()}`;
  const end = `${walk.verdict}${walk.destinations.length === 0 ? '' : ` to ${walk.destinations.map(({ address, port, probability }) => `${hostPort(address, port)} (${percentText(probability)})`).join(', ')}`}${walk.masquerade ? ', masqueraded' : ', its source stays'}`;
  const isRefused = walk.verdict === 'DROP' || walk.verdict === 'REJECT';
  return [
    { text: `From ${walk.source} on ${walk.node} to ${target}`, tone: 'heading', copy: `kubectl svctrace simulate --from ${walk.source} --to ${target}` },
    ...walk.path.flatMap(({ table, chain, rule, effect }, index): Row[] => [
      { text: `${String(index + 1).padStart(room)}  ${table} ${chain}: ${effect}`, tone: 'plain', copy: rule },
      { text: `${' '.repeat(room)}    ${rule}`, tone: 'dim', copy: rule },
    ]),
    ...walk.unknown.map((text): Row => ({ text: `not understood, so nothing is said beyond it: ${text}`, tone: 'warning' })),
    { text: end, tone: isRefused ? 'error' : walk.verdict === 'DNAT' ? 'ok' : 'warning' },
    { text: '', tone: 'plain' },
  ];
}
