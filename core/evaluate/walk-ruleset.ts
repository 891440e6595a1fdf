/** Walks one packet through all rules of a machine, hook by hook and by priority, as netfilter does. */
import { isManagedByIptables, ruleCounts } from '../nftables/managed-by-iptables.ts';
import type { NftBase, NftRulesetTable } from '../nftables/table.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import type { IptablesRuleset } from '../iptables/ruleset.ts';
import type { DumpProblem } from '../dump/lines.ts';
import { familyOf, type Family } from '../net/family.ts';
import type { VirtualServer } from '../ipvs/virtual-server.ts';
import { settle } from './settle.ts';
import { endUnknown } from './assume.ts';
import { partOfDump } from './part-of-dump.ts';
import { walkHooks, type HookedChain } from './walk-hooks.ts';
import { IptablesWalk } from './walk-iptables.ts';
import { walkCalico } from './walk-calico.ts';
import { walkCilium } from './walk-cilium.ts';
import { walkIpvs } from './walk-ipvs.ts';
import { NftWalk } from './walk-nftables.ts';
import { Trail, type Machine, type Packet, type WalkResult } from './walk.ts';
import { iptablesTables, netfilterHooks, priorities, type Hook, natPriority } from '../net/netfilter.ts';
import { oncePer } from '../lib/once-per.ts';

/**
 * The result of the packet: every branch of a random choice, with its probability; UNKNOWN where it depends on something
 * that is not known.
 * @param nodeAddresses the machine's own addresses, loopback's left out
 */
export function walkRuleset(ruleset: Ruleset, packet: Packet, nodeAddresses: readonly string[]): WalkResult {
  const taken = walkMaps(ruleset, packet, nodeAddresses);
  if (taken !== undefined) return hasHooks(ruleset) ? { ...taken, unknown: [...taken.unknown, behindMaps] } : taken;
  const trail = new Trail(true);
  const problems = ruleset.problems.filter(({ isNote }) => isNote !== true);
  for (const { line, table, message } of problems)
    trail.unknown.add(
      table === undefined
        ? `line ${String(line)}: ${message}`
        : `table ${table}, which was not read: line ${String(line)}: ${message}`,
    );
  const family = familyOf(packet.destination);
  const machine = machineOf(ruleset, nodeAddresses);
  const chains = [
    ...ruleset.iptables
      .filter((each) => each.family === family)
      .flatMap((each) => iptablesHooks(each, packet, machine, trail)),
    ...ruleset.nftables
      .filter((table) => table.family === 'inet' || table.family === (family === 'IPv4' ? 'ip' : 'ip6'))
      .filter((table) => !isCopyOfIptables(table, ruleset))
      .flatMap((table) => nftHooks(table, packet, machine, trail))
      .reverse(),
    ...ipvsHooks(ruleset.virtualServers, packet, trail),
    ...problems.flatMap((problem) => unreadHooks(problem, ruleset, family, trail)),
  ];
  const part = partOfDump(ruleset);
  if (part !== undefined)
    return {
      leaves: [{ probability: 1, verdict: 'UNKNOWN', masquerade: false, path: [] }],
      steps: [],
      outline: [],
      unknown: [part, ...trail.unknown],
      assumed: [],
    };
  return settle(walkHooks(chains, packet, machine, trail));
}

/** What programs of eBPF do, which stand before netfilter. */
function walkMaps(
  { cilium, calico }: Ruleset,
  packet: Packet,
  nodeAddresses: readonly string[],
): WalkResult | undefined {
  return (
    (cilium === undefined ? undefined : walkCilium(cilium, packet, nodeAddresses)) ??
    (calico === undefined ? undefined : walkCalico(calico, packet, nodeAddresses))
  );
}

const behindMaps =
  'whether a packet that eBPF takes traverses netfilter behind it: that depends on how its agent routes; the rules are left out';

function hasHooks({ iptables, nftables, virtualServers }: Ruleset): boolean {
  return iptables.length > 0 || nftables.length > 0 || virtualServers.length > 0;
}

/** The addresses of virtual servers are the node's own: kube-proxy puts them on kube-ipvs0, or no packet would come to IPVS. */
function machineOf(
  { ipSets, virtualServers }: Pick<Ruleset, 'ipSets' | 'virtualServers'>,
  nodeAddresses: readonly string[],
): Machine {
  const sets = new Map(ipSets.map((set) => [set.name, set]));
  return { addresses: [...nodeAddresses, ...virtualServers.flatMap(({ address }) => address ?? [])], ipSets: sets };
}

