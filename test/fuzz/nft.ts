/** Mutated listings of nft, text and JSON: never a crash, and no statement that is in no output. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nftTableJson } from '../../core/nft-print-json.ts';
import { printNftTable } from '../../core/nft-print-text.ts';
import type { NftRulesetTable } from '../../core/nft-table.ts';
import type { DumpParser } from '../../core/parse/dump-lines.ts';
import { NftJsonParser } from '../../core/parse/nft-ruleset.ts';
import { NftTextParser } from '../../core/parse/nft-text.ts';

/** What the runner of the fuzzing gives a case: chance that its seed and number decide. */
interface Dice {
  below(limit: number): number;
}

const dumps = ['nftables.txt', 'nftables.json'].map((file) => readFileSync(fileURLToPath(new URL(`../fixtures/rulesets/${file}`, import.meta.url)), 'utf8'));

/** A target of test/fuzz/run.ts. */
export const nftTarget = {
  name: 'nft',
  run(dice: Dice): void {
    const dump = mutate(dumps[dice.below(dumps.length)] ?? '', () => dice.below(2 ** 24) / 2 ** 24);
    const fault = nftFault(dump);
    if (fault !== undefined) throw new Error(fault);
  },
};

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
  // A name or comment with a quote or a brace in it can be read of JSON alone.
  if (problem !== undefined && !isJson) return `what is printed cannot be read: line ${String(problem.line)}, ${problem.message}`;
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
  const count = (text: string): number => text.split(/\s+/).filter((word) => word === 'drop' || word === 'jump' || word === 'goto' || word === 'masquerade' || word === 'dnat').length;
  const names = new Set<string>();
  for (const [, name] of dump.matchAll(/^table (\S+ \S+) \{/gm)) {
    // A table that is listed twice is one in the model; then its lines cannot be counted.
    if (name !== undefined && names.has(name)) return undefined;
    names.add(name ?? '');
  }
  const chains = [...dump.matchAll(/^\t(?:chain|set|map) (\S+) \{/gm)].length;
  const inModel = tables.reduce((sum, table) => sum + table.chains.size + table.sets.size + table.maps.size, 0);
  // So are two chains of one name.
  if (chains !== inModel) return undefined;
  const [before, after] = [count(dump), count(tables.map(printNftTable).join(''))];
  return after >= before ? undefined : `${String(before)} verdicts were read, and ${String(after)} are in the model`;
}
