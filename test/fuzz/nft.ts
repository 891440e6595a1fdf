/**
 * Mutated listings of nft, text and JSON. Whatever they are: no crash and no hang; each word of a text and each object of a
 * JSON is in what is printed of the model, or in a table that is named as left out; what is printed reads as the same
 * model; and a packet's walk through it ends, with shares that sum to 1 where nothing is unknown.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { ChainLoopError } from '../../core/evaluate/walk.ts';
import { nftTableJson } from '../support/print-nft-json.ts';
import { printNftTable } from '../../core/nftables/print.ts';
import { nftFamilies, type NftRulesetTable } from '../../core/nftables/table.ts';
import type { DumpParser, DumpProblem } from '../../core/dump/lines.ts';
import { isObject } from '../../core/nftables/json-fields.ts';
import { NftJsonParser } from '../../core/nftables/parse-json.ts';
import { NftTextParser } from '../../core/nftables/parse-text.ts';
import { foreignNftDumps } from '../fixtures/rulesets/foreign.ts';
import type { Dice } from './dice.ts';
import { objectsOf, withoutRespelling } from './nft-json-forms.ts';
import { nftWords } from './nft-words.ts';
import type { FuzzTarget } from './targets.ts';
import * as z from 'zod';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const read = (path: string): string => readFileSync(`${fixtures}${path}`, 'utf8');
const releases = readdirSync(`${fixtures}kube-proxy`).filter((name) => name.startsWith('v'));
const texts = [read('rulesets/nftables.txt'), ...foreignNftDumps.map(({ text }) => text)];
const jsons = [
  read('rulesets/nftables.json'),
  ...foreignNftDumps.map(({ json }) => json),
  ...releases.map((release) => read(`kube-proxy/${release}/nftables.json`)),
];
/** Every statement that nft prints, a rule each. */
const statements = read('nft/statements.txt')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => `\t\t${line.slice(line.indexOf(': ') + 2)}\n`);
/** Tables of the texts, each as its head and its blocks. */
const tables = texts
  .flatMap((text) => text.split(/^(?=table )/m))
  .filter((table) => table.startsWith('table '))
  .map((table) => {
    const head = table.slice(0, table.indexOf('\n') + 1);
    return {
      head,
      blocks: table
        .slice(head.length)
        .split(/^(?=\t\S[^\n]* \{\n)/m)
        .map((block) => block.replace(/^\}\n/m, '')),
    };
  });
const listings = jsons.map(objectsOf);

/** One dump in so many is a whole one: most are pieces, which cost less. */
const wholeShare = 2000;

export const nftTarget: FuzzTarget = {
  name: 'nft',
  run: (dice) => {
    const isJson = dice.below(2) === 0;
    const isWhole = dice.below(wholeShare) === 0;
    const dump = isJson
      ? isWhole
        ? mutateText(dice.of(jsons), dice)
        : mutatedObjects(dice)
      : mutateText(isWhole ? dice.of(texts) : textPiece(dice), dice);
    const { result, problems } = parse(isJson ? new NftJsonParser() : new NftTextParser(), dump);
    const fault =
      (isJson ? lostObject(dump, result, problems) : lostWord(dump, result, problems)) ??
      (problems.length > 0 ? undefined : changedByPrinting(result)) ??
      wrongWalk(result, problems);
    if (fault !== undefined) throw new Error(`${fault}:\n${dump}`);
  },
};

/** A table of a real text with a handful of its chains and sets, and perhaps rules of any statement. */
function textPiece(dice: Dice): string {
  const { head, blocks } = dice.of(tables);
  const some =
    dice.below(3) === 0
      ? `\tchain any {\n\t\ttype filter hook forward priority filter; policy accept;\n${Array.from({ length: 1 + dice.below(3) }, () => dice.of(statements)).join('')}\t}\n`
      : '';
  return `${head}${Array.from({ length: 1 + dice.below(4) }, () => dice.of(blocks)).join('')}${some}}\n`;
}

const words = [
  '{',
  '}',
  ' drop',
  '"',
  '\n',
  ' . ',
  ',',
  '@',
  'map',
  '[',
  ']',
  ':',
  '0',
  '-',
  '#',
  ' jump ',
  '\u0000',
  'table ip z {\n',
  ' comment "x"',
  '\tflags interval\n',
  ' timeout 5s',
  ' counter',
  '__proto__',
  ' 99999999999999999999',
  '!',
  '==',
  '/',
];

/** With one to three pieces cut out, doubled, or swapped for a word of nft. */
function mutateText(dump: string, dice: Dice): string {
  let mutated = dump;
  for (let count = 1 + dice.below(3); count > 0; count -= 1) {
    const at = dice.below(mutated.length + 1);
    const end = Math.min(mutated.length, at + dice.below(1 + dice.below(1 + dice.below(400))));
    const piece = dice.of([
      mutated.slice(at, end) + mutated.slice(at, end),
      '',
      dice.of(words),
      dice.of(words) + mutated.slice(at, end),
    ]);
    mutated = mutated.slice(0, at) + piece + mutated.slice(end);
  }
  return mutated;
}

