/** Tables of nftables read over netlink, against the kernel: the same as `nft -j list` prints, or not over netlink. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { nftElementJson } from '../support/print-nft-json.ts';
import { printNftTable } from '../../core/nftables/print.ts';
import type { NftRulesetTable, NftSet } from '../../core/nftables/table.ts';
import { keyWords, withProtocolName } from '../../core/nftables/map-elements.ts';
import { parseNftElements } from '../../core/nftables/parse-json-rule.ts';
import { NftJsonParser } from '../../core/nftables/parse-json.ts';
import { netlinkCommand } from '../../probe/rules/netlink-socket.ts';
import { comparableTable } from '../support/comparable-table.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import { readingsSchema, type Reading, type ReadingRequest } from './read-nft-table.ts';

const unavailable = kernelUnavailable(['nft', 'perl', 'setpriv']);
const reader = `${process.execPath} ${fileURLToPath(new URL('./read-nft-table.ts', import.meta.url))}`;
const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

function parsed(json: string): NftRulesetTable[] {
  const parser = new NftJsonParser();
  parser.push(json);
  return parser.end().result;
}

/** Loads rules, reads them as requested, and lists them. */
async function readBoth(
  rules: string,
  requests: readonly ReadingRequest[],
): Promise<{ readings: Reading[]; listed: NftRulesetTable[] }> {
  const output = await inNamespace(
    `nft -f -\n${reader} <<'REQUEST'\n${JSON.stringify(requests)}\nREQUEST\nnft -j list ruleset`,
    rules,
  );
  const [answers = '', listing = ''] = output.split('\n');
  return { readings: readingsSchema.parse(JSON.parse(answers)), listed: parsed(listing) };
}

const nothing: ReadingRequest = { family: 'IPv4', table: 'kube-proxy', chains: [], keys: [], sets: [], changes: 0 };

/** The parsed table of these objects alone. */
function comparableObjects(objects: readonly object[]): unknown {
  const [table] = parsed(JSON.stringify({ nftables: [{ metainfo: { json_schema_version: 1 } }, ...objects] }));
  return table === undefined ? undefined : comparableTable(table);
}

function comparableChains(table: NftRulesetTable, names: readonly string[] = [...table.chains.keys()]): unknown {
  return comparableTable({
    ...table,
    sets: new Map(),
    maps: new Map(),
    objects: [],
    chains: new Map(
      names.flatMap((name) => {
        const chain = table.chains.get(name);
        return chain === undefined ? [] : [[name, chain] as const];
      }),
    ),
  });
}

const wordsOf = (set: NftSet): readonly (readonly string[])[] =>
  set.elements.map((element) => {
    const json = nftElementJson(element);
    return withProtocolName(keyWords(Array.isArray(json) ? (json as readonly unknown[])[0] : json) ?? []);
  });

/** Elements as texts, without the time that they have left. */
const textsOf = (elements: readonly unknown[]): string[] =>
  (parseNftElements(elements) ?? [])
    .map(({ expires: _, ...element }) => JSON.stringify(nftElementJson(element)))
    .sort();

describe('what each release of kube-proxy wrote', () => {
  for (const release of readdirSync(fixture('kube-proxy')).filter((name) => name.startsWith('v'))) {
    kernelTest(`${release} is read over netlink as nft lists it, rule by rule and element by key`, async () => {
      const tables = parsed(readFileSync(fixture(`kube-proxy/${release}/nftables.json`), 'utf8')).filter(
        ({ name }) => name === 'kube-proxy',
      );
      expect(tables.map(({ family }) => family)).toEqual(['ip', 'ip6']);
      const setsOf = ({ sets, maps }: NftRulesetTable): NftSet[] => [...sets.values(), ...maps.values()];
      // 1.29 has a set of intervals, which is not asked by key.
      const askedSets = (table: NftRulesetTable): NftSet[] =>
        setsOf(table).filter(({ flags }) => !flags.includes('interval'));
      // For each set also a key that it has not.
      const otherKey = (words: readonly string[]): readonly string[] =>
        words.map((word) => (/^\d+$/.test(word) ? '1' : word));
      const keysOf = (set: NftSet): readonly (readonly string[])[] => [
        ...wordsOf(set),
        ...wordsOf(set).slice(0, 1).map(otherKey),
      ];
      const requests = tables.map((table): ReadingRequest => ({
        family: table.family === 'ip' ? 'IPv4' : 'IPv6',
        table: 'kube-proxy',
        chains: [...table.chains.keys(), 'not-there'],
        keys: askedSets(table).flatMap((set) => keysOf(set).map((key) => ({ name: set.name, key: [...key] }))),
        sets: setsOf(table).map(({ name }) => name),
        changes: 0,
      }));
      const { readings, listed } = await readBoth(tables.map(printNftTable).join(''), requests);
      expect(listed.map(comparableTable)).toEqual(tables.map(comparableTable));
      listed.forEach((table, index) => {
        const reading = readings[index];
        const chains = new Map(reading?.chains);
        expect(reading).toMatchObject({ programs: ['perl'], attempts: 1 });
        expect(chains.get('not-there')).toBeNull();
        expect(comparableObjects([...table.chains.keys()].flatMap((name) => chains.get(name) ?? []))).toEqual(
          comparableChains(table),
        );
        for (const set of askedSets(table))
          expect([set.name, ...textsOf(reading?.elements[set.name] ?? [])]).toEqual([
            set.name,
            ...textsOf(set.elements.map(nftElementJson)),
          ]);
        expect(reading?.timeouts).toEqual(
          Object.fromEntries(
            setsOf(table).flatMap(({ name, timeout }) => (timeout === undefined ? [] : [[name, timeout]])),
          ),
        );
      });
    });
  }
});

