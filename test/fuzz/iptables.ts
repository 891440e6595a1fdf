/**
 * Dumps of iptables-save that are cut, spliced and altered. Whatever they are, each line is either in a problem or in
 * the model with every word; the walk over them ends, and names every rule that it could not decide.
 */
import { effectText } from '../../core/evaluate/action.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { ChainLoopError } from '../../core/evaluate/walk.ts';
import { parseIptablesSave } from '../../core/iptables/parse-save.ts';
import { parseIptablesRule } from '../../core/iptables/parse-rule.ts';
import { printIptablesRule } from '../../core/iptables/print.ts';
import type { IptablesRuleset } from '../../core/iptables/ruleset.ts';
import type { Dice } from './dice.ts';
import { canonicalRules } from '../support/iptables-canonical.ts';
import { foreignDumps, rulesetFolder } from '../fixtures/rulesets/foreign.ts';
import type { FuzzTarget } from './targets.ts';

const dumps = [
  ...['iptables-nft.txt', 'iptables-legacy.txt', 'ip6tables-nft.txt'].map((file) =>
    fileURLToPath(new URL(file, rulesetFolder)),
  ),
  ...foreignDumps,
].map((file) => readFileSync(file, 'utf8').split('\n'));
const rules = [
  ...canonicalRules.map((text) => `-A FORWARD ${text}`),
  ...dumps.flat().filter((line) => line.includes('-A ')),
];

export const iptablesTarget: FuzzTarget = {
  name: 'iptables',
  run: (dice) => {
    if (dice.below(10) === 0) checkDump(mutateDump(dice));
    else checkLine(mutateLine(dice.of(rules), dice));
  },
};

/** A piece of a real dump, altered. */
function mutateDump(dice: Dice): string {
  const lines = dice.of(dumps);
  const from = dice.below(2) === 0 ? 0 : dice.below(lines.length);
  const piece = lines.slice(from, from + 4 + dice.below(60));
  const header = ['*filter', ':FORWARD ACCEPT [0:0]', ':A - [0:0]', ':B - [0:0]'];
  const jumps = Array.from(
    { length: dice.below(6) },
    () =>
      `-A ${dice.of(['FORWARD', 'A', 'B'])} ${dice.of(['', '-p tcp ', '-m mark --mark 0x1 ', '-m statistic --mode random --probability 0.5 '])}${dice.of(['-j', '-g'])} ${dice.of(['A', 'B', 'ACCEPT', 'C'])}`,
  );
  const all = [
    ...(dice.below(2) === 0 ? [...header, ...jumps, ...piece.filter((line) => line.includes('-A ')), 'COMMIT'] : piece),
  ];
  for (let count = dice.below(4); count > 0; count -= 1) {
    const at = dice.below(all.length);
    const change = dice.below(5);
    if (change === 0) all.splice(at, 1);
    else if (change === 1) all.splice(at, 0, all[dice.below(all.length)] ?? '');
    else if (change === 2) all.splice(at, 1, mutateLine(all[at] ?? '', dice));
    else if (change === 3) all.splice(at, 2, `${all[at] ?? ''}${all[at + 1] ?? ''}`);
    else all.length = at;
  }
  return all.join('\n');
}

const pieces = [
  '"',
  '\\',
  '!',
  ' ',
  '-m ',
  '-j ',
  '--',
  ' ! ',
  '"x',
  '99999999999999999999',
  '0x',
  '/',
  ',',
  ':',
  '-',
  '',
  '[',
  ']',
  '-c 1 2 ',
  '-s ',
  '--dport 1:',
  'ü',
  '0.0.0.0/0',
  '+',
];

function mutateLine(line: string, dice: Dice): string {
  let text = line;
  for (let count = 1 + dice.below(3); count > 0; count -= 1) {
    const at = dice.below(text.length + 1);
    switch (dice.below(6)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + 1 + dice.below(6));
        break;
      case 1:
        text = text.slice(0, at) + dice.of(pieces) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + String.fromCharCode(32 + dice.below(95)) + text.slice(at + 1);
        break;
      case 3: {
        const words = text.split(' ');
        words.splice(dice.below(words.length), dice.below(2), dice.of(dice.of(rules).split(' ')));
        text = words.join(' ');
        break;
      }
      case 4:
        text = text.slice(0, at);
        break;
      default:
        text += ` ${dice.of(rules).slice(at)}`;
    }
  }
  return text;
}

