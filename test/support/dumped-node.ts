/** A node made of dumps that can be changed, read by the probe's own readers from tools that print those dumps. */
import * as z from 'zod';
import type { NodeReport, NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { ProxyMode } from '../../core/kube-proxy/mode.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands, Finished } from '../../probe/io/commands.ts';
import { readRules } from '../../probe/rules/read-rules.ts';

export interface DumpedChain {
  /** Of a built-in chain. */
  policy?: string;
  /** `-A CHAIN …` */
  lines: string[];
}

/** Chains by name, by table. */
export type IptablesDump = Map<string, Map<string, DumpedChain>>;

/** Objects of `nft -j list ruleset`. */
export type NftObject = Record<string, Record<string, unknown>>;

export interface DumpedNode {
  readonly name: string;
  readonly mode: Exclude<ProxyMode, 'unknown'>;
  readonly addresses: string[];
  readonly iptables: Partial<Record<'nf_tables' | 'legacy', Partial<Record<Family, IptablesDump>>>>;
  nftables: NftObject[];
}

/** What iptables-save printed. */
export function parseDump(text: string): IptablesDump {
  const dump: IptablesDump = new Map();
  let chains = new Map<string, DumpedChain>();
  for (const line of text.split('\n')) {
    const declared = /^:(\S+) (\S+)/.exec(line);
    const chain = /^(?:\[\d+:\d+\] )?-A (\S+)/.exec(line)?.[1];
    if (line.startsWith('*')) {
      chains = new Map();
      dump.set(line.slice(1), chains);
    } else if (declared !== null)
      chains.set(declared[1] ?? '', declared[2] === '-' ? { lines: [] } : { policy: declared[2] ?? '', lines: [] });
    else if (chain !== undefined) chains.get(chain)?.lines.push(line.replace(/^\[\d+:\d+\] /, ''));
  }
  return dump;
}

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.record(z.string(), z.unknown()))) });

/** What nft -j printed. */
export function parseNftDump(json: string): NftObject[] {
  return listingSchema.parse(JSON.parse(json)).nftables;
}

/** What a probe reports of the node. */
export async function probe(node: DumpedNode, services: readonly ProbeRequestService[]): Promise<NodeReport> {
  const records: NodeReportRecord[] = [];
  const emit = (record: NodeReportRecord): void => {
    records.push(record);
  };
  const { name, mode, addresses } = node;
  emit({
    kind: 'start',
    version: 1,
    node: name,
    startedAt: '2026-11-24T10:00:00Z',
    kernel: '6.12',
    probeVersion: 'test',
    addresses: [...addresses],
  });
  emit({ kind: 'kubeProxy', proxyMode: mode, errors: [] });
  const legacy = (family: Family): string[] => [...(node.iptables.legacy?.[family]?.keys() ?? [])];
  const tables = {
    kind: 'tables' as const,
    nftables: nftTablesOf(node),
    legacy: { IPv4: legacy('IPv4'), IPv6: legacy('IPv6') },
    ipvs: false,
  };
  emit(tables);
  const collect = { rules: true, conntrack: 'None' as const, kubeProxy: true };
  await readRules({ services: [...services], collect }, toolsOf(node), { tables, mode, addresses }, emit);
  emit({ kind: 'end', finishedAt: '2026-11-24T10:00:01Z', durationMilliseconds: 1000 });
  return { node: name, records, complete: true };
}

function nftTablesOf({ iptables, nftables }: DumpedNode): { family: string; name: string }[] {
  const own = nftables.flatMap(({ table }) =>
    table === undefined ? [] : [{ family: String(table['family']), name: String(table['name']) }],
  );
  const compatible = (['IPv4', 'IPv6'] as const).flatMap((family) =>
    [...(iptables.nf_tables?.[family]?.keys() ?? [])].map((name) => ({
      family: family === 'IPv4' ? 'ip' : 'ip6',
      name,
    })),
  );
  return [...own, ...compatible];
}