kernelTest('every statement is read over netlink as nft lists it, or not over netlink', async () => {
  const statements = readFileSync(fixture('nft/statements.txt'), 'utf8')
    .split('\n')
    .flatMap((line) => /^\w+: (.*)$/.exec(line)?.[1] ?? []);
  const chain = (index: number): string => `statement-${String(index)}`;
  const rules = statements
    .map((statement, index) => `add chain ip t ${chain(index)}\nadd rule ip t ${chain(index)} ${statement}`)
    .join('\n');
  const { readings, listed } = await readBoth(
    `${readFileSync(fixture('nft/statements.nft'), 'utf8')}\n${rules}\n`,
    statements.map((_, index) => ({ ...nothing, table: 't', chains: [chain(index)] })),
  );
  const [table] = listed;
  if (table === undefined) throw new Error('nothing was listed');
  const different = statements.filter((_, index) => {
    const chains = new Map(readings[index]?.chains);
    const names = [...chains.keys()].toSorted();
    return !isDeepStrictEqual(
      comparableObjects(names.flatMap((name) => chains.get(name) ?? [])),
      comparableChains(table, names),
    );
  });
  expect(different).toEqual([]);
  const overNetlink = statements.filter((_, index) => readings[index]?.programs.join() === 'perl');
  expect(overNetlink).toEqual(
    expect.arrayContaining([
      'ct state new counter',
      'meta mark set meta mark | 0x4000',
      'ip saddr { 10.0.0.0/8, 1.2.3.4-1.2.3.9 } accept',
      'numgen random mod 2 vmap { 0 : jump c2, 1 : drop }',
      'masquerade',
    ]),
  );
  expect(overNetlink).not.toEqual(expect.arrayContaining(['limit rate 5/second accept']));
  expect(readings.filter(({ programs }) => programs.join() === 'perl,nft')).toHaveLength(
    statements.length - overNetlink.length,
  );
});

const twoServices = `
table ip kube-proxy {
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain service-a { meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.2 . 8080 } comment "first"; }
  chain service-b { quota 5 mbytes meta l4proto tcp dnat to 10.244.1.3:8080; }
}
add element ip kube-proxy service-ips { 10.96.0.7 . tcp . 80 comment "first" : goto service-a }
`;
const serviceA: ReadingRequest = {
  ...nothing,
  chains: ['service-a'],
  keys: [{ name: 'service-ips', key: ['10.96.0.7', 'tcp', '80'] }],
};

describe('a table that changes while it is read', () => {
  for (const { changes, attempts, programs } of [
    { changes: 0, attempts: 1, programs: ['perl'] },
    { changes: 1, attempts: 2, programs: ['perl'] },
    { changes: 2, attempts: 3, programs: ['perl'] },
    { changes: 3, attempts: 4, programs: ['perl', 'nft'] },
  ]) {
    kernelTest(`is read by ${programs.join(' and then ')} where it changes ${String(changes)} times`, async () => {
      const { readings, listed } = await readBoth(twoServices, [{ ...serviceA, changes }]);
      expect(readings[0]).toMatchObject({ attempts, programs });
      expect(comparableObjects(readings[0]?.chains.flatMap(([, objects]) => objects ?? []) ?? [])).toEqual(
        listed.map((table) => comparableChains(table, ['service-a']))[0],
      );
    });
  }

  kernelTest('is never read half as it was and half as it is', async () => {
    const change = (comment: string): string => `
      flush chain ip kube-proxy service-a
      flush map ip kube-proxy service-ips
      add rule ip kube-proxy service-a meta l4proto tcp dnat to 10.244.1.2:8080 comment "${comment}"
      add element ip kube-proxy service-ips { 10.96.0.7 . tcp . 80 comment "${comment}" : goto service-a }\n`;
    const output = await inNamespace(
      `nft -f -
      ( while sleep 0.005; do printf '%s' '${change('second')}' | nft -f -; printf '%s' '${change('first')}' | nft -f -; done ) & changing=$!
      ${reader} <<'REQUEST'\n${JSON.stringify(Array.from({ length: 100 }, () => serviceA))}\nREQUEST
      kill $changing`,
      twoServices,
    );
    const readings = readingsSchema.parse(JSON.parse(output));
    const comments = readings.map(({ chains, elements }) =>
      [JSON.stringify(chains), JSON.stringify(elements)].map((text) => /"comment":"(first|second)"/.exec(text)?.[1]),
    );
    for (const [ofRule, ofElement] of comments) expect([ofRule, ofElement]).toEqual([ofRule, ofRule]);
    expect(new Set(comments.map(([comment]) => comment))).toEqual(new Set(['first', 'second']));
    expect(readings.some(({ attempts }) => attempts > 1)).toBe(true);
  });
});

