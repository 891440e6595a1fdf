/** Reads what stands in iptables' tables before and behind kube-proxy's rules: a packet of a Service meets all of it. */
import type { IptablesBackend } from '../core/program.ts';
import type { Family } from '../core/service.ts';
import type { Commands } from './commands.ts';
import { ruleChain } from './dump-chains.ts';
import type { Emit } from './emit.ts';

/** Tables without chains for each Service: nat's own base chains are read with them. */
const hookTables = ['raw', 'mangle', 'filter'];
/** Chains that hold rules of Services, which are read for each Service. */
const serviceChains = /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|PROXY-FIREWALL|NODEPORTS|SVC-|SEP-|SVL-|EXT-|FW-|POD-FW-|NWPLCY-)/;
/** So many rules are kept of one chain, and of all; what is left out is counted. */
const mostOfChain = 200;
const mostOfAll = 1000;

/** @param tables that the kernel holds; naming another one would make it */
export async function readHookChains(commands: Commands, family: Family, backend: IptablesBackend, tables: ReadonlySet<string>, emit: Emit): Promise<void> {
  const program = `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${backend === 'legacy' ? 'legacy' : 'nft'}-save`;
  let left = mostOfAll;
  for (const table of hookTables.filter((each) => tables.has(each))) {
    const chains = new Map<string, { policy?: string; lines: string[]; omitted: number }>();
    const { status, problem } = await commands.stream([program, '-c', '-t', table], (line) => {
      const declared = /^:(\S+) (\S+)/.exec(line);
      if (declared !== null) {
        const [, name = '', policy = '-'] = declared;
        if (!serviceChains.test(name)) chains.set(name, { ...(policy === '-' ? {} : { policy }), lines: [], omitted: 0 });
        return;
      }
      const chain = chains.get(ruleChain(line) ?? '');
      if (chain === undefined) return;
      if (left > 0 && chain.lines.length < mostOfChain) {
        chain.lines.push(line);
        left -= 1;
      } else chain.omitted += 1;
    });
    if (status !== 0) emit({ kind: 'unread', family, what: `chains of other programs, ${program}, table ${table}`, reason: problem });
    else for (const [chain, found] of chains) emit({ kind: 'hookChain', backend, family, table, chain, ...found });
  }
}
