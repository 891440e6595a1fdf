/** kube-proxy's nftables table over netlink, against the kernel: the same as `nft -j list` tells, or nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { printNftTable } from '../../core/nft-print-text.ts';
import type { NftRulesetTable, NftSet } from '../../core/nft-table.ts';
import { parseNftElements } from '../../core/parse/nft-json.ts';
import { keyWords, withProtocolName } from '../../core/parse/nft-elements.ts';
import { NftJsonParser } from '../../core/parse/nft-ruleset.ts';
import { nftElementJson } from '../../core/nft-print-json.ts';
import { comparableTable } from '../core/comparable-table.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import { readingSchema, type Reading, type ReadingRequest } from './read-nft-table.ts';

const unavailable = kernelUnavailable(['nft', 'perl']);
const fixtures = fileURLToPath(new URL('../fixtures/kube-proxy/', import.meta.url));
const releases = readdirSync(fixtures).filter((name) => name.startsWith('v'));
const reader = `${process.execPath} ${fileURLToPath(new URL('./read-nft-table.ts', import.meta.url))}`;

function parsed(json: string): NftRulesetTable[] {
  const parser = new NftJsonParser();
  parser.push(json);
  return parser.end().result.filter(({ name }) => name === 'kube-proxy');
}

const kubeProxyTables = (release: string): NftRulesetTable[] => parsed(readFileSync(`${fixtures}${release}/nftables.json`, 'utf8'));
const familyOf = ({ family }: NftRulesetTable): 'IPv4' | 'IPv6' => (family === 'ip' ? 'IPv4' : 'IPv6');

const wordsOf = (set: NftSet): readonly (readonly string[])[] =>
  set.elements.map((element) => {
    const json = nftElementJson(element);
    return withProtocolName(keyWords(Array.isArray(json) ? (json as readonly unknown[])[0] : json) ?? []);
  });

/** Everything of a table, and for each set a key that it has not. */
function wholeRequest(table: NftRulesetTable): ReadingRequest {
  const sets = [...table.sets.values(), ...table.maps.values()].filter(({ flags }) => !flags.includes('interval'));
  const keys = sets.flatMap((set) => [...wordsOf(set), ...wordsOf(set).slice(0, 1).map((words) => words.map((word) => (/^\d+$/.test(word) ? '1' : word === 'tcp' ? 'sctp' : word)))].map((key) => ({ name: set.name, key: [...key] })));
  return { family: familyOf(table), chains: [...table.chains.keys(), 'not-there'], keys, sets: sets.map(({ name }) => name) };
}

/** What a script's last lines are made of: a listing of all, and what was read over netlink. */
async function readBoth(script: string, requests: readonly ReadingRequest[], rules = ''): Promise<{ listed: NftRulesetTable[]; read: Reading[] }> {
  const output = await inNamespace(`cat > /dev/shm/$$.rules; nft -f /dev/shm/$$.rules; rm /dev/shm/$$.rules\n${script}\n${reader} <<'REQUEST'\n${JSON.stringify(requests)}\nREQUEST\nnft -j list ruleset`, rules);
  const [answers = '', listing = ''] = output.split('\n');
  return { listed: parsed(listing), read: readingSchema.parse(JSON.parse(answers)) };
}

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

/** A table of these chains alone, as the parser of listings makes it of their objects. */
function tableOf(table: NftRulesetTable, objects: readonly object[]): unknown {
  const [own] = parsed(JSON.stringify({ nftables: [{ metainfo: { json_schema_version: 1 } }, ...objects] }));
  return own === undefined ? undefined : comparableTable({ ...own, sets: table.sets, maps: table.maps });
}

const withoutExpiry = (elements: readonly unknown[]): string[] => (parseNftElements(elements) ?? []).map(({ expires: _, ...element }) => JSON.stringify(nftElementJson(element))).sort();

describe('what each release of kube-proxy wrote', () => {
  for (const release of releases) {
    kernelTest(`${release} is read over netlink as nft lists it, rule by rule and element by key`, async () => {
      const tables = kubeProxyTables(release);
      expect(tables).toHaveLength(2);
      const { listed, read } = await readBoth('', tables.map(wholeRequest), tables.map(printNftTable).join(''));
      listed.forEach((table, index) => {
        const reading = read[index];
        if (reading === undefined || 'error' in reading) throw new Error(JSON.stringify(reading));
        const chains = new Map(reading.chains);
        expect(chains.get('not-there')).toBeNull();
        const objects = [...table.chains.keys()].flatMap((name) => chains.get(name) ?? []);
        expect(tableOf(table, objects)).toEqual(comparableTable(table));
        const sets = [...table.sets.values(), ...table.maps.values()];
        for (const set of sets) expect([set.name, ...withoutExpiry(reading.elements[set.name] ?? [])]).toEqual([set.name, ...withoutExpiry(set.elements.map(nftElementJson))]);
        expect(reading.timeouts).toEqual(Object.fromEntries(sets.flatMap(({ name, timeout }) => (timeout === undefined ? [] : [[name, timeout]]))));
      });
      expect(listed.reduce((sum, { chains }) => sum + [...chains.values()].reduce((all, { rules }) => all + rules.length, 0), 0)).toBeGreaterThan(200);
    });
  }
});
