/** The parsers and printers of nftables against the kernel: what it lists is read alike in both forms, and loads again. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { nftTableJson } from '../support/print-nft-json.ts';
import { printNftTable } from '../../core/nftables/print.ts';
import type { NftRulesetTable, NftSet } from '../../core/nftables/table.ts';
import type { DumpParser } from '../../core/dump/lines.ts';
import { NftJsonParser } from '../../core/nftables/parse-json.ts';
import { NftTextParser } from '../../core/nftables/parse-text.ts';
import { foreignNftDumps } from '../fixtures/rulesets/foreign.ts';
import { comparableTable } from '../support/comparable-table.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['nft']);
const folder = fileURLToPath(new URL('../fixtures/nft/', import.meta.url));
const between = '\n=====\n';

function read(parser: DumpParser<NftRulesetTable[]>, listing: string): NftRulesetTable[] {
  parser.push(listing);
  const { result, problems } = parser.end();
  expect(problems).toEqual([]);
  return result;
}

const fromText = (listing: string): NftRulesetTable[] => read(new NftTextParser(), listing);
const fromJson = (listing: string): NftRulesetTable[] => read(new NftJsonParser(), listing);

/** Both listings of what a script loads. */
async function listed(script: string, input = ''): Promise<{ text: string; json: string }> {
  const output = await inNamespace(`${script}\nnft list ruleset\nprintf '%s' '${between}'\nnft -j list ruleset`, input);
  const [text = '', json = ''] = output.split(between);
  return { text, json };
}

const unrecognizedOf = (tables: readonly NftRulesetTable[]): string[] =>
  tables.flatMap(({ chains, unrecognized }) => [
    ...unrecognized.map(({ text }) => text),
    ...[...chains.values()].flatMap(({ rules }) =>
      rules.flatMap(({ statements }) =>
        statements.flatMap((statement) => (statement.kind === 'unrecognized' ? [statement.text] : [])),
      ),
    ),
  ]);

const rulesOf = (tables: readonly NftRulesetTable[]): number =>
  tables.reduce((sum, { chains }) => sum + [...chains.values()].reduce((all, { rules }) => all + rules.length, 0), 0);

