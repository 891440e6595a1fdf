/** Listings of nft that are truncated, broken or come in pieces. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { printNftTable } from '../../../core/nftables/print.ts';
import type { NftRulesetTable } from '../../../core/nftables/table.ts';
import type { DumpParser } from '../../../core/dump/lines.ts';
import { NftJsonParser } from '../../../core/nftables/parse-json.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';

const read = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/rulesets/${file}`, import.meta.url)), 'utf8');
const good = 'table ip good {\n\tchain c {\n\t\taccept\n\t}\n}\n';

function parse(
  parser: DumpParser<NftRulesetTable[]>,
  ...chunks: readonly (string | Uint8Array)[]
): { names: string[]; problems: unknown } {
  for (const chunk of chunks) parser.push(chunk);
  const { result, problems } = parser.end();
  return { names: result.map(({ family, name }) => `${family} ${name}`), problems };
}

describe('a truncated text', () => {
  it.each([
    [
      'a chain that is not closed',
      `table ip x {\n\tchain y {\n\t\taccept\n${good}`,
      4,
      'another table begins before chain y is closed',
    ],
    [
      'elements that are not closed',
      `table ip x {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t}\n}\n${good}`,
      5,
      'the elements of set s are not closed',
    ],
    [
      'a rule with an open brace',
      `table ip x {\n\tchain y {\n\t\ttcp dport { 80,\n\t}\n}\n${good}`,
      4,
      'a line of chain y is broken (tcp dport { 80,)',
    ],
    [
      'a chain in a chain',
      `table ip x {\n\tchain y {\n\tchain z {\n\t}\n}\n${good}`,
      3,
      'chain z { begins before chain y is closed',
    ],
    [
      'bytes that are no UTF-8',
      new TextEncoder()
        .encode(`table ip x {\n\tchain y {\n\t\tQ\n\t}\n}\n${good}`)
        .map((byte) => (byte === 81 ? 0xff : byte)),
      3,
      'the line is not UTF-8 text; capture the dump again, with LC_ALL=C',
    ],
  ])('%s: its table is left out, the other is read', (_name, text, line, why) => {
    expect(parse(new NftTextParser(), text)).toEqual({
      names: ['ip good'],
      problems: [
        { line, table: 'ip x', message: `${why}: table ip x is truncated and left out; capture the listing again` },
      ],
    });
  });

  it('with a brace too many says where', () => {
    expect(parse(new NftTextParser(), `${good}}\n`)).toEqual({
      names: ['ip good'],
      problems: [{ line: 6, message: 'a brace is closed that was not opened' }],
    });
  });
});

describe('what is not understood of a text', () => {
  const set = (...lines: readonly string[]): string =>
    ['table ip x {', '\tset s {', ...lines.map((line) => `\t\t${line}`), '\t}', '}', ''].join('\n');

  it.each([
    ['flags constant junk', 4],
    ['flags interval,shiny', 4],
    ['policy memory please', 4],
    ['policy frugal', 4],
    ['size 12 or so', 4],
    ['timeout 1h later', 4],
    ['gc-interval soon', 4],
    ['auto-merge twice', 4],
    ['comment "a" b', 4],
    ['type mark', 4],
    ['typeof ip saddr', 4],
    ['counter and more', 4],
    ['colour red', 4],
  ])('as the line %s of a set, is kept in the set, named with its line, and printed once', (line, at) => {
    const text = set('type ipv4_addr', line, 'elements = { 10.0.0.1 }');
    const parser = new NftTextParser();
    parser.push(text);
    const { result, problems } = parser.end();
    expect(problems).toEqual([
      { line: at, message: `a line of set s of table ip x is not understood, and kept as it stands: ${line}` },
    ]);
    expect(result[0]?.sets.get('s')?.unrecognized).toEqual([line]);
    expect(result[0]?.unrecognized).toEqual([]);
    expect(result.map(printNftTable).join('').split(line)).toHaveLength(2);
  });

  it.each(['flags interval', 'policy memory', 'size 5', 'timeout 1m', 'gc-interval 1m', 'auto-merge', 'comment "x"'])(
    'is a second line %s of a set',
    (line) => {
      expect(parse(new NftTextParser(), set('type ipv4_addr', line, line)).problems).toEqual([
        { line: 5, message: `a line of set s of table ip x is not understood, and kept as it stands: ${line}` },
      ]);
    },
  );

  it('is what stands behind the brace of the elements', () => {
    const parser = new NftTextParser();
    parser.push(set('type ipv4_addr', 'elements = { 10.0.0.1,', '10.0.0.2 } timeout 5s'));
    const { result, problems } = parser.end();
    expect(problems).toEqual([
      { line: 5, message: 'a line of set s of table ip x is not understood, and kept as it stands: timeout 5s' },
    ]);
    expect(result[0]?.sets.get('s')).toMatchObject({
      elements: [{ key: { value: '10.0.0.1' } }, { key: { value: '10.0.0.2' } }],
      unrecognized: ['timeout 5s'],
    });
  });

  it('is an element, a block, an object and a line of the table', () => {
    const text =
      'table ip x {\n\tcolour red\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1 [ }\n\t}\n\tgadget g {\n\t\tturn left\n\t}\n\tcounter c {\n\t\tpackets 1 packets 2\n\t}\n\tquota q {\n\t\tcomment "a"\n\t\tcomment "b"\n\t\t5 bytes\n\t}\n}\n';
    expect(parse(new NftTextParser(), text).problems).toEqual([
      { line: 2, message: 'a part of table ip x is not understood, and kept as it stands: colour red' },
      { line: 5, message: 'an element of set s of table ip x is not understood, and kept as it stands: 10.0.0.1 [' },
      { line: 7, message: 'a part of table ip x is not understood, and kept as it stands: gadget g { turn left }' },
      {
        line: 10,
        message: 'a part of table ip x is not understood, and kept as it stands: counter c { packets 1 packets 2 }',
      },
      {
        line: 13,
        message:
          'a part of table ip x is not understood, and kept as it stands: quota q { comment "a" comment "b" 5 bytes }',
      },
    ]);
  });

  it('leaves the question open whether the set holds the packet', () => {
    const parser = new NftTextParser();
    parser.push(
      'table ip x {\n\tset s {\n\t\ttype ipv4_addr\n\t\tcolour red\n\t\telements = { 10.0.0.1 }\n\t}\n\tchain c {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tip saddr @s drop\n\t}\n}\n',
    );
    const { result, problems } = parser.end();
    const { leaves, unknown } = walkRuleset(
      { iptables: [], nftables: result, ipSets: [], virtualServers: [], problems },
      { source: '10.0.0.1', destination: '10.0.0.9', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
      ['10.0.0.9'],
    );
    expect(leaves.map(({ verdict }) => verdict)).toEqual(['UNKNOWN']);
    expect(unknown).toEqual([
      'ip saddr @s drop',
      'line 4: a line of set s of table ip x is not understood, and kept as it stands: colour red',
    ]);
  });
});

describe('what a listing has twice', () => {
  const truncated = (line: number, why: string): unknown => ({
    line,
    table: 'ip x',
    message: `${why}: table ip x is truncated and left out; capture the listing again`,
  });
  const table = (...blocks: readonly string[]): string =>
    `table ip x {\n${blocks.map((block) => `\t${block} {\n\t}\n`).join('')}}\n`;

  it.each([
    [table('chain c', 'chain c'), 5, 'chain c is there a second time'],
    [table('set s', 'map s'), 5, 'map s is there a second time'],
    [table('counter n', 'counter n'), 5, 'counter n is there a second time'],
    [
      table('chain c') + table('chain d'),
      5,
      'it is listed a second time, and both are left out, for they need not be of one moment',
    ],
  ])('in text, %j, leaves out its table alone', (text, line, why) => {
    expect(parse(new NftTextParser(), `${text}${good}`)).toEqual({
      names: ['ip good'],
      problems: expect.arrayContaining([truncated(line, why)]),
    });
  });

  const own = { family: 'ip', table: 'x' };
  it.each([
    ['chain c', { chain: { ...own, name: 'c' } }, 'chain c is there a second time'],
    ['set s', { set: { ...own, name: 's', type: 'mark' } }, 'set s is there a second time'],
    ['map s', { map: { ...own, name: 's', type: 'mark', map: 'verdict' } }, 'map s is there a second time'],
    ['counter n', { counter: { ...own, name: 'n', packets: 0, bytes: 0 } }, 'counter n is there a second time'],
    [
      'flowtable f',
      { flowtable: { ...own, name: 'f', hook: 'ingress', prio: 0 } },
      'flowtable f is there a second time',
    ],
    [
      'the table',
      { table: { family: 'ip', name: 'x' } },
      'it is listed a second time, and both are left out, for they need not be of one moment',
    ],
  ])('in JSON, %s, leaves out its table alone', (_name, object, why) => {
    const objects = [
      object,
      { table: { family: 'ip', name: 'good' } },
      object,
      { rule: { ...own, chain: 'c', expr: [{ accept: null }] } },
    ];
    expect(
      parse(new NftJsonParser(), `{"nftables": [\n${objects.map((each) => JSON.stringify(each)).join(',\n')}]}`),
    ).toEqual({ names: ['ip good'], problems: [truncated(4, why)] });
  });

  it('is not the rules of a chain that come before it', () => {
    const parser = new NftJsonParser();
    parser.push(
      JSON.stringify({
        nftables: [{ rule: { ...own, chain: 'c', expr: [{ accept: null }] } }, { chain: { ...own, name: 'c' } }],
      }),
    );
    expect(parser.end()).toMatchObject({
      problems: [],
      result: [{ chains: new Map([['c', { rules: [{ chain: 'c' }] }]]) }],
    });
  });
});

describe('what is not understood of a JSON', () => {
  const own = { family: 'ip', table: 'x', name: 'n' };
  it.each([
    ['half a hook', { chain: { ...own, type: 'filter', hook: 'input' } }],
    ['a field of a chain', { chain: { ...own, colour: 'red' } }],
    ['a field of a table', { table: { family: 'ip', name: 'x', colour: 'red' } }],
    ['a field of a flowtable', { flowtable: { ...own, hook: 'ingress', prio: 0, colour: 'red' } }],
    ['a flag of a set', { set: { ...own, type: 'mark', flags: ['shiny'] } }],
    ['a field beside typeof', { set: { ...own, type: { typeof: { meta: { key: 'mark' } }, colour: 'red' } } }],
    ['a map without values', { map: { ...own, type: 'mark' } }],
    ['a set with values', { set: { ...own, type: 'mark', map: 'verdict' } }],
    ['a second key', { chain: own, rule: { family: 'ip', table: 'x', chain: 'n', expr: [] } }],
    ['a rule without a list', { rule: { family: 'ip', table: 'x', chain: 'n', expr: 'accept' } }],
  ])('as %s, is kept and named', (_name, object) => {
    const parser = new NftJsonParser();
    parser.push(JSON.stringify({ nftables: [object] }));
    const { result, problems } = parser.end();
    expect(problems).toEqual([
      {
        line: 1,
        message: `a part of table ip x is not understood, and kept as it stands: ${JSON.stringify(object).slice(0, 80)}`,
      },
    ]);
    expect(result.flatMap(({ unrecognized }) => unrecognized.map(({ json }) => json))).toEqual([object]);
  });

  it('of a rule itself stands before its statements, as it may be a condition', () => {
    const parser = new NftJsonParser();
    parser.push(
      JSON.stringify({
        nftables: [{ rule: { family: 'ip', table: 'x', chain: 'c', colour: 'red', expr: [{ drop: null }] } }],
      }),
    );
    expect(parser.end().result[0]?.chains.get('c')?.rules[0]?.statements).toEqual([
      { kind: 'unrecognized', text: '{"colour":"red"}', json: { colour: 'red' } },
      { kind: 'verdict', verdict: { kind: 'drop' } },
    ]);
  });

  it('is a circle of chains, reported with its line', () => {
    const rule = (chain: string, target: string): unknown => ({
      rule: { family: 'ip', table: 'x', chain, expr: [{ jump: { target } }] },
    });
    const objects = [
      { chain: { ...own, name: 'a', type: 'filter', hook: 'input', prio: 0 } },
      { chain: { ...own, name: 'b' } },
      rule('a', 'b'),
      rule('b', 'a'),
      { table: { family: 'ip', name: 'good' } },
    ];
    expect(
      parse(new NftJsonParser(), `{"nftables": [\n${objects.map((each) => JSON.stringify(each)).join(',\n')}]}`),
    ).toEqual({
      names: ['ip good'],
      problems: [
        {
          line: 5,
          table: 'ip x',
          message:
            'the rules jump in a circle, a -> b -> a, which no kernel takes: table ip x is truncated and left out; capture the listing again',
        },
      ],
    });
  });
});

describe('a truncated JSON', () => {
  const objects =
    '{"nftables": [{"table": {"family": "ip", "name": "good"}}, {"table": {"family": "ip", "name": "x"}},\n{"chain": {"family": "ip", "table": "x", "name": "c"}}, {"rule": {"fam';

  it('leaves out the table that may not be whole', () => {
    expect(parse(new NftJsonParser(), objects)).toEqual({
      names: ['ip good'],
      problems: [
        {
          line: 2,
          table: 'ip x',
          message: expect.stringContaining(
            '(it ends before its last brace); table ip x may not be whole and is left out, and so is all that came after',
          ),
        },
      ],
    });
  });

  it('that breaks in its middle says why', () => {
    const { names, problems } = parse(new NftJsonParser(), `${objects.slice(0, objects.lastIndexOf('{"rule"'))}]]`);
    expect(names).toEqual(['ip good']);
    expect(problems).toEqual([expect.objectContaining({ line: 2, table: 'ip x' })]);
  });

  it('keeps an object and a field that it does not know', () => {
    const parser = new NftJsonParser();
    parser.push(
      '{"nftables": [{"table": {"family": "ip", "name": "x"}}, {"gadget": {"family": "ip", "table": "x", "name": "g"}}, {"set": {"family": "ip", "table": "x", "name": "s", "type": "mark", "colour": "red"}}]}\n',
    );
    const { result, problems } = parser.end();
    expect(problems).toEqual([
      {
        line: 1,
        message:
          'a part of table ip x is not understood, and kept as it stands: {"gadget":{"family":"ip","table":"x","name":"g"}}',
      },
      {
        line: 1,
        message:
          'a part of table ip x is not understood, and kept as it stands: {"set":{"family":"ip","table":"x","name":"s","type":"mark","colour":"red"}}',
      },
    ]);
    expect(result[0]?.unrecognized.map(({ json }) => json)).toEqual([
      { gadget: { family: 'ip', table: 'x', name: 'g' } },
      { set: { family: 'ip', table: 'x', name: 's', type: 'mark', colour: 'red' } },
    ]);
  });
});

describe('a listing in pieces', () => {
  it.each([
    ['nftables.txt', (): DumpParser<NftRulesetTable[]> => new NftTextParser()],
    ['nftables.json', (): DumpParser<NftRulesetTable[]> => new NftJsonParser()],
  ] as const)('%s is read as it is whole', (file, parser) => {
    const bytes = new TextEncoder().encode(read(file));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 997) pieces.push(bytes.subarray(at, at + 997));
    const [whole, cut] = [parser(), parser()];
    whole.push(bytes);
    for (const piece of pieces) cut.push(piece);
    expect(cut.end()).toEqual(whole.end());
  });
});
