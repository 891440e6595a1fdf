/** -o text of `explain`: the rules of a node line by line, and one client's packet path over it. */
import {
  clientKinds,
  type ChainExplanation,
  type ClientKind,
  type FamilyExplanation,
  type RuleExplanation,
} from '../../core/explain/explanation.ts';
import type { PacketPath, PacketPathRule } from '../../core/explain/follow-client.ts';
import { plural } from '../../core/lib/plural.ts';
import { alikeTable, alikeText, clientKindTexts, partText } from '../tables/alike-endpoints.ts';
import { printColumns } from '../tables/columns.ts';
import { percentText } from '../tables/words.ts';
import type { Paint } from '../tables/paint.ts';
import { wrapped } from './wrapped.ts';

interface TextOptions {
  readonly width: number;
  readonly paint: Paint;
}

/** The rules of one family, stage by stage and chain by chain. */
export function printFamily({ family, frontends, stages }: FamilyExplanation, { width, paint }: TextOptions): string[] {
  const lines = [paint('heading', `${family}: ${frontends.join(', ')}`)];
  for (const { title, chains } of stages) {
    lines.push('', ...wrapped(title, width).map((line) => paint('heading', line)));
    for (const { table, chain, purpose, hooks, rules } of chains) {
      lines.push(
        '',
        ...wrapped(`${table} ${chain}${hooksText(hooks)}${purpose === undefined ? '' : `, ${purpose}`}`, width, 2).map(
          (line) => paint('heading', line),
        ),
      );
      rules.forEach((rule, index) => {
        lines.push(...ruleLines(rule, factsOf(rule), index + 1, { width, paint }));
        for (const alike of rule.alike ?? []) {
          lines.push(...wrapped(alikeText(alike), width, 6));
          const { columns, rows } = alikeTable(alike);
          for (const line of printColumns(columns, rows, { width, paint, indent: 8 })) lines.push(line);
        }
      });
    }
  }
  return lines;
}

/** ` on PREROUTING and OUTPUT`; empty for a chain that is registered at no hook. */
export function hooksText(hooks: ChainExplanation['hooks']): string {
  return hooks.length === 0 ? '' : ` on ${hooks.map((hook) => hook.toUpperCase()).join(' and ')}`;
}

/** One client's packet path, step by step. */
export function printPacketPath(packetPath: PacketPath, { width, paint }: TextOptions): string[] {
  const { steps, unknown } = packetPath;
  const lines = wrapped(packetPathTitle(packetPath), width).map((line) => paint('heading', line));
  for (const { letter, title, sentences, rules, outcome } of steps) {
    lines.push(
      '',
      paint('heading', `Step ${letter}: ${title}`),
      ...sentences.flatMap((sentence) => wrapped(sentence, width, 2)),
    );
    for (const [chain, own] of Map.groupBy(rules, (rule) => `${rule.table} ${rule.chain}`)) {
      lines.push(...wrapped(chain, width, 2).map((line) => paint('heading', line)));
      own.forEach((rule, index) => {
        lines.push(...ruleLines(rule, ruleFacts(rule), index + 1, { width, paint }));
      });
    }
    lines.push(...outcome.flatMap((sentence) => wrapped(sentence, width, 2)));
  }
  if (unknown.length > 0)
    lines.push(
      '',
      ...[`${notKnown}:`, ...unknown]
        .flatMap((text, index) => wrapped(text, width, index === 0 ? 0 : 2))
        .map((line) => paint('warning', line)),
    );
  return lines;
}

export const notKnown = 'not known, so nothing is said of what depends on it';

export function packetPathTitle({ node, client, frontend, verdict }: PacketPath): string {
  return `${client.pod === undefined ? client.address : `pod ${client.pod} (${client.address})`} to ${frontend} over ${node}: ${verdict}`;
}

function ruleLines(
  { text, sentence, lines, unknown }: Pick<RuleExplanation, 'text' | 'sentence' | 'lines' | 'unknown'>,
  facts: readonly string[],
  number: number,
  { width, paint }: TextOptions,
): string[] {
  const [first = '', ...rest] = wrapped(sentence, width - 6);
  const tone = unknown.length > 0 ? 'warning' : 'plain';
  const indented = (line: string): string => ' '.repeat(6) + line.trimStart();
  return [
    `${String(number).padStart(4)}. ${paint(tone, first)}`,
    ...rest.map((line) => paint(tone, indented(line))),
    ...lines.flatMap((line) => wrapped(line.sentence, width, 8)),
    ...(facts.length === 0 ? [] : wrapped(facts.join('; '), width, 6)),
    ...wrapped(text, width, 6).map((line) => paint('dim', line)),
  ];
}

/** Counters, what was measured, and who meets the rule. */
export function factsOf(rule: RuleExplanation): string[] {
  const measured = rule.measured === undefined ? [] : [`measured ${percentText(rule.measured)}`];
  return [...countersOf(rule), ...measured, ...(rule.shares === undefined ? endText(rule) : [metText(rule.shares)])];
}

/** Where nobody walked a packet. */
function endText({ endpointShare }: RuleExplanation): string[] {
  return endpointShare === undefined
    ? []
    : [`${percentText(endpointShare)} of the connections end at endpoints behind it`];
}

export function ruleFacts(rule: PacketPathRule): string[] {
  return [
    ...countersOf(rule),
    ...(rule.share === undefined ? [] : [`${percentText(rule.share)} of this client's connections`]),
  ];
}

function countersOf({ counters, countsAll }: Pick<RuleExplanation, 'counters' | 'countsAll'>): string[] {
  return counters === undefined
    ? []
    : [
        `${plural(counters.packets, 'packet')}, ${plural(counters.bytes, 'byte')}${countsAll ? ' of all Services together' : ''}`,
      ];
}

type MetShare = NonNullable<RuleExplanation['shares']>[ClientKind];

function meets(share: MetShare): boolean {
  return share === 'unknown' || (share ?? 0) > 0;
}

/** Who meets the rule, and with which share of their connections. */
function metText(shares: NonNullable<RuleExplanation['shares']>): string {
  const isForAll = (['pod', 'node', 'outside'] as const).every((kind) => meets(shares[kind]));
  const tried = clientKinds.filter((kind) => shares[kind] !== undefined);
  const [first] = tried.map((kind) => partText(shares[kind]));
  if (first !== undefined && isForAll && tried.every((kind) => partText(shares[kind]) === first))
    return `${first} of the connections from any client`;
  const byShare = new Map<string, ClientKind[]>();
  for (const kind of clientKinds) {
    const share = shares[kind];
    if (meets(share)) byShare.set(partText(share), [...(byShare.get(partText(share)) ?? []), kind]);
  }
  if (byShare.size === 0) return 'no connection to these frontends meets its conditions here';
  return [...byShare]
    .map(
      ([share, kinds]) => `${share} of the connections from ${kinds.map((kind) => clientKindTexts[kind]).join(', ')}`,
    )
    .join('; ');
}