/** Where IPVS is registered (ip_vs_ops of net/netfilter/ipvs/ip_vs_core.c); nowhere on a machine without virtual servers. */
export function ipvsHooks(virtualServers: readonly VirtualServer[], packet: Packet, trail: Trail): HookedChain[] {
  const chain = (hook: Hook, priority: number): HookedChain => ({
    hook,
    priority,
    isNat: false,
    isDropPolicy: false,
    isIpvs: true,
    run: (branches) => walkIpvs(virtualServers, packet, trail, branches),
  });
  return virtualServers.length === 0
    ? []
    : [chain('input', priorities.ipvsInput), chain('output', priorities.ipvsOutput)];
}

function iptablesHooks(ruleset: IptablesRuleset, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new IptablesWalk((table, chain) => ruleset.tables.get(table)?.get(chain)?.rules, packet, machine, trail);
  return [...ruleset.tables].flatMap(([table, chains]) =>
    [...(iptablesTables.get(table) ?? [])].flatMap(([name, { hook, priority }]): HookedChain[] => {
      const chain = chains.get(name);
      if (chain === undefined) return [];
      return [
        {
          hook,
          priority,
          isNat: table === 'nat',
          isDropPolicy: chain.policy === 'DROP',
          run: (branches, at) => walk.chain(table, name, branches, at),
        },
      ];
    }),
  );
}

/**
 * What a table registers at hooks of IPv4 and IPv6, in the order in which nft lists its chains: that of their creation. Of
 * chains of the same priority the kernel puts the newest first (net/netfilter/core.c nf_hook_entries_grow).
 */
export function nftHooks(table: NftRulesetTable, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new NftWalk(
    {
      name: table.name,
      chain: (name) => table.chains.get(name),
      map: (name) => table.maps.get(name),
      set: (name) => table.sets.get(name),
    },
    packet,
    machine,
    trail,
  );
  // A dormant table is there, and is registered nowhere (nft(8), "dormant").
  if (table.flags?.includes('dormant') === true) return [];
  return baseChains(table).flatMap(({ name, base }): HookedChain[] => {
    const hook = netfilterHooks.find((each) => each === base.hook);
    if (hook === undefined) return [];
    return [
      {
        hook,
        priority: base.priority,
        isNat: base.type === 'nat',
        isDropPolicy: base.policy === 'drop',
        run: (branches, at) => walk.chain(name, branches, at),
      },
    ];
  });
}

/**
 * A table that was not read may be registered anywhere, and done anything. One that iptables-save could not show is known where
 * nft's listing has it.
 */
function unreadHooks(
  { table, line, message }: DumpProblem,
  { nftables }: Ruleset,
  family: Family,
  trail: Trail,
): HookedChain[] {
  if (table === undefined || nftables.some((each) => each.name === table || `${each.family} ${each.name}` === table))
    return [];
  const words = table.split(' ');
  if (words.length > 1 && words[0] !== 'inet' && words[0] !== (family === 'IPv4' ? 'ip' : 'ip6')) return [];
  const name = words.at(-1) ?? '';
  const key = {};
  const isNat = name === 'nat';
  const [builtIn] = iptablesTables.get(name)?.values() ?? [];
  return netfilterHooks
    .filter((hook) => !isNat || hook !== 'forward')
    .map((hook): HookedChain => ({
      hook,
      priority: isNat ? natPriority(hook) : (builtIn?.priority ?? priorities.mangle),
      isNat,
      isDropPolicy: false,
      run: (branches) =>
        endUnknown(
          branches,
          trail.unknownStep(key, {
            table: name,
            chain: '',
            rule: `line ${String(line)}: ${message}`,
            actions: [{ kind: 'unknown', why: `table ${table} was not read` }],
          }),
          '',
        ),
    }));
}

/** The handful of chains that are registered at a hook, among those of all Services; looked for once. */
const baseChains = oncePer(
  ({ chains }: NftRulesetTable): readonly { readonly name: string; readonly base: NftBase }[] =>
    [...chains].flatMap(([name, { base }]) => (base === undefined ? [] : [{ name, base }])),
);

/**
 * iptables on nf_tables keeps its tables among those that nft lists. Where the dump of iptables is there too, the same
 * rules would be walked twice, and those of nft without what only iptables can show.
 */
function isCopyOfIptables(table: NftRulesetTable, { iptables }: Ruleset): boolean {
  if (!isManagedByIptables(table)) return false;
  const counts = ruleCounts(table);
  return iptables.some(({ family, tables }) => {
    const own = family === (table.family === 'ip' ? 'IPv4' : 'IPv6') ? tables.get(table.name) : undefined;
    // iptables-save shows built-in chains that nft does not have; chains of nft are all in it.
    return own !== undefined && [...counts].every(([chain, count]) => own.get(chain)?.rules.length === count);
  });
}
