/** Reads the chains of Services from iptables: a few targeted commands on nf_tables, one streamed dump on legacy. */
import pLimit from 'p-limit';
import { canonicalAddress } from '../core/address.ts';
import { iptablesChainNames } from '../core/chain-names.ts';
import type { NodeReportRecord, RecordOf } from '../core/node-report.ts';
import type { ProbeRequestService } from '../core/probe-request.ts';
import type { IptablesBackend } from '../core/program.ts';
import type { Family } from '../core/service.ts';
import type { Commands } from './commands.ts';

export type Emit = (record: NodeReportRecord) => void;

/** Above this many chains, one dump costs less than a command for each of them. */
const maxTargetedChains = 64;

/** Chains that all Services share: only the rules that concern the asked one are kept. */
const sharedChains: readonly { readonly table: string; readonly chain: string }[] = [
  { table: 'nat', chain: 'PREROUTING' },
  { table: 'nat', chain: 'OUTPUT' },
  { table: 'nat', chain: 'KUBE-SERVICES' },
  { table: 'nat', chain: 'KUBE-NODEPORTS' },
  { table: 'filter', chain: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', chain: 'KUBE-SERVICES' },
  { table: 'filter', chain: 'KUBE-EXTERNAL-SERVICES' },
];

/** Chains that every Service's packets may meet, and that are short. */
const commonChains = ['KUBE-MARK-MASQ', 'KUBE-POSTROUTING'];

/** Which rules of shared chains concern a Service. */
interface Selector {
  readonly service: string;
  /** KUBE-SVC, -SVL, -EXT and -FW of each of its ports. */
  readonly chains: readonly string[];
  concerns(line: string): boolean;
}

function selectorOf(service: ProbeRequestService): Selector {
  const chains = service.ports.flatMap(({ name, protocol }) => {
    const names = iptablesChainNames({ namespace: service.namespace, name: service.name, portName: name, protocol });
    return [names.cluster, names.local, names.external, names.firewall];
  });
  const names = new Set<string>(chains);
  const addresses = new Set([...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs].map((address) => canonicalAddress(address) ?? address));
  const nodePorts = new Set(service.ports.flatMap(({ nodePort }) => (nodePort === undefined ? [] : [String(nodePort)])));
  return {
    service: `${service.namespace}/${service.name}`,
    chains,
    concerns(line) {
      const target = / -[jg] (\S+)/.exec(line)?.[1] ?? '';
      if (target === 'KUBE-SERVICES' || target === 'KUBE-NODEPORTS' || names.has(target)) return true;
      const destination = / -d ([0-9a-fA-F.:]+)(?:\/(?:32|128))? /.exec(line)?.[1];
      if (destination !== undefined && addresses.has(canonicalAddress(destination) ?? destination)) return true;
      const port = / --dport (\d+) /.exec(line)?.[1];
      return destination === undefined && port !== undefined && nodePorts.has(port);
    },
  };
}

const programs: Readonly<Record<IptablesBackend, Readonly<Record<Family, string>>>> = {
  nf_tables: { IPv4: 'iptables-nft', IPv6: 'ip6tables-nft' },
  legacy: { IPv4: 'iptables-legacy', IPv6: 'ip6tables-legacy' },
};

/** What the tools say of a chain that is not there; iptables-nft 1.8.9 calls it incompatible. */
const absentMessage = /No chain\/target\/match by that name|does not exist|incompatible, use 'nft' tool/;

/**
 * Reads one family from nf_tables: the shared chains as a stream, the Service's own chains by their computed names, and
 * the KUBE-SEP chains that their rules name.
 * @param tables of this family that the kernel holds; iptables-nft is not called for another, for it would make it
 */
export async function readNftBackend(commands: Commands, family: Family, tables: ReadonlySet<string>, services: readonly ProbeRequestService[], emit: Emit): Promise<void> {
  const limit = pLimit(4);
  const program = programs.nf_tables[family];
  const selectors = services.map(selectorOf);
  const problems = new Map<string, string>();

  const list = async (table: string, chain: string, keep: (line: string) => void): Promise<boolean> => {
    if (!tables.has(table)) return false;
    const { status, problem } = await limit(() => commands.stream([program, '-w', '5', '-t', table, '-v', '-S', chain], (line) => { if (line.startsWith('-A ')) keep(line); }));
    if (status === 0) return true;
    if (!absentMessage.test(problem) || (problem.includes('incompatible') && (await isInNft(commands, family, table, chain)))) problems.set(table, problem);
    return false;
  };

  const shared = sharedChains.map(async ({ table, chain }) => {
    const kept = selectors.map((): string[] => []);
    const present = await list(table, chain, (line) => {
      selectors.forEach((selector, index) => { if (selector.concerns(line)) kept[index]?.push(line); });
    });
    return selectors.map((selector, index) => record(selector.service, family, 'nf_tables', table, chain, 'matching', !present, kept[index] ?? []));
  });
  const common = commonChains.map(async (chain) => {
    const lines: string[] = [];
    const present = await list('nat', chain, (line) => lines.push(line));
    return selectors.map(({ service }) => record(service, family, 'nf_tables', 'nat', chain, 'all', !present, lines));
  });
  const own = selectors.map(async ({ service, chains }) => {
    const whole = async (chain: string): Promise<RecordOf<'iptablesChain'>> => {
      const lines: string[] = [];
      const present = await list('nat', chain, (line) => lines.push(line));
      return record(service, family, 'nf_tables', 'nat', chain, 'all', !present, lines);
    };
    const ports = (await Promise.all(chains.map(whole))).filter(({ absent }) => !absent);
    const endpoints = endpointChains(ports.flatMap(({ lines }) => lines));
    if (endpoints.length <= maxTargetedChains) return [...ports, ...(await Promise.all(endpoints.map(whole)))];
    const dumped = await dumpChains(commands, `${program}-save`, new Set(endpoints));
    if (dumped.problem !== undefined) problems.set('nat', dumped.problem);
    return [...ports, ...endpoints.map((chain) => record(service, family, 'nf_tables', 'nat', chain, 'all', !dumped.present.has(chain), dumped.lines.get(chain) ?? []))];
  });
  for (const records of [...(await Promise.all(shared)), ...(await Promise.all(own)), ...(await Promise.all(common))]) records.forEach(emit);
  for (const [table, problem] of problems) emit({ kind: 'unread', family, what: `rules of ${program}, table ${table}`, reason: problem });
}

/** Whether nf_tables holds the chain: then it is there, and iptables-nft cannot read it. */
async function isInNft(commands: Commands, family: Family, table: string, chain: string): Promise<boolean> {
  const { status } = await commands.stream(['nft', 'list', 'chain', family === 'IPv4' ? 'ip' : 'ip6', table, chain], () => undefined);
  return status === 0;
}

/**
 * Reads one family from the legacy tables, where each command costs the whole table: two streamed dumps of nat (the
 * second for the endpoints that the first one named) and one of filter.
 * @param tables that the kernel holds (/proc/net/ip_tables_names); naming another one would make it
 */
export async function readLegacyBackend(commands: Commands, family: Family, tables: ReadonlySet<string>, services: readonly ProbeRequestService[], emit: Emit): Promise<void> {
  const program = `${programs.legacy[family]}-save`;
  const selectors = services.map(selectorOf);
  for (const table of ['nat', 'filter']) {
    if (!tables.has(table)) continue;
    const present = new Set<string>();
    const shared = sharedChains.filter((each) => each.table === table).map(({ chain }) => chain);
    const wholeNames = new Set([...(table === 'nat' ? commonChains : []), ...selectors.flatMap(({ chains }) => chains)]);
    const whole = new Map<string, string[]>();
    const matching = new Map<string, string[][]>();
    const { status, problem } = await commands.stream([program, '-c', '-t', table], (line) => {
      const declared = /^:(\S+)/.exec(line)?.[1];
      if (declared !== undefined) present.add(declared);
      const chain = chainOf(line);
      if (chain === undefined) return;
      if (wholeNames.has(chain)) push(whole, chain, line);
      else if (shared.includes(chain)) {
        selectors.forEach((selector, index) => {
          if (!selector.concerns(`${line} `)) return;
          const lists = matching.get(chain) ?? selectors.map((): string[] => []);
          matching.set(chain, lists);
          lists[index]?.push(line);
        });
      }
    });
    if (status !== 0) {
      emit({ kind: 'unread', family, what: `rules of ${programs.legacy[family]}, table ${table}`, reason: problem });
      continue;
    }
    const endpoints = table === 'nat' ? endpointChains(selectors.flatMap(({ chains }) => chains.flatMap((chain) => whole.get(chain) ?? []))) : [];
    const dumped = endpoints.length === 0 ? undefined : await dumpChains(commands, program, new Set(endpoints));
    if (dumped?.problem !== undefined) emit({ kind: 'unread', family, what: `rules of ${programs.legacy[family]}, table ${table}`, reason: dumped.problem });
    selectors.forEach(({ service, chains }, index) => {
      for (const chain of shared) emit(record(service, family, 'legacy', table, chain, 'matching', !present.has(chain), matching.get(chain)?.[index] ?? []));
      const own = chains.filter((chain) => present.has(chain));
      for (const chain of own) emit(record(service, family, 'legacy', table, chain, 'all', false, whole.get(chain) ?? []));
      for (const chain of endpointChains(own.flatMap((each) => whole.get(each) ?? []))) {
        emit(record(service, family, 'legacy', table, chain, 'all', dumped?.present.has(chain) !== true, dumped?.lines.get(chain) ?? []));
      }
      if (table === 'nat') for (const chain of commonChains) emit(record(service, family, 'legacy', table, chain, 'all', !present.has(chain), whole.get(chain) ?? []));
    });
  }
}

/** The rules of some chains of nat, from a streamed dump. */
async function dumpChains(commands: Commands, program: string, chains: ReadonlySet<string>): Promise<{ lines: Map<string, string[]>; present: Set<string>; problem?: string }> {
  const lines = new Map<string, string[]>();
  const present = new Set<string>();
  const { status, problem } = await commands.stream([program, '-c', '-t', 'nat'], (line) => {
    const declared = /^:(\S+)/.exec(line)?.[1];
    if (declared !== undefined && chains.has(declared)) present.add(declared);
    const chain = chainOf(line);
    if (chain !== undefined && chains.has(chain)) push(lines, chain, line);
  });
  return { lines, present, ...(status === 0 ? {} : { problem }) };
}

/** The chain of a rule of a dump, `[12:720] -A CHAIN …`. */
function chainOf(line: string): string | undefined {
  return /^(?:\[\d+:\d+\] )?-A (\S+)/.exec(line)?.[1];
}

/** The KUBE-SEP chains that rules jump to, each once, in their order. */
function endpointChains(lines: readonly string[]): string[] {
  return [...new Set(lines.flatMap((line) => / -[jg] (KUBE-SEP-\S+)/.exec(line)?.[1] ?? []))];
}

function push(lists: Map<string, string[]>, key: string, line: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [line]);
  else list.push(line);
}

function record(
  service: string,
  family: Family,
  backend: IptablesBackend,
  table: string,
  chain: string,
  scope: 'all' | 'matching',
  absent: boolean,
  lines: readonly string[],
): RecordOf<'iptablesChain'> {
  return { kind: 'iptablesChain', service, backend, family, table, chain, scope, absent, lines: [...lines] };
}
