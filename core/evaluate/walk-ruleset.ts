/** Walks one packet through all rules of a machine, hook by hook and by priority, as netfilter does. */
import { isSameAddress } from '../address.ts';
import type { IptablesRuleset, NftHook, NftRulesetTable, Ruleset } from '../ruleset.ts';
import { familyOf } from '../service.ts';
import { IptablesWalk } from './walk-iptables.ts';
import { NftWalk } from './walk-nftables.ts';
import { Trail, type Branch, type ChainOutcome, type Leaf, type Packet, type WalkResult } from './walk.ts';

/** A chain that hangs on a hook. */
interface HookedChain {
  readonly hook: NftHook;
  /** The lower, the earlier (netfilter_ipv4.h enum nf_ip_hook_priorities). */
  readonly priority: number;
  /** A nat chain sees no packet that has been rewritten at this hook already. */
  readonly isNat: boolean;
  readonly isDropPolicy: boolean;
  run(branches: readonly Branch[]): ChainOutcome;
}

/** The tables of iptables in their order at a hook. */
const iptablesPriorities: Readonly<Record<string, number>> = { raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 };
const sourceNatPriority = 100;

/** What becomes of the packet: every branch of a random choice, with its probability. */
export function walkRuleset(ruleset: Ruleset, packet: Packet, nodeAddresses: readonly string[]): WalkResult {
  const trail = new Trail();
  const family = familyOf(packet.destination);
  const chains = [
    ...ruleset.iptables.filter((each) => each.family === family).flatMap((each) => iptablesHooks(each, packet, nodeAddresses, trail)),
    ...ruleset.nftables
      .filter((table) => table.family === 'inet' || table.family === (family === 'IPv4' ? 'ip' : 'ip6'))
      .flatMap((table) => nftHooks(table, packet, nodeAddresses, trail)),
  ].sort((one, other) => one.priority - other.priority);

  const leaves: Leaf[] = [];
  const pass = (hook: NftHook, entering: readonly Branch[]): readonly Branch[] => {
    let live = entering;
    for (const chain of chains) {
      if (chain.hook !== hook || live.length === 0) continue;
      const isRewritten = (branch: Branch): boolean => chain.isNat && (hook === 'postrouting' ? branch.masquerade === true : branch.dnat !== undefined);
      const { through, ended } = chain.run(live.filter((branch) => !isRewritten(branch)));
      const next: Branch[] = live.filter(isRewritten);
      for (const branch of ended) {
        if (branch.verdict === 'DROP' || branch.verdict === 'REJECT') leaves.push(leafOf(branch, branch.verdict, branch.chain));
        else next.push(branch.verdict === 'ACCEPT' && chain.priority === 0 ? { ...branch, accepted: branch.chain } : branch);
      }
      if (chain.isDropPolicy) for (const branch of through) leaves.push(leafOf(branch, 'DROP', `policy of ${hook}`));
      else next.push(...through);
      live = next;
    }
    return live;
  };

  const start: readonly Branch[] = [{ probability: 1, mark: 0 }];
  let sent: readonly Branch[];
  if (packet.entersAt === 'OUTPUT') {
    sent = pass('output', start);
  } else {
    const routed = pass('prerouting', start);
    const isForNode = (branch: Branch): boolean => nodeAddresses.some((own) => isSameAddress(own, branch.dnat?.address ?? packet.destination));
    for (const branch of pass('input', routed.filter(isForNode))) leaves.push(finalLeaf(branch));
    sent = pass('forward', routed.filter((branch) => !isForNode(branch)));
  }
  for (const branch of pass('postrouting', sent)) leaves.push(finalLeaf(branch));
  return { leaves: leaves.filter(({ probability }) => probability > 0), steps: trail.steps, unknown: [...trail.unknown] };
}

function finalLeaf(branch: Branch): Leaf {
  if (branch.dnat !== undefined) return leafOf(branch, 'DNAT');
  return branch.accepted === undefined ? leafOf(branch, 'NONE') : leafOf(branch, 'ACCEPT', branch.accepted);
}

function leafOf(branch: Branch, verdict: Leaf['verdict'], decidedBy?: string): Leaf {
  return {
    probability: branch.probability,
    verdict,
    ...(branch.dnat === undefined || verdict !== 'DNAT' ? {} : { dnat: branch.dnat }),
    masquerade: branch.masquerade === true && verdict !== 'DROP' && verdict !== 'REJECT',
    ...(decidedBy === undefined ? {} : { decidedBy }),
  };
}

const builtInHooks: Readonly<Record<string, NftHook>> = { PREROUTING: 'prerouting', INPUT: 'input', FORWARD: 'forward', OUTPUT: 'output', POSTROUTING: 'postrouting' };

function iptablesHooks(ruleset: IptablesRuleset, packet: Packet, nodeAddresses: readonly string[], trail: Trail): HookedChain[] {
  const walk = new IptablesWalk((table, chain) => ruleset.tables.get(table)?.get(chain)?.rules, packet, nodeAddresses, trail);
  return [...ruleset.tables].flatMap(([table, chains]) =>
    Object.entries(builtInHooks).flatMap(([name, hook]): HookedChain[] => {
      const chain = chains.get(name);
      const priority = table === 'nat' && (hook === 'postrouting' || hook === 'input') ? sourceNatPriority : iptablesPriorities[table];
      if (chain === undefined || priority === undefined) return [];
      return [{ hook, priority, isNat: table === 'nat', isDropPolicy: chain.policy === 'DROP', run: (branches) => walk.chain(table, name, branches) }];
    }),
  );
}

function nftHooks(table: NftRulesetTable, packet: Packet, nodeAddresses: readonly string[], trail: Trail): HookedChain[] {
  const walk = new NftWalk(
    { name: table.name, chain: (name) => table.chains.get(name)?.rules, map: (name) => table.maps.get(name), set: (name) => table.sets.get(name) },
    packet,
    nodeAddresses,
    trail,
  );
  return [...table.chains].flatMap(([name, { base }]): HookedChain[] => {
    if (base === undefined) return [];
    return [{ hook: base.hook, priority: base.priority, isNat: base.type === 'nat', isDropPolicy: base.policy === 'drop', run: (branches) => walk.chain(name, branches) }];
  });
}