const done: Finished = { status: 0, problem: '', errors: [] };

/** Throws for a command that the node's tools are not known to be asked: a test that is not asked is not a test. */
function toolsOf(node: DumpedNode): Commands {
  return {
    stream: (argv, onLine, input) => {
      const [program, ...args] = argv;
      if (program === 'xargs' && args[3]?.endsWith('tables-nft') === true)
        return Promise.resolve(
          listChains(node, args[3], args[7] ?? '', (typeof input === 'string' ? input : '').split('\0'), onLine),
        );
      if (program === 'xargs' && args[3] === 'nft') return Promise.resolve(done);
      // A dump answers no question over netlink: the listing is read.
      if (program === 'perl') return Promise.resolve({ status: 127, problem: 'perl is not installed', errors: [] });
      const save = /^(ip6?)tables-(nft|legacy)-save$/.exec(program);
      if (save !== null) {
        const dump = node.iptables[save[2] === 'nft' ? 'nf_tables' : 'legacy']?.[save[1] === 'ip' ? 'IPv4' : 'IPv6'];
        for (const line of printTable(dump?.get(args.at(-1) ?? ''))) onLine(line);
        return Promise.resolve(done);
      }
      if (/^ip6?tables-nft$/.test(program) && args.at(-1) === '-S') {
        for (const line of printRules(
          node.iptables.nf_tables?.[program.startsWith('ip6') ? 'IPv6' : 'IPv4']?.get(args[3] ?? ''),
        ))
          onLine(line);
        return Promise.resolve(done);
      }
      if (program === 'nft' && args.includes('table')) {
        const [family, table] = args.slice(-2);
        const objects = node.nftables.filter((object) =>
          Object.entries(object).every(
            ([kind, body]) => body['family'] === family && (kind === 'table' ? body['name'] : body['table']) === table,
          ),
        );
        onLine(JSON.stringify({ nftables: [{ metainfo: { version: '1.0.9' } }, ...objects] }));
        return Promise.resolve(done);
      }
      throw new Error(`nobody asks ${argv.join(' ')}`);
    },
  };
}

function listChains(
  { iptables }: DumpedNode,
  program: string,
  table: string,
  words: readonly string[],
  onLine: (line: string) => void,
): Finished {
  const chains = iptables.nf_tables?.[program.startsWith('ip6') ? 'IPv6' : 'IPv4']?.get(table);
  const errors: string[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [option = '', name = ''] = words.slice(at, at + 2);
    const chain = chains?.get(name);
    if (chain === undefined) errors.push('iptables: No chain/target/match by that name.');
    else if (option === '-nL') {
      const rules = [...(chains?.values() ?? [])].flatMap(({ lines }) => lines);
      onLine(
        `Chain ${name} (${String(rules.filter((line) => new RegExp(` -[jg] ${name}(?: |$)`).test(line)).length)} references)`,
      );
    } else {
      onLine(headOf(name, chain));
      for (const line of chain.lines) onLine(line);
    }
  }
  return errors.length === 0 ? done : { status: 123, problem: errors[0] ?? '', errors };
}

/** As `iptables -v -S` begins a chain. */
function headOf(name: string, { policy }: DumpedChain): string {
  return policy === undefined ? `-N ${name}` : `-P ${name} ${policy} -c 0 0`;
}

function printRules(chains: ReadonlyMap<string, DumpedChain> | undefined): string[] {
  return [...(chains ?? [])]
    .map(([name, chain]) => headOf(name, chain))
    .concat([...(chains?.values() ?? [])].flatMap(({ lines }) => lines));
}

function printTable(chains: ReadonlyMap<string, DumpedChain> | undefined): string[] {
  if (chains === undefined) return [];
  return [
    ...[...chains].map(([name, { policy }]) => `:${name} ${policy ?? '-'} [0:0]`),
    ...[...chains.values()].flatMap(({ lines }) => lines.map((line) => `[0:0] ${line}`)),
    'COMMIT',
  ];
}