/** A handful of objects of a real listing, their text or their values altered. */
function mutatedObjects(dice: Dice): string {
  const objects = dice.of(listings);
  const from = dice.below(objects.length);
  const some = objects.slice(from, from + 1 + dice.below(5));
  if (dice.below(3) === 0) return mutateText(JSON.stringify({ nftables: some }), dice);
  let altered: unknown = some;
  for (let count = 1 + dice.below(2); count > 0; count -= 1) altered = alter(altered, dice);
  return JSON.stringify({ nftables: altered });
}

const unknownObjects: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e30,
  '',
  'x',
  '@s',
  '*',
  '10.0.0.0/8',
  [],
  {},
  ['x'],
  [[1, 2]],
  { drop: null },
  { jump: { target: 'c' } },
  { elem: { val: 1 } },
  { prefix: { addr: '10.0.0.0', len: 8 } },
  { concat: [1, 'tcp'] },
  { set: [] },
  { meta: { key: 'mark' } },
];

/** One value within it swapped, left out, doubled, or with another name. */
function alter(value: unknown, dice: Dice): unknown {
  const isEnd = dice.below(6) === 0;
  if (Array.isArray(value) && value.length > 0 && !isEnd) {
    const items = [...(value as readonly unknown[])];
    const at = dice.below(items.length);
    const change = dice.below(12);
    if (change === 0) items.splice(at, 1);
    else if (change === 1) items.splice(at, 0, items[dice.below(items.length)]);
    else items[at] = alter(items[at], dice);
    return items;
  }
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0 && !isEnd) {
    const entries = Object.entries(value);
    const at = dice.below(entries.length);
    const [name, inner] = entries[at] ?? ['', undefined];
    const change = dice.below(12);
    if (change === 0) entries.splice(at, 1);
    else if (change === 1)
      entries[at] = [dice.of(['x', 'op', 'set', 'key', 'flags', '__proto__', 'toString', 'type', 'expr']), inner];
    else if (change === 2) entries.push([dice.of(['x', 'comment', 'index', 'flags', 'inv']), dice.of(unknownObjects)]);
    else entries[at] = [name, alter(inner, dice)];
    return Object.fromEntries(entries);
  }
  return dice.of(unknownObjects);
}

function parse(parser: DumpParser<NftRulesetTable[]>, dump: string): ReturnType<DumpParser<NftRulesetTable[]>['end']> {
  // In two pieces, for a dump comes in chunks.
  const middle = dump.length >> 1;
  parser.push(dump.slice(0, middle));
  parser.push(dump.slice(middle));
  return parser.end();
}

const nameOf = ({ family, name }: Pick<NftRulesetTable, 'family' | 'name'>): string => `${family} ${name}`;