const statements = readFileSync(`${folder}statements.txt`, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

describe.skipIf(unavailable !== undefined)('a table of every statement', () => {
  let text = '';
  let json = '';

  beforeAll(async () => {
    const rules = statements.map((line) => line.replace(/^(\S+): /, 'add rule ip t $1 ')).join('\n');
    ({ text, json } = await listed('nft -f -', `${readFileSync(`${folder}statements.nft`, 'utf8')}\n${rules}\n`));
  });

  it('is read alike from text and from JSON, with nothing unrecognized', () => {
    const [one, other] = [fromText(text), fromJson(json)];
    expect(unrecognizedOf(one)).toEqual([]);
    expect(unrecognizedOf(other)).toEqual([]);
    // One more than the lines: the chain c2 has a rule of its own.
    expect([rulesOf(one), rulesOf(other)]).toEqual([statements.length + 1, statements.length + 1]);
    expect(one.map(comparableTable)).toEqual(other.map(comparableTable));
  });

  it.each([
    ['text', fromText, (): string => text],
    ['JSON', fromJson, (): string => json],
  ] as const)(
    'printed as text from the model of its %s, loads and is listed as it was',
    async (_form, parse, listing) => {
      const again = await listed('nft -f -', parse(listing()).map(printNftTable).join(''));
      expect(fromText(again.text).map(comparableTable)).toEqual(parse(listing()).map(comparableTable));
      expect(fromJson(again.json).map(comparableTable)).toEqual(parse(listing()).map(comparableTable));
    },
  );

  // What is left out here goes round through text, in the test before.
  it('printed as JSON, loads and is listed as it was, but for what nft cannot say in JSON', async () => {
    const tables = fromJson(json).map((table) => ({
      ...table,
      // What nft 1.0.6 prints as JSON and does not read as such: a synproxy, an expectation and a policy of time-outs,
      // a map to concatenations, and one to ranges.
      objects: table.objects.filter(({ kind }) => !['synproxy', 'ct expectation', 'ct timeout'].includes(kind)),
      maps: new Map(
        [...table.maps].filter(([name, { data = [] }]) => data.length === 1 && !['m5', 'm6'].includes(name)),
      ),
      chains: new Map(
        [...table.chains].map(([name, chain]) => [
          name,
          {
            ...chain,
            rules: chain.rules.filter(
              ({ statements: each }) =>
                !/"name":"m2"|ct expectation|ct timeout/.test(JSON.stringify(each)) && !each.some(isTextInJson),
            ),
          },
        ]),
      ),
    }));
    // The rules that ask for them, and an update of a map, which it prints as text within its JSON.
    expect(rulesOf(fromJson(json)) - rulesOf(tables)).toBe(4);
    const again = await listed('cat | nft -j -f -', JSON.stringify({ nftables: tables.flatMap(nftTableJson) }));
    expect(fromJson(again.json).map(comparableTable)).toEqual(tables.map(comparableTable));
  });
});

function withoutComment({ comment: _comment, ...set }: NftSet): NftSet {
  return set;
}

function isTextInJson(statement: { readonly kind: string; readonly element?: { readonly value?: unknown } }): boolean {
  return statement.kind === 'setUpdate' && statement.element?.value !== undefined;
}

describe.skipIf(unavailable !== undefined)("a recorded node's nftables", () => {
  const ruleset = (file: string): string =>
    readFileSync(fileURLToPath(new URL(`../fixtures/rulesets/${file}`, import.meta.url)), 'utf8');

  it.each([
    ['nftables.txt', fromText],
    ['nftables.json', fromJson],
  ] as const)('%s loads as it is printed, in both forms', async (file, parse) => {
    // The tables of iptables-nft have extensions that nft shows and cannot load.
    const tables = parse(ruleset(file)).filter(({ name }) => name === 'kube-proxy');
    expect(tables).toHaveLength(2);
    const printed = await listed('nft -f -', tables.map(printNftTable).join(''));
    expect(fromText(printed.text).map(comparableTable)).toEqual(tables.map(comparableTable));
    expect(fromJson(printed.json).map(comparableTable)).toEqual(tables.map(comparableTable));
    // nft 1.0.6 neither prints nor reads the flag dynamic in JSON, and does not read the comments of sets.
    const plain = tables.map((table) => ({
      ...table,
      sets: new Map(
        [...table.sets].map(([name, set]) => [
          name,
          withoutComment({ ...set, flags: set.flags.filter((flag) => flag !== 'dynamic') }),
        ]),
      ),
      maps: new Map([...table.maps].map(([name, map]) => [name, withoutComment(map)])),
    }));
    const loaded = await listed('cat | nft -j -f -', JSON.stringify({ nftables: plain.flatMap(nftTableJson) }));
    expect(fromJson(loaded.json).map(comparableTable)).toEqual(plain.map(comparableTable));
  });
});

describe.skipIf(unavailable !== undefined)('the ruleset of', () => {
  it.each(
    foreignNftDumps.flatMap(
      ({ program, text, json }) =>
        [
          [program, 'text', fromText, text],
          [program, 'JSON', fromJson, json],
        ] as const,
    ),
  )(
    '%s, printed as text from the model of its %s, loads and is listed as it was',
    async (_program, _form, parse, listing) => {
      const tables = parse(listing).map(comparableTable);
      const again = await listed('nft -f -', parse(listing).map(printNftTable).join(''));
      expect(fromText(again.text).map(comparableTable)).toEqual(tables);
      expect(fromJson(again.json).map(comparableTable)).toEqual(tables);
    },
  );
});

describe.skipIf(unavailable !== undefined)('the tables of kube-proxy', () => {
  const releases = fileURLToPath(new URL('../fixtures/kube-proxy/', import.meta.url));
  it.each(
    readdirSync(releases)
      .filter((name) => name.startsWith('v'))
      .sort(),
  )('%s, printed as text from the model of their JSON, load and are listed as they were', async (release) => {
    const tables = fromJson(readFileSync(`${releases}${release}/nftables.json`, 'utf8'));
    const again = await listed('nft -f -', tables.map(printNftTable).join(''));
    expect(fromJson(again.json).map(comparableTable)).toEqual(tables.map(comparableTable));
    expect(fromText(again.text).map(comparableTable)).toEqual(tables.map(comparableTable));
  });
});
