/** Tables of which the kernel would give other bytes than it should: the helper is the real one, the kernel is not. */
import { describe, expect, it } from 'vitest';
import { Entries, infoLength, readInfo, rulesBetween } from '../../../core/iptables/entries/entries.ts';
import { hookedChainLine, ruleLine } from '../../../core/iptables/entries/print-entry.ts';
import { allChains, iptablesChainNames } from '../../../core/kube-proxy/chain-names.ts';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../../core/wire/probe-request.ts';
import { realCommands, type Commands } from '../../../probe/io/commands.ts';
import { readLegacyBackend } from '../../../probe/rules/read-iptables-legacy.ts';
import { findExecutable } from '../../cluster/requirements.ts';
import { Dice } from '../../fuzz/dice.ts';

const unavailable =
  process.platform !== 'linux' || findExecutable('perl') === undefined ? 'the helper needs Linux and perl' : undefined;

const service: ProbeRequestService = {
  namespace: 'default',
  name: 'web',
  clusterIPs: ['10.96.0.150'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [{ protocol: 'TCP', port: 80 }],
};
/** Chains of six: more than are searched for one by one. */
const ports = (port: number): ProbeRequestService['ports'][number][] => [
  { protocol: 'TCP', port },
  { protocol: 'UDP', port },
];
const [own = ''] = allChains(iptablesChainNames({ namespace: 'default', name: 'web', protocol: 'TCP' }));

/** Of an entry without matches, in a table of the machine's byte order. */
const offsets = { inverted: 83, target: 88, next: 90 } as const;
const [entryLength, ruleLength] = [112, 152];

interface Table {
  readonly info: Buffer;
  readonly entries: Buffer;
  /** Where chains' first rules stand. */
  readonly starts: ReadonlyMap<string, number>;
}

function entry(target: Buffer, destination?: string): Buffer {
  const bytes = Buffer.alloc(entryLength);
  if (destination !== undefined) {
    bytes.set(destination.split('.').map(Number), 4);
    bytes.fill(0xff, 12, 16);
  }
  bytes.set(native(2, entryLength, entryLength + target.length), offsets.target);
  return Buffer.concat([bytes, target]);
}

function native(size: 2 | 4, ...values: readonly number[]): Buffer {
  return Buffer.from((size === 2 ? new Uint16Array(values) : new Int32Array(values)).buffer);
}

function target(data: Buffer, name = ''): Buffer {
  const bytes = Buffer.alloc(32 + data.length);
  bytes.set(native(2, bytes.length));
  bytes.write(name, 2);
  bytes.set(data, 32);
  return bytes;
}

const verdict = (value: number): Buffer => target(Buffer.concat([native(4, value), Buffer.alloc(4)]));
const head = (name: string): Buffer => {
  const data = Buffer.alloc(32);
  data.write(name);
  return entry(target(data, 'ERROR'));
};

/**
 * PREROUTING jumps to KUBE-SERVICES, which has 200 rules; the Service's jumps to its chain.
 * @param ownNameAt where the name of that chain stands, to which nothing jumps then
 */
function wholeTable(ownNameAt?: number): Table {
  const services = Array.from({ length: 200 }, (_, index) => `10.96.0.${String(index)}`);
  const starts = new Map<string, number>();
  const to = (name: string): number => starts.get(name) ?? 0;
  const ruleOf = (destination: string | undefined): Buffer =>
    entry(verdict(to(destination === '10.96.0.150' && ownNameAt === undefined ? own : 'KUBE-MARK-MASQ')), destination);
  const build = (padding: readonly Buffer[]): Buffer[] => {
    const chains: readonly (readonly [name: string, rules: readonly Buffer[]])[] = [
      ['KUBE-MARK-MASQ', [entry(verdict(-5))]],
      ['KUBE-SERVICES', services.map(ruleOf)],
      ['PADDING', padding],
      [own, [entry(verdict(-2)), entry(verdict(-2), '10.1.1.1')]],
    ];
    const pieces = [entry(verdict(to('KUBE-SERVICES'))), entry(verdict(-2))];
    for (const [name, rules] of chains) {
      pieces.push(head(name));
      starts.set(name, lengthOf(pieces));
      pieces.push(...rules, entry(verdict(-5)));
    }
    return [...pieces, head('ERROR')];
  };
  // Once to know where the chains begin.
  build([]);
  const missing = ownNameAt === undefined ? 0 : ownNameAt + 32 - to(own);
  const paddings = missing === 0 ? [] : [entry(target(Buffer.alloc(missing - entryLength - 32), 'OTHER'))];
  build(paddings);
  const entries = Buffer.concat(build(paddings));
  const info = Buffer.alloc(infoLength);
  info.write('nat');
  // PREROUTING alone is registered, and its policy stands behind its rule.
  info.set(native(4, 1), 32);
  info.set(native(4, 0), 36);
  info.set(native(4, ruleLength), 56);
  info.set(native(4, 210, entries.length), 76);
  return { info, entries, starts };
}

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Every rule, as the tool prints it. @throws LegacyTableError */
function printed({ info, entries: bytes }: Pick<Table, 'info' | 'entries'>): string[] {
  const entries = new Entries('IPv4', 0, bytes);
  const { chains } = readInfo(info);
  const declared = chains.map(({ name, end }) => hookedChainLine(entries, name, end));
  const rules = chains.map(({ name, start, end }) => ({ name, rules: rulesBetween(entries, start, end) }));
  const names = new Map<number, string>();
  for (const at of rulesBetween(entries, 0, bytes.length)) {
    const name = entries.chainNamedBy(at);
    if (name !== undefined) {
      names.set(entries.next(at) ?? 0, name);
      rules.push({ name, rules: [] });
    } else rules.at(-1)?.rules.push(at);
  }
  return [
    ...declared,
    ...[...names.values()].map((name) => `:${name} - [0:0]`),
    ...rules.flatMap(({ name, rules: all }, index) =>
      (index < chains.length ? [...new Set(all)].filter((at) => at < ruleLength) : all.slice(0, -1)).map((at) =>
        ruleLine(entries, name, at, (position) => {
          const found = names.get(position);
          if (found === undefined) throw new Error(`no chain begins at byte ${String(position)}`);
          return found;
        }),
      ),
    ),
  ];
}

/** Perl's syscall, which answers with these bytes. */
function inPlaceOfKernel({ info, entries }: Pick<Table, 'info' | 'entries'>): string {
  return `BEGIN { *CORE::GLOBAL::syscall = sub {
    return 0 if @_ < 6;
    if ($_[3] == 64) { substr($_[4], 0, 84) = pack("H*", ${perlText(info.toString('hex'))}) }
    else { $_[4] .= pack("H*", ${perlText(entries.toString('hex'))}) }
    return 0;
  } }\n`;
}

/** An argument has 128 KiB at most: stretches of zeroes are written as their length. */
function perlText(digits: string): string {
  return `"${digits.replaceAll(/0{100,}/g, (zeroes) => `" . "0" x ${String(zeroes.length)} . "`)}"`;
}

interface Reading {
  readonly records: readonly NodeReportRecord[];
  readonly isLeftToTool: boolean;
}

async function read(
  table: Pick<Table, 'info' | 'entries'>,
  text?: readonly string[],
  asked: ProbeRequestService = service,
): Promise<Reading> {
  const real = realCommands(10_000);
  let isLeftToTool = false;
  const commands: Commands = {
    stream: (_argv, onLine) => {
      isLeftToTool = true;
      text?.forEach(onLine);
      return Promise.resolve({ status: text === undefined ? 4 : 0, problem: 'the tool said so', errors: [] });
    },
    ...(text === undefined && real.talk !== undefined
      ? {
          talk: ([program, option = '', script = '', ...args]) =>
            real.talk?.([program, option, inPlaceOfKernel(table) + script, ...args]) ?? expect.unreachable(),
        }
      : {}),
  };
  const records: NodeReportRecord[] = [];
  await readLegacyBackend(commands, 'IPv4', new Set(['nat']), [asked], (record) => records.push(record));
  return { records, isLeftToTool };
}

const refusal = [
  {
    kind: 'unread',
    family: 'IPv4',
    part: 'rules',
    what: 'rules of iptables-legacy, table nat',
    reason: 'the tool said so',
  },
];

describe.skipIf(unavailable !== undefined)('a legacy table', () => {
  // The walk takes equal rules in blocks of 64.
  it.each([0, 62, 63, 64, 65, 127, 128, 129, 150, 191, 192, 193, 198, 199])(
    'is read as its printed rules are: the one at %i is asked for',
    async (index) => {
      const table = wholeTable();
      const asked = { ...service, clusterIPs: [`10.96.0.${String(index)}`] };
      const reading = await read(table, undefined, asked);
      expect(reading.isLeftToTool).toBe(false);
      expect(reading.records).toEqual((await read(table, printed(table), asked)).records);
      expect(JSON.stringify(reading.records)).toContain(`-A KUBE-SERVICES -d 10.96.0.${String(index)}/32 -j`);
    },
  );

  // It is searched in pieces of 64 KiB.
  it.each([-40, -32, -24, -16, -8, 0, 8])(
    'has a chain that nothing jumps to, whose name stands %i bytes behind the end of a piece',
    async (behind) => {
      const table = wholeTable(65_536 + behind);
      expect(table.entries.indexOf(own)).toBe(65_536 + behind);
      const { records, isLeftToTool } = await read(table);
      expect(isLeftToTool).toBe(false);
      expect(records).toContainEqual(expect.objectContaining({ chain: own, absent: false }));
      const many = await read(table, undefined, { ...service, ports: [80, 81, 82].flatMap((port) => ports(port)) });
      expect(many.records).toContainEqual(expect.objectContaining({ chain: own, absent: false }));
    },
  );

  it.each<[string, (table: Table) => void]>([
    [
      'an entry has no length',
      ({ entries, starts }) => entries.set(native(2, 0), at(starts) + 100 * ruleLength + offsets.next),
    ],
    [
      'an entry is longer than the table',
      ({ entries, starts }) => entries.set(native(2, 0xfff0), at(starts) + 199 * ruleLength + offsets.next),
    ],
    [
      'a target stands before its entry ends',
      ({ entries, starts }) => entries.set(native(2, 8), at(starts) + 100 * ruleLength + offsets.target),
    ],
    ['the last chain has no end', ({ entries, starts }) => entries.fill(0, starts.get(own), entries.length)],
    [
      'a rule jumps behind the table',
      ({ entries, starts }) => entries.set(native(4, 0x7fffffff), at(starts) + 150 * ruleLength + entryLength + 32),
    ],
    [
      'a rule jumps to where no chain begins',
      ({ entries, starts }) => entries.set(native(4, 0), at(starts) + 150 * ruleLength + entryLength + 32),
    ],
    [
      'a rule jumps to the second rule of a chain',
      ({ entries }) => entries.set(native(4, 2 * ruleLength), entryLength + 32),
    ],
    ['the name of a chain has no end', ({ entries, starts }) => entries.fill(0x41, at(starts) - 32, at(starts))],
    ['a chain of a hook ends behind the table', ({ info }) => info.set(native(4, 0x7fffff00), 56)],
    ['a chain of a hook has no end', ({ info }) => info.set(native(4, ruleLength + 8), 56)],
    [
      'a verdict is not known',
      ({ entries, starts }) => entries.set(native(4, -77), at(starts) + 150 * ruleLength + entryLength + 32),
    ],
  ])('is left to the tool where %s, and its one reason is told', async (_name, damage) => {
    const table = wholeTable();
    damage(table);
    expect(await read(table)).toEqual({ records: refusal, isLeftToTool: true });
  });

  it('of which any byte is another is read as its rules would be printed, or left to the tool', async () => {
    const sound = wholeTable();
    const dice = new Dice(1, 0);
    const compared: boolean[] = [];
    const one = async (): Promise<void> => {
      const table = { info: Buffer.from(sound.info), entries: Buffer.from(sound.entries) };
      for (let count = dice.below(3); count >= 0; count -= 1)
        table.entries.writeUInt8(dice.below(256), dice.below(table.entries.length));
      const reading = await read(table);
      if (reading.isLeftToTool) {
        expect(reading.records).toEqual(refusal);
        compared.push(false);
        return;
      }
      let text: readonly string[];
      try {
        text = printed(table);
      } catch {
        // What the Service does not meet cannot be printed.
        return;
      }
      compared.push(true);
      expect(reading.records).toEqual((await read(table, text)).records);
    };
    for (let round = 0; round < 40; round += 1) await one();
    expect(compared.filter((each) => each).length).toBeGreaterThan(10);
  }, 120_000);
});

/** The first rule of KUBE-SERVICES. */
function at(starts: Table['starts']): number {
  return starts.get('KUBE-SERVICES') ?? expect.unreachable();
}
