/**
 * Mutated dumps of ipset, ipvsadm and conntrack. Whatever they are: no crash; the same answer in pieces as in one; each
 * problem is of a line that is there; and what is printed of the model reads as the model again.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConntrackDump } from '../../core/conntrack/parse-dump.ts';
import type { DumpParser } from '../../core/dump/lines.ts';
import { IpsetDump, parseIpset, printIpsetSave } from '../../core/ipset/parse.ts';
import { IpvsadmDump, parseIpvsadm, printIpvsadmSave } from '../../core/ipvs/parse.ts';
import type { Dice } from './dice.ts';
import type { FuzzTarget } from './targets.ts';

const read = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/rulesets/ipvs/${file}`, import.meta.url)), 'utf8');

const ipsets = [read('ipset-save.txt')];
const virtualServers = [read('ipvsadm-Sn.txt'), printed(read('ipvsadm-Sn.txt'))];
const entries = [
  'ipv4     2 tcp      6 399 ESTABLISHED src=10.244.1.4 dst=10.96.0.1 sport=4000 dport=80 packets=5 bytes=300 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=4000 packets=4 bytes=250 [ASSURED] mark=16384 use=1\n',
  'udp      17 29 src=fd00::4 dst=fd00:10:96::a sport=5353 dport=53 [UNREPLIED] src=fd00:10:96::a dst=fd00::4 sport=53 dport=5353 mark=0 zone=7 use=1 id=2685118768\n',
  '<?xml version="1.0" encoding="utf-8"?>\n<conntrack>\n<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.244.1.4</src><dst>10.96.0.10</dst></layer3><layer4 protonum="17" protoname="udp"><sport>5353</sport><dport>53</dport></layer4></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.96.0.10</src><dst>10.244.1.4</dst></layer3><layer4 protonum="17" protoname="udp"><sport>53</sport><dport>5353</dport></layer4></meta><meta direction="independent"><timeout>29</timeout><mark>0</mark><use>1</use><unreplied/></meta></flow>\n</conntrack>\n',
];

export const lineDumpTargets: readonly FuzzTarget[] = [
  {
    name: 'ipset',
    run: (dice) => {
      const { result } = checked(() => new IpsetDump(), mutated(ipsets, dice));
      again(result, printIpsetSave(result), parseIpset);
    },
  },
  {
    name: 'ipvsadm',
    run: (dice) => {
      const { result } = checked(() => new IpvsadmDump(), mutated(virtualServers, dice));
      // A persistence in ticks has no words in ipvsadm -Sn, and printing it is refused.
      if (result.virtualServers.some(({ persistenceTicks }) => persistenceTicks !== undefined)) return;
      printIpvsadmSave(result.virtualServers);
    },
  },
  {
    name: 'conntrack',
    run: (dice) => {
      const dump = mutated(entries, dice);
      const { result, problems } = checked(() => new ConntrackDump(), dump);
      const lines = dump.split('\n').filter((line) => line.trim() !== '').length;
      if (!dump.trimStart().startsWith('<') && result.length + problems.length < lines)
        throw new Error(
          `of ${String(lines)} lines ${String(result.length)} were read, with ${String(problems.length)} problems:\n${dump}`,
        );
    },
  },
];

/** Some lines of one of the dumps, with up to four pieces cut, doubled or swapped. */
function mutated(dumps: readonly string[], dice: Dice): string {
  const lines = dice.of(dumps).split('\n');
  const from = dice.below(2) === 0 ? 0 : dice.below(lines.length);
  let text = lines.slice(from, from + 1 + dice.below(12)).join('\n');
  for (let count = dice.below(5); count > 0; count -= 1) {
    const at = dice.below(text.length + 1);
    const end = Math.min(text.length, at + dice.below(30));
    text =
      text.slice(0, at) +
      dice.of([
        '',
        text.slice(at, end) + text.slice(at, end),
        '\n',
        '"',
        ' ',
        '=',
        '-',
        '0',
        '4294967296',
        '99999999999999999999',
        ':',
        '/',
        '\u0000',
        '<',
        '>',
        'src=',
        ' -r ',
        '__proto__',
        'add ',
        text.slice(at, end),
      ]) +
      text.slice(end);
  }
  return text;
}

/** The answer to the whole, which must be that to its pieces. */
function checked<Result>(make: () => DumpParser<Result>, dump: string): ReturnType<DumpParser<Result>['end']> {
  const whole = make();
  whole.push(dump);
  const answer = whole.end();
  const pieces = make();
  for (let at = 0; at < dump.length; at += 37) pieces.push(dump.slice(at, at + 37));
  if (JSON.stringify(pieces.end()) !== JSON.stringify(answer))
    throw new Error(`in pieces it reads as another dump:\n${dump}`);
  const lines = dump.split('\n').length;
  for (const { line } of answer.problems)
    if (line < 0 || line > lines) throw new Error(`a problem is of line ${String(line)} of ${String(lines)}:\n${dump}`);
  return answer;
}

function again<Result>(
  result: Result,
  text: string,
  parse: (text: string) => { readonly result: Result; readonly problems: readonly unknown[] },
): void {
  const back = parse(text);
  if (back.problems.length > 0 || JSON.stringify(back.result) !== JSON.stringify(result))
    throw new Error(`what is printed reads as another:\n${text}\n${JSON.stringify(back)}\n${JSON.stringify(result)}`);
}

function printed(text: string): string {
  return printIpvsadmSave(parseIpvsadm(text).result.virtualServers);
}
