/** Walks one packet through all rules of a machine, hook by hook and by priority, as netfilter does. */
import type { IptablesRuleset, NftHook, NftRulesetTable, Ruleset } from '../ruleset.ts';
import { familyOf } from '../service.ts';
import { priorities, walkHooks, type HookedChain } from './walk-hooks.ts';
import { IptablesWalk } from './walk-iptables.ts';
import { NftWalk } from './walk-nftables.ts';
import { Trail, type Machine, type Packet, type WalkResult } from './walk.ts';

/**
 * What becomes of the packet: every branch of a random choice, with its probability.
 * @param nodeAddresses the machine's own addresses, loopback's left out
 */
export function walkRuleset(ruleset: Ruleset, packet: Packet, nodeAddresses: readonly string[]): WalkResult {
  const trail = new Trail();
  const machine: Machine = { addresses: nodeAddresses, ipSets: new Map(ruleset.ipSets.map((set) => [set.name, set])) };
  const family = familyOf(packet.destination);
  const chains = [
    ...ruleset.iptables.filter((each) => each.family === family).flatMap((each) => iptablesHooks(each, packet, machine, trail)),
    ...ruleset.nftables
      .filter((table) => table.family === 'inet' || table.family === (family === 'IPv4' ? 'ip' : 'ip6'))
      .flatMap((table) => nftHooks(table, packet, machine, trail)),
  ];
  return walkHooks(chains, packet, machine, trail);
}

const hooks: readonly NftHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
const builtInHooks: Readonly<Record<string, NftHook>> = { PREROUTING: 'prerouting', INPUT: 'input', FORWARD: 'forward', OUTPUT: 'output', POSTROUTING: 'postrouting' };
/** The tables of iptables in their order at a hook. */
const tablePriorities: Readonly<Record<string, number>> = { raw: priorities.raw, mangle: priorities.mangle, nat: priorities.destinationNat, filter: priorities.filter, security: priorities.security };

function iptablesHooks(ruleset: IptablesRuleset, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new IptablesWalk((table, chain) => ruleset.tables.get(table)?.get(chain)?.rules, packet, machine, trail);
  return [...ruleset.tables].flatMap(([table, chains]) =>
    Object.entries(builtInHooks).flatMap(([name, hook]): HookedChain[] => {
      const chain = chains.get(name);
      const priority = table === 'nat' && (hook === 'postrouting' || hook === 'input') ? priorities.sourceNat : tablePriorities[table];
      if (chain === undefined || priority === undefined) return [];
      return [{ hook, priority, isNat: table === 'nat', isDropPolicy: chain.policy === 'DROP', run: (branches, at) => walk.chain(table, name, branches, at) }];
    }),
  );
}

function nftHooks(table: NftRulesetTable, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new NftWalk(
    { name: table.name, chain: (name) => table.chains.get(name), map: (name) => table.maps.get(name), set: (name) => table.sets.get(name) },
    packet,
    machine,
    trail,
  );
  return [...table.chains].flatMap(([name, { base }]): HookedChain[] => {
    if (base === undefined) return [];
    const hook = hooks.find((each) => each === base.hook);
    if (hook === undefined) {
      // ingress and egress of a device.
      trail.unknown.add(`chain ${name} of table ${table.family} ${table.name}, which hangs on ${base.hook}`);
      return [];
    }
    return [{ hook, priority: base.priority, isNat: base.type === 'nat', isDropPolicy: base.policy === 'drop', run: (branches, at) => walk.chain(name, branches, at) }];
  });
}
