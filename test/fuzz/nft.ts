/** Mutated listings of nft, text and JSON: never a crash, and no statement that is in no output. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { nftTableJson } from '../../core/nft-print-json.ts';
import { printNftTable } from '../../core/nft-print-text.ts';
import type { NftRulesetTable } from '../../core/nft-table.ts';
import type { DumpParser } from '../../core/parse/dump-lines.ts';
import { NftJsonParser } from '../../core/parse/nft-ruleset.ts';
import { NftTextParser } from '../../core/parse/nft-text.ts';
import type { Dice } from './dice.ts';
import type { FuzzTarget } from './targets.ts';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url)), 'utf8');
const dumps = ['rulesets/nftables.txt', 'rulesets/nftables.json'].map(read);
/** Tables of a text, each as its head and its blocks. */
const textTables = dumps[0]?.split(/^(?=table )/m).map((table) => ({ head: table.slice(0, table.indexOf('\n') + 1), blocks: table.slice(table.indexOf('\n') + 1).split(/^(?=\t(?:chain|set|map) )/m).map((block) => block.replace(/^\}\n/m, '')) })) ?? [];
const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });
const listings = [...dumps.slice(1), ...['v1.29.15', 'v1.33.13', 'v1.37.2'].map((version) => read(`kube-proxy/${version}/nftables.json`))].map((json) => listingSchema.parse(JSON.parse(json)).nftables.filter((object) => !('metainfo' in object)));

/** One dump in so many is a whole one: most are pieces, which cost less. */
const wholeShare = 200;

export const nftTarget: FuzzTarget = {
  name: 'nft',
  run: (dice) => {
    const dump = mutate(dice.below(wholeShare) === 0 ? dice.of(dumps) : dice.below(2) === 0 ? textPiece(dice) : jsonPiece(dice), () => dice.below(2 ** 24) / 2 ** 24);
    const fault = nftFault(dump);
    if (fault !== undefined) throw new Error(`${fault}:\n${dump}`);
  },
};

/** A table of the real text with a handful of its chains and sets. */
function textPiece(dice: Dice): string {
  const { head, blocks } = dice.of(textTables);
  return `${head}${Array.from({ length: 1 + dice.below(4) }, () => dice.of(blocks)).join('')}}\n`;
}

/** A handful of objects of a real listing that stand beside each other. */
function jsonPiece(dice: Dice): string {
  const objects = dice.of(listings);
  const from = dice.below(objects.length);
  return JSON.stringify({ nftables: objects.slice(from, from + 1 + dice.below(5)) });
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The dump with one to three pieces cut out, doubled, swapped for a byte or for a word of nft. */
export function mutate(dump: string, random: () => number): string {
  const words = ['{', '}', ' drop', '"', '\n', ' . ', ',', '@', 'map', '[', ']', ':', '0', '-', '#', ' jump ', '\u0000', 'table ip z {\n'];
  let mutated = dump;
  for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
    const at = Math.floor(random() * mutated.length);
    const end = Math.min(mutated.length, at + Math.floor(random() ** 4 * 2000));
    const piece = [mutated.slice(at, end) + mutated.slice(at, end), '', words[Math.floor(random() * words.length)] ?? ''][Math.floor(random() * 3)] ?? '';
    mutated = mutated.slice(0, at) + piece + mutated.slice(end);
  }
  return mutated;
}

/**
 * Why the parsers treat a dump badly; undefined where they do not. What was read must come back from what is printed of
 * it, and each rule's line of a text must be in the model, in a table that is named as left out, or in no table at all.
 */
export function nftFault(dump: string): string | undefined {
  const isJson = dump.trimStart().startsWith('{');
  const { result, problems } = parse(isJson ? new NftJsonParser() : new NftTextParser(), dump);
  const printed = parse(new NftTextParser(), result.map(printNftTable).join(''));
  const [problem] = printed.problems;
  // A name or comment with a quote or a brace in it can be read of JSON alone; what was kept as it stood may be torn itself.
  const isKept = result.some(({ unrecognized, sets, maps }) => unrecognized.length > 0 || [...sets.values(), ...maps.values()].some(({ elements }) => elements.some(({ key }) => key.kind === 'unrecognized')));
  if (problem !== undefined && !isJson && !isKept) return `what is printed cannot be read: line ${String(problem.line)}, ${problem.message}`;
  JSON.stringify(result.flatMap(nftTableJson));
  return isJson || problems.length > 0 ? undefined : lostLine(dump, result);
}

function parse(parser: DumpParser<NftRulesetTable[]>, dump: string): ReturnType<DumpParser<NftRulesetTable[]>['end']> {
  // In two pieces, for a dump comes in chunks.
  const middle = dump.length >> 1;
  parser.push(dump.slice(0, middle));
  parser.push(dump.slice(middle));
  return parser.end();
}

/** The verdicts of a text, each of which the model must have: a rule that is lost is a packet that is let through. */
function lostLine(dump: string, tables: readonly NftRulesetTable[]): string | undefined {
  const count = (text: string): number => (text.match(/\b(?:drop|jump|goto|masquerade|dnat)\b/g) ?? []).length;
  const names = new Set<string>();
  for (const [, name] of dump.matchAll(/^table (\S+ \S+) \{/gm)) {
    // A table that is listed twice is one in the model; then its lines cannot be counted.
    if (name !== undefined && names.has(name)) return undefined;
    names.add(name ?? '');
  }
  const heads = [...dump.matchAll(/^\t((?:chain|set|map) [^\s{]+)\s*\{/gm)].map(([, head]) => head);
  const chains = heads.length;
  // Two sets of one name are one in the model, and which rule was of which is not to be told.
  if (new Set(heads).size < chains) return undefined;
  const inModel = tables.reduce((sum, table) => sum + table.chains.size + table.sets.size + table.maps.size, 0);
  // So are two chains of one name.
  if (chains !== inModel) return undefined;
  // nft reads nothing behind a sign of comment at a line's beginning.
  const [before, after] = [count(dump.replaceAll(/^\s*#.*$/gm, '')), count(tables.map(printNftTable).join(''))];
  return after >= before ? undefined : `${String(before)} verdicts were read, and ${String(after)} are in the model`;
}