kernelTest(
  'a Service with a statement that is not known over netlink is read from the listing, and others are not',
  async () => {
    const { readings } = await readBoth(twoServices, [serviceA, { ...serviceA, chains: ['service-b'] }]);
    expect(readings.map(({ programs }) => programs)).toEqual([['perl'], ['perl', 'nft']]);
    expect(JSON.stringify(readings[1]?.chains)).toContain('"quota"');
  },
);

kernelTest('a map of 5,000 endpoints, which comes in many messages, is read whole', async () => {
  const endpoints = Array.from(
    { length: 5000 },
    (_, index) => `${String(index)} : 10.244.${String(index >> 8)}.${String(index & 255)} . 8080`,
  );
  const { readings, listed } = await readBoth(
    `table ip kube-proxy {\n  chain service-a { meta l4proto tcp dnat ip to numgen random mod 5000 map { ${endpoints.join(', ')} }; }\n}\n`,
    [{ ...nothing, chains: ['service-a'] }],
  );
  expect(readings[0]?.programs).toEqual(['perl']);
  expect(comparableObjects(readings[0]?.chains.flatMap(([, objects]) => objects ?? []) ?? [])).toEqual(
    listed.map((table) => comparableChains(table))[0],
  );
  expect(JSON.stringify(readings).match(/10\.244\.\d+\.\d+/g)).toHaveLength(5000);
});

kernelTest('where there is no table, neither way makes one up', async () => {
  const { readings, listed } = await readBoth('', [serviceA]);
  expect(readings[0]).toMatchObject({ programs: ['perl', 'nft'], attempts: 1, chains: [] });
  expect(readings[0]?.problem).toContain('No such file or directory');
  expect(listed).toEqual([]);
});

kernelTest('NET_ADMIN is all that it needs', async () => {
  const readWith = (capability: string): string =>
    `setpriv --bounding-set=-all,+${capability} ${reader} <<'REQUEST'\n${JSON.stringify([serviceA])}\nREQUEST\n`;
  const output = await inNamespace(`nft -f -\n${readWith('net_admin')}${readWith('net_raw')}`, twoServices);
  const [admin, raw] = output.split('\n').map((line) => readingsSchema.parse(JSON.parse(line))[0]);
  expect(admin).toMatchObject({ programs: ['perl'] });
  expect(JSON.stringify(admin)).toContain('10.244.2.2');
  expect(raw).toMatchObject({ programs: ['perl', 'nft'], chains: [] });
  expect(raw?.problem).toContain('Operation not permitted');
});

describe('the program that holds the socket', () => {
  const [program, ...words] = netlinkCommand;
  const quoted = [program, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex');
  /** A netlink message of the type: header and struct nfgenmsg of IPv4, and the attribute 1 (a table's name). */
  const message = (type: number): number[] => {
    const bytes = Buffer.alloc(16 + 4 + 16);
    bytes.writeUInt32LE(bytes.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt16LE(0x5, 6);
    bytes[16] = 2;
    bytes.writeUInt16LE(15, 20);
    bytes.writeUInt16LE(1, 22);
    bytes.write('kube-proxy\0', 24);
    return [...bytes];
  };

  kernelTest('sends no message that could change anything', async () => {
    // All messages of nf_tables (enum nf_tables_msg_types), and those of other subsystems with the same numbers.
    const asking = new Set([1, 4, 7, 10, 13, 16].map((number) => (10 << 8) | number));
    const types = [
      ...Array.from({ length: 40 }, (_, number) => (10 << 8) | number),
      ...Array.from({ length: 12 }, (_, other) => (other << 8) | 1),
      0x10,
      0x11,
    ];
    const refused = types.filter((type) => !asking.has(type));
    const lines = [
      ...refused.map((type) => hex(message(type))),
      // A question with a deletion behind it, one that is cut off, and none.
      hex([...message((10 << 8) | 1), ...message((10 << 8) | 2)]),
      hex(message((10 << 8) | 1).slice(0, 20)),
      hex([1, 2, 3]),
      '',
    ];
    const output = await inNamespace(
      `nft -f -\nnft list ruleset\necho =====\n${lines.map((line) => `echo '${line}' | ${quoted} 2>&1 && echo 'was sent: ${line}' || true`).join('\n')}\necho =====\necho '${hex(message((10 << 8) | 1))}' | ${quoted}\necho =====\nnft list ruleset`,
      twoServices,
    );
    const [before, refusals = '', answer = '', after] = output.split('=====').map((part) => part.trim());
    expect(refusals.split('\n')).toHaveLength(lines.length);
    for (const line of refusals.split('\n'))
      expect(line).toMatch(/^netlink: a message of the type \d+ and \d+ bytes is not sent$/);
    // The same message as a question is answered.
    expect(answer).toContain(Buffer.from('kube-proxy\0').toString('hex'));
    expect(after).toBe(before);
  });
});
