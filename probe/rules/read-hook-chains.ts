/** Reads what stands in iptables' tables before and behind kube-proxy's rules: a packet of a Service meets all of it. */
import type { IptablesBackend } from '../../core/kube-proxy/mode.ts';
import type { Family } from '../../core/net/family.ts';
import { iptablesTables } from '../../core/net/netfilter.ts';
import type { Commands } from '../io/commands.ts';
import { toolChains } from './chain-source.ts';
import { ruleChain } from './dump-chains.ts';
import type { Emit } from '../io/emit.ts';
import type { ListedChain } from './list-chains.ts';
import { NetlinkChains } from './chain-source.ts';
import { NftGeneration } from './nft-generation.ts';
import { readOverNetlink } from './over-netlink.ts';
import { jumpsOf, reachableChains } from './service-selector.ts';

/** Tables without chains for each Service; nat's are many where kube-proxy keeps its rules there, and read in another way. */
const hookTables = ['raw', 'mangle', 'filter', 'security'];
/** The built-in chains of nat; a kernel of before 2.6.36 has no INPUT. */
export const natHooks = ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'];
/** Chains that hold rules of Services, which are read for each Service. */
const serviceChains =
  /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|PROXY-FIREWALL|NODEPORTS|SVC-|SEP-|SVL-|EXT-|FW-|POD-FW-|NWPLCY-)/;
/** Whether it is read for each Service, and not as what other programs wrote. */
export function isServiceChain(name: string): boolean {
  return serviceChains.test(name);
}

/** So many rules are kept of one chain, and of all; what is left out is counted. */
const mostOfChain = 200;
const mostOfAll = 1000;

interface HookChain {
  readonly policy?: string;
  readonly lines: string[];
  omitted: number;
}

/** Keeps the chains of a dump that are no Service's, as far as there is room. */
export class HookChains {
  readonly #chains = new Map<string, HookChain>();
  #left = mostOfAll;

  push(line: string): void {
    const declared = /^(?::|-[NP] )(\S+)(?: (\S+))?/.exec(line);
    if (declared !== null) {
      const [, name = '', policy = '-'] = declared;
      if (!isServiceChain(name))
        this.#chains.set(name, { ...(policy === '-' ? {} : { policy }), lines: [], omitted: 0 });
      return;
    }
    const chain = this.#chains.get(ruleChain(line) ?? '');
    if (chain === undefined) return;
    if (this.#left > 0 && chain.lines.length < mostOfChain) {
      chain.lines.push(line);
      this.#left -= 1;
    } else chain.omitted += 1;
  }

  /** What was kept; the room that is left is for the next table. */
  takeAll(): ReadonlyMap<string, HookChain> {
    const chains = new Map(this.#chains);
    this.#chains.clear();
    return chains;
  }
}

/**
 * @param tables that the kernel holds; naming another one would make it
 * @param withNat where kube-proxy keeps none of its rules there
 */
export async function readHookChains(
  commands: Commands,
  family: Family,
  backend: IptablesBackend,
  tables: ReadonlySet<string>,
  withNat: boolean,
  emit: Emit,
): Promise<void> {
  const tool = `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${backend === 'legacy' ? 'legacy' : 'nft'}`;
  // iptables-nft-save reads all tables of the kernel, whichever is asked for; -S reads that one.
  const command = (table: string): readonly [string, ...string[]] =>
    backend === 'legacy' ? [`${tool}-save`, '-c', '-t', table] : [tool, '-w', '5', '-t', table, '-v', '-S'];
  const chains = new HookChains();
  for (const table of [...hookTables, ...(withNat ? ['nat'] : [])].filter((each) => tables.has(each))) {
    const lines = backend === 'legacy' ? undefined : await linesOverNetlink(commands, family, table);
    if (lines !== undefined) {
      for (const line of lines) chains.push(line);
      emitHookChains(chains.takeAll(), { family, backend, table }, emit);
      continue;
    }
    const { status, problem } = await commands.stream(command(table), (line) => {
      chains.push(line);
    });
    const found = chains.takeAll();
    if (status !== 0)
      emit({
        kind: 'unread',
        family,
        part: 'other',
        what: `chains of other programs, ${tool}, table ${table}`,
        reason: problem,
      });
    else emitHookChains(found, { family, backend, table }, emit);
  }
}

/** Chains that no rule jumps to: kube-proxy and the kubelet see by them that somebody flushed the tables. */
const canaries = ['KUBE-PROXY-CANARY', 'KUBE-KUBELET-CANARY'];

/**
 * A table of nf_tables without the chains that are read for each Service, in the order of the tool: the built-in chains, and
 * the others by name. Undefined where it cannot be read over netlink, or has chains that are not found from these.
 */
async function linesOverNetlink(
  commands: Commands,
  family: Family,
  table: string,
): Promise<readonly string[] | undefined> {
  const builtIn = [...(iptablesTables.get(table)?.keys() ?? [])];
  const reading = await readOverNetlink(commands, async (socket) => {
    const source = new NetlinkChains(new NftGeneration(socket, family), toolChains(commands, family));
    const found = new Map<string, ListedChain>();
    const targets = new Set<string>();
    const asked = new Set<string>();
    for (let wanted = [...builtIn, ...canaries]; wanted.length > 0;) {
      wanted.forEach((chain) => asked.add(chain));
      const { chains, problem } = await source.list(
        table,
        wanted.map((chain) => ({ chain })),
      );
      if (problem !== undefined) return undefined;
      for (const [name, chain] of chains) {
        found.set(name, chain);
        for (const jump of jumpsOf(chain.lines)) targets.add(jump);
      }
      wanted = [...targets].filter((name) => !asked.has(name) && !isServiceChain(name));
    }
    return (await source.hasOnly(table, targets)) ? found : undefined;
  });
  const found = reading?.result;
  if (found === undefined) return undefined;
  const others = [...found.keys()].filter((name) => !builtIn.includes(name)).sort();
  return [...builtIn, ...others].flatMap((name) => {
    const chain = found.get(name);
    return chain === undefined ? [] : [`:${name} ${chain.policy ?? '-'} [0:0]`, ...chain.lines];
  });
}

/** Of nat, where kube-proxy keeps its rules there: the third-party chains that its hooks jump to. */
export function emitNatHooks(
  chains: ReadonlyMap<string, HookChain>,
  place: { readonly family: Family; readonly backend: IptablesBackend },
  emit: Emit,
): void {
  const linesOf = (name: string): readonly string[] => chains.get(name)?.lines ?? [];
  const reached = new Set(reachableChains(natHooks, linesOf));
  emitHookChains(new Map([...chains].filter(([name]) => reached.has(name))), { ...place, table: 'nat' }, emit);
}

function emitHookChains(
  chains: ReadonlyMap<string, HookChain>,
  place: { readonly family: Family; readonly backend: IptablesBackend; readonly table: string },
  emit: Emit,
): void {
  for (const [chain, found] of chains) emit({ kind: 'hookChain', ...place, chain, ...found });
}
