/** Reads what stands in iptables' tables before and behind kube-proxy's rules: a packet of a Service meets all of it. */
import type { IptablesBackend } from '../../core/kube-proxy/mode.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import { ruleChain } from './dump-chains.ts';
import type { Emit } from '../io/emit.ts';
import { reachableChains } from './service-selector.ts';

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