function checkLine(line: string): void {
  const rule = parseIptablesRule(line.trim());
  if (rule === undefined) return;
  const printed = printIptablesRule(rule);
  const counters =
    rule.counters === undefined ? '' : ` -c ${String(rule.counters.packets)} ${String(rule.counters.bytes)}`;
  const truncated = rule.matches.some(({ options }) => options.some(({ kind }) => kind === 'truncated'));
  const left = new Map<string, number>();
  // A truncated word swallows what would stand behind it: the counters are looked for in front.
  for (const word of wordsOf(truncated ? `${counters} ${printed}` : printed + counters))
    left.set(word, (left.get(word) ?? 0) + 1);
  for (const word of wordsOf(line.trim())) {
    const count = left.get(word) ?? 0;
    if (count === 0 && !isRespelled(word)) throw new Error(`the word ${word} is lost:\n${line}\n${printed}`);
    left.set(word, count - 1);
  }
  walk([
    {
      family: 'IPv4',
      tables: new Map([['filter', new Map([['FORWARD', { rules: [{ ...rule, chain: 'FORWARD' }] }]])]]),
    },
  ]);
}

function checkDump(text: string): void {
  const { result, problems } = parseIptablesSave(text);
  const lines = text.split('\n').map((line) => line.trim());
  const read = result.reduce(
    (sum, { tables }) =>
      sum +
      [...tables.values()].reduce(
        (all, chains) => all + [...chains.values()].reduce((each, chain) => each + chain.rules.length, 0),
        0,
      ),
    0,
  );
  const written = lines.filter((line) => /^(?:\[|-)/.test(line)).length;
  if (read > written || (problems.length === 0 && read !== written))
    throw new Error(
      `of ${String(written)} rules ${String(read)} were read, with ${String(problems.length)} problems:\n${text}`,
    );
  for (const { line } of problems)
    if (line < 0 || line > lines.length)
      throw new Error(`a problem is of line ${String(line)} of ${String(lines.length)}:\n${text}`);
  walk(result);
}

function walk(iptables: readonly IptablesRuleset[]): void {
  for (const destination of ['10.96.198.84', 'fd00:10:96::3e87']) {
    const isIPv6 = destination.includes(':');
    try {
      const { leaves, steps, unknown } = walkRuleset(
        { iptables, nftables: [], ipSets: [], virtualServers: [], problems: [] },
        {
          source: isIPv6 ? 'fd00:10:244:1::77' : '10.244.1.77',
          destination,
          destinationPort: 80,
          protocol: 'TCP',
          entersAt: 'PREROUTING',
        },
        ['172.30.0.11'],
      );
      const sum = leaves.reduce((all, { probability }) => all + probability, 0);
      if (unknown.length === 0 && Math.abs(sum - 1) > 1e-9) throw new Error(`the branches sum to ${String(sum)}`);
      for (const step of steps) {
        const { rule, isUnknown } = step;
        if (isUnknown === true && !unknown.some((each) => each.includes(rule) || effectText(step).includes(each)))
          throw new Error(`a rule that was not decided is not named: ${rule}`);
      }
    } catch (error) {
      if (!(error instanceof ChainLoopError)) throw error;
    }
  }
}

const sameOption: ReadonlyMap<string, string> = new Map([
  ['--source', '-s'],
  ['--src', '-s'],
  ['--destination', '-d'],
  ['--dst', '-d'],
  ['--protocol', '-p'],
  ['--proto', '-p'],
  ['--in-interface', '-i'],
  ['--out-interface', '-o'],
  ['--append', '-A'],
  ['--match', '-m'],
  ['--jump', '-j'],
  ['--goto', '-g'],
  ['--set-counters', '-c'],
  ['--source-port', '--sport'],
  ['--destination-port', '--dport'],
  ['--fragment', '-f'],
  ['--set', '--match-set'],
]);

/** In one spelling: what is meant is compared, not how it was quoted or which base a number had. */
function wordsOf(text: string): string[] {
  const saved = /^\[(\d+):(\d+)\]/.exec(text);
  const rest = saved === null ? text : text.slice(saved[0].length);
  const words = [...rest.matchAll(/[^\s"]*"(?:[^"\\]|\\[\s\S])*"?|[^\s"]+/g)].map(([word]) =>
    word.replace(/"((?:[^"\\]|\\[\s\S])*)"?$/, (_all, inner: string) => inner.replace(/\\([\s\S])/g, '$1')),
  );
  return [...(saved === null ? [] : ['-c', saved[1] ?? '', saved[2] ?? '']), ...words].map(
    (word) => sameOption.get(word) ?? sameNumber(word.toLowerCase() === word ? word : word.toLowerCase()),
  );
}

/** Numbers in one base, and a range of one as that one. */
function sameNumber(word: string): string {
  return (
    sameOption.get(word) ??
    word.replace(/\b(?:0x[0-9a-f]+|\d+)\b/g, (number) => String(BigInt(number))).replace(/\b(\d+)[-:]\1\b/g, '$1')
  );
}

/** Values that are printed in a form of their own, of which the round trip of the unit tests takes care. */
function isRespelled(word: string): boolean {
  return (
    /^[\d.:,x/a-f-]*$/.test(word) ||
    /^--(?:syn|ports|sports|dports|source-ports|destination-ports|mask|state|ctstate|set-mark|and-mark|or-mark|xor-mark|tcp-flags)$/.test(
      word,
    ) ||
    /^(?:all|none|fin|syn|rst|psh|ack|urg|,)+$/.test(word)
  );
}
