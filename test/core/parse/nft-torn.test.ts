/** Listings of nft that are torn, broken or come in pieces. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { NftRulesetTable } from '../../../core/nft-table.ts';
import type { DumpParser } from '../../../core/parse/dump-lines.ts';
import { NftJsonParser } from '../../../core/parse/nft-ruleset.ts';
import { NftTextParser } from '../../../core/parse/nft-text.ts';
import { mutate, nftFault, randomOf } from '../../fuzz/nft.ts';

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../../fixtures/rulesets/${file}`, import.meta.url)), 'utf8');
const good = 'table ip good {\n\tchain c {\n\t\taccept\n\t}\n}\n';

function parse(parser: DumpParser<NftRulesetTable[]>, ...chunks: readonly (string | Uint8Array)[]): { names: string[]; problems: unknown } {
  for (const chunk of chunks) parser.push(chunk);
  const { result, problems } = parser.end();
  return { names: result.map(({ family, name }) => `${family} ${name}`), problems };
}

describe('a torn text', () => {
  it.each([
    ['a chain that is not closed', `table ip x {\n\tchain y {\n\t\taccept\n${good}`, 4, 'another table begins before chain y is closed'],
    ['elements that are not closed', `table ip x {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t}\n}\n${good}`, 5, 'the elements of set s are not closed'],
    ['a rule with an open brace', `table ip x {\n\tchain y {\n\t\ttcp dport { 80,\n\t}\n}\n${good}`, 4, 'a line of chain y is broken (tcp dport { 80,)'],
    ['a chain in a chain', `table ip x {\n\tchain y {\n\tchain z {\n\t}\n}\n${good}`, 3, 'chain z { begins before chain y is closed'],
    ['bytes that are no UTF-8', new TextEncoder().encode(`table ip x {\n\tchain y {\n\t\tQ\n\t}\n}\n${good}`).map((byte) => (byte === 81 ? 0xff : byte)), 3, 'the line is not UTF-8 text; make the dump anew, with LC_ALL=C'],
  ])('%s: its table is left out, the other is read', (_name, text, line, why) => {
    expect(parse(new NftTextParser(), text)).toEqual({ names: ['ip good'], problems: [{ line, table: 'ip x', message: `${why}: table ip x is torn and left out; make the listing anew` }] });
  });

  it('with a brace too many says where', () => {
    expect(parse(new NftTextParser(), `${good}}\n`)).toEqual({ names: ['ip good'], problems: [{ line: 6, message: 'a brace is closed that was not opened' }] });
  });
});

describe('a torn JSON', () => {
  const objects = '{"nftables": [{"table": {"family": "ip", "name": "good"}}, {"table": {"family": "ip", "name": "x"}},\n{"chain": {"family": "ip", "table": "x", "name": "c"}}, {"rule": {"fam';

  it('leaves out the table that may not be whole', () => {
    expect(parse(new NftJsonParser(), objects)).toEqual({
      names: ['ip good'],
      problems: [{ line: 2, table: 'ip x', message: expect.stringContaining('(it ends before its last brace); table ip x may not be whole and is left out, and so is all that came after') }],
    });
  });

  it('that breaks in its middle says why', () => {
    const { names, problems } = parse(new NftJsonParser(), `${objects.slice(0, objects.lastIndexOf('{"rule"'))}]]`);
    expect(names).toEqual(['ip good']);
    expect(problems).toEqual([expect.objectContaining({ line: 2, table: 'ip x' })]);
  });

  it('keeps an object and a field that it does not know', () => {
    const parser = new NftJsonParser();
    parser.push('{"nftables": [{"table": {"family": "ip", "name": "x"}}, {"gadget": {"family": "ip", "table": "x", "name": "g"}}, {"set": {"family": "ip", "table": "x", "name": "s", "type": "mark", "colour": "red"}}]}\n');
    const { result, problems } = parser.end();
    expect(problems).toEqual([]);
    expect(result[0]?.unrecognized.map(({ json }) => json)).toEqual([{ gadget: { family: 'ip', table: 'x', name: 'g' } }, { set: { family: 'ip', table: 'x', name: 's', type: 'mark', colour: 'red' } }]);
  });
});

describe('a listing in pieces', () => {
  it.each([['nftables.txt', (): DumpParser<NftRulesetTable[]> => new NftTextParser()], ['nftables.json', (): DumpParser<NftRulesetTable[]> => new NftJsonParser()]] as const)('%s is read as it is whole', (file, parser) => {
    const bytes = new TextEncoder().encode(read(file));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 997) pieces.push(bytes.subarray(at, at + 997));
    const [whole, cut] = [parser(), parser()];
    whole.push(bytes);
    for (const piece of pieces) cut.push(piece);
    expect(cut.end()).toEqual(whole.end());
  });
});

describe('a mutated listing', () => {
  it.each(['nftables.txt', 'nftables.json'])('%s never crashes the parser, and loses no rule silently', { timeout: 60_000 }, (file) => {
    const dump = read(file);
    for (let seed = 1; seed <= 60; seed += 1) {
      const mutated = mutate(dump, randomOf(seed));
      expect(nftFault(mutated), `seed ${String(seed)}`).toBeUndefined();
    }
  });
});