/** A word of a table that is in the result, and that the model does not have as often. */
function lostWord(
  dump: string,
  result: readonly NftRulesetTable[],
  problems: readonly DumpProblem[],
): string | undefined {
  const truncated = new Set(problems.flatMap(({ table }) => table ?? []));
  const outside = new Set(
    problems
      .filter(
        ({ message }) => message.startsWith('this line is in no table') || message.startsWith('a brace is closed'),
      )
      .map(({ line }) => line),
  );
  const left = new Map(
    result.map((table) => [nameOf(table), countsOf(nftWords(printNftTable(table).split('\n').slice(1)))]),
  );
  let lines: string[] = [];
  let table: string | undefined;
  const lostOf = (): string | undefined => {
    if (table === undefined || truncated.has(table)) return undefined;
    const counts = left.get(table);
    if (counts === undefined) return `table ${table} is neither read nor named as left out`;
    for (const word of nftWords(lines.filter((line) => !/^\s*#(?! xt_)/.test(line)))) {
      const count = counts.get(word) ?? 0;
      if (count === 0) return `the word ${word} of table ${table} is lost`;
      counts.set(word, count - 1);
    }
    return undefined;
  };
  for (const [index, raw] of dump.split('\n').entries()) {
    const head = /^table\s+(?:(ip|ip6|inet|arp|bridge|netdev)\s+)?(\S+)\s*\{(?:\s*#\s*(.*))?$/.exec(raw);
    if (head === null && !outside.has(index + 1)) {
      lines.push(raw);
      continue;
    }
    const lost = lostOf();
    if (lost !== undefined) return lost;
    lines = [];
    table = head === null ? undefined : `${head[1] ?? 'ip'} ${head[2] ?? ''}`;
  }
  return lostOf();
}

function countsOf(all: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of all) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}

const listingSchema = z.object({ nftables: z.array(z.unknown()) });

/** An object of the JSON that is neither in the model nor of a table that is left out, as it is. */
function lostObject(
  dump: string,
  result: readonly NftRulesetTable[],
  problems: readonly DumpProblem[],
): string | undefined {
  let listing: unknown;
  try {
    listing = JSON.parse(dump);
  } catch {
    return problems.length > 0 ? undefined : 'what is not JSON is read without a problem';
  }
  const parsed = listingSchema.safeParse(listing);
  if (!parsed.success) return problems.length > 0 ? undefined : 'what is not a listing is read without a problem';
  const truncated = new Set(problems.flatMap(({ table }) => table ?? []));
  const left = countsOf(result.flatMap(nftTableJson).map((object) => withoutRespelling(object)));
  for (const object of parsed.data.nftables) {
    if (typeof object === 'object' && object !== null && Object.keys(object).join() === 'metainfo') continue;
    const [kind, body] = isObject(object) ? (Object.entries(object)[0] ?? []) : [];
    const owner = isObject(body) ? (kind === 'table' ? body['name'] : body['table']) : undefined;
    if (
      !isObject(body) ||
      typeof owner !== 'string' ||
      typeof body['family'] !== 'string' ||
      !nftFamilies.has(body['family'])
    ) {
      if (problems.length === 0) return `an object of no table is not named: ${JSON.stringify(object)}`;
      continue;
    }
    if (truncated.has(`${body['family']} ${owner}`)) continue;
    const form = withoutRespelling(
      kind === 'rule' && Object.keys(object as object).length === 1 ? { rule: ruleAsKept(body) } : object,
    );
    const count = left.get(form) ?? 0;
    if (count === 0) return `an object is lost or changed: ${form}\n${[...left.keys()].join('\n')}`;
    left.set(form, count - 1);
  }
  return undefined;
}

/** What is not understood of a rule itself stands before its statements. */
function ruleAsKept(body: { readonly [field: string]: unknown }): unknown {
  const isKnown = (field: string): boolean => ['family', 'table', 'chain', 'handle', 'comment', 'expr'].includes(field);
  const others = Object.entries(body).filter(([field]) => !isKnown(field));
  const { chain, handle = 0, comment = '', expr = [] } = body;
  if (
    others.length === 0 ||
    typeof chain !== 'string' ||
    !Array.isArray(expr) ||
    !Number.isInteger(handle) ||
    typeof comment !== 'string'
  )
    return body;
  return {
    ...Object.fromEntries(Object.entries(body).filter(([field]) => isKnown(field))),
    expr: [Object.fromEntries(others), ...(expr as readonly unknown[])],
  };
}

/** What is printed as text is read as the same; not of names that no text can hold, and of what is kept as it stood. */
function changedByPrinting(result: readonly NftRulesetTable[]): string | undefined {
  const whole = JSON.stringify(
    result.map((table) => ({ ...table, chains: [...table.chains], sets: [...table.sets], maps: [...table.maps] })),
  );
  const names = [
    ...result.flatMap(({ chains }) => [...chains.keys()]),
    ...[...whole.matchAll(/"(?:name|chain|set|flowtable)":"((?:[^"\\]|\\.)*)"/g)].map(([, name]) => name ?? ''),
  ];
  if (whole.includes('\\') || /"kind":"unrecognized"/.test(whole) || !names.every((name) => /^[\w./:-]+$/.test(name)))
    return undefined;
  const text = result.map(printNftTable).join('');
  const again = parse(new NftTextParser(), text);
  const [problem] = again.problems;
  if (problem !== undefined)
    return `what is printed cannot be read: line ${String(problem.line)}, ${problem.message}\n${text}`;
  const before = nftWords(text.split('\n')).join(' ');
  const after = nftWords(again.result.map(printNftTable).join('').split('\n')).join(' ');
  return before === after ? undefined : `what is printed reads as another:\n${before}\n${after}`;
}

function wrongWalk(nftables: readonly NftRulesetTable[], problems: readonly DumpProblem[]): string | undefined {
  for (const [source, destination] of [
    ['10.244.1.77', '10.96.198.84'],
    ['fd00:10:244:1::77', 'fd00:10:96::3e87'],
  ] as const) {
    try {
      const { leaves, unknown, steps } = walkRuleset(
        { iptables: [], nftables, ipSets: [], virtualServers: [], problems },
        { source, destination, destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
        ['172.30.0.11'],
      );
      const sum = leaves.reduce((all, { probability }) => all + probability, 0);
      if (unknown.length === 0 && Math.abs(sum - 1) > 1e-9) return `the branches sum to ${String(sum)}`;
      for (const { rule, actions } of steps)
        if (
          actions.some((action) => action.kind === 'unknown' && action.isTakenAsNotMatching === true) &&
          !unknown.some((each) => each.includes(rule))
        )
          return `a rule that was not decided is not named: ${rule}`;
    } catch (error) {
      // Deeper than any kernel jumps.
      if (!(error instanceof ChainLoopError)) throw error;
    }
  }
  return undefined;
}
