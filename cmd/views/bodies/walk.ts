/** The walk of one client's packet through the rules of its node, a row for each step. */
import { hostPort } from '../../../core/net/address.ts';
import { familyOf } from '../../../core/net/family.ts';
import { plural } from '../../../core/lib/plural.ts';
import type { FromSpec, ServiceTrace, WalkStatus } from '../../../core/api/service-trace.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { shareText } from '../../tables/words.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { explainerOf } from '../state/explainers.ts';
import { kubectl } from '../../../core/api/command.ts';

export function walkBody({ trace, selectedNode }: BodyState, { width, theme }: BodyOptions): Body {
  const { paint } = theme;
  const walks = trace?.status?.walks ?? [];
  if (walks.length === 0)
    return textBody(wrapped(noWalkText(trace?.spec.from), width).map((line) => paint('dim', line)));
  const own = walks.filter(({ node }) => node === selectedNode);
  const shown = own.length > 0 ? own : walks;
  const service = trace === undefined ? [] : [trace.spec.serviceRef.name, '-n', trace.metadata.namespace ?? 'default'];
  const rows = shown.flatMap((walk) => rowsOf(walk, service));
  return {
    fixed: [],
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      return row.tone === 'plain' ? row.text : paint(row.tone, row.text);
    },
    detail: (index) =>
      detailOf(rows[index], trace, width - 2).map((line, at) => (at === 0 ? paint('heading', line) : line)),
    meaning: (index) => ({ copy: rows[index]?.copy ?? rows[index]?.text ?? '' }),
  };
}

function noWalkText(from: FromSpec | undefined): string {
  const client = from?.pod ?? from?.ip ?? from?.node;
  if (client === undefined)
    return 'No client is chosen: press c, and write the name of a pod of this namespace or an IP address.';
  return `No packet of ${client} was followed yet: it will be when the rules of its node have been read.`;
}

interface Row {
  readonly text: string;
  readonly tone: 'plain' | 'heading' | 'dim' | 'warning' | 'ok' | 'error';
  readonly copy?: string;
  /** Of a step: the walk that it belongs to, and the rule. */
  readonly step?: { readonly walk: WalkStatus; readonly table: string; readonly chain: string; readonly rule: string };
}

/** What the rule of a step does, in plain words, and the whole rule. */
function detailOf(
  { step, copy, text }: Row = { text: '', tone: 'plain' },
  trace: ServiceTrace | undefined,
  width: number,
): string[] {
  const whole = copy ?? text;
  if (step === undefined) return wrapped(whole, width);
  const node = trace?.status?.nodes?.find(({ name }) => name === step.walk.node);
  const program = trace?.status?.programs?.find(({ fingerprint }) => fingerprint === node?.program);
  const chain = program?.chains.find(
    ({ family, table, name }) => family === familyOf(step.walk.source) && table === step.table && name === step.chain,
  );
  const index = chain?.rules.findIndex((rule) => rule.text === step.rule) ?? -1;
  const sentence =
    trace === undefined || node === undefined || program === undefined || chain === undefined || index === -1
      ? undefined
      : explainerOf(program, node, trace).rule(chain, index).sentence;
  return [...(sentence === undefined ? [] : wrapped(sentence, width)), ...wrapped(whole, width)];
}

/** More are a sum: no screen has room for them. */
const mostDestinations = 50;

function rowsOf(walk: WalkStatus, service: readonly string[]): Row[] {
  const room = String(walk.path.length).length;
  const target = `${hostPort(walk.destination, walk.destinationPort)}/${walk.protocol.toLowerCase()}`;
  const end = (destinations: string): string =>
    `${walk.verdict}${destinations === '' ? '' : ` to ${destinations}`}${walk.masquerade ? ', masqueraded' : ', its source stays'}`;
  const textOf = (each: WalkStatus['destinations'][number]): string =>
    `${hostPort(each.address, each.port)} (${shareText(each)})`;
  const first = walk.destinations.slice(0, mostDestinations).map(textOf).join(', ');
  const more = Math.max(0, walk.destinations.length - mostDestinations);
  const isRefused = walk.verdict === 'DROP' || walk.verdict === 'REJECT';
  return [
    {
      text: `From ${walk.source} on ${walk.node} to ${target}`,
      tone: 'heading',
      copy: kubectl('svctrace', 'simulate', ...service, '--from', walk.source, '--to', target).run,
    },
    ...walk.path.flatMap(({ table, chain, rule, effect }, index): Row[] => [
      {
        text: `${String(index + 1).padStart(room)}  ${table} ${chain}: ${effect}`,
        tone: 'plain',
        copy: rule,
        step: { walk, table, chain, rule },
      },
      { text: `${' '.repeat(room)}    ${rule}`, tone: 'dim', copy: rule, step: { walk, table, chain, rule } },
    ]),
    ...walk.unknown.map((text): Row => ({
      text: `not understood, so nothing is said beyond it: ${text}`,
      tone: 'warning',
    })),
    {
      text: end(more === 0 ? first : `${first} and ${plural(more, 'more endpoint')}`),
      tone: isRefused ? 'error' : walk.verdict === 'DNAT' ? 'ok' : 'warning',
    },
    { text: '', tone: 'plain' },
  ];
}
