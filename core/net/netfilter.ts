/** Netfilter's hooks, the priorities at them, and iptables' built-in chains, which are registered there. */

/** Of IPv4, IPv6 and inet, in the kernel's order (enum nf_inet_hooks). */
export const netfilterHooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;
export type Hook = (typeof netfilterHooks)[number];

/** The lower, the earlier (enum nf_ip_hook_priorities of linux/netfilter_ipv4.h). */
export const priorities = {
  raw: -300,
  mangle: -150,
  destinationNat: -100,
  ipvsOutput: -98,
  filter: 0,
  security: 50,
  ipvsInput: 99,
  sourceNat: 100,
} as const;

/** Nat rewrites destinations where a packet enters, and sources where it leaves. */
export function natPriority(hook: string): number {
  return hook === 'input' || hook === 'postrouting' ? priorities.sourceNat : priorities.destinationNat;
}

export interface BuiltInChain {
  readonly hook: Hook;
  readonly priority: number;
}

/** Iptables' tables with their built-in chains by name (xt_table's valid_hooks in net/ipv4/netfilter/iptable_*.c). */
export const iptablesTables: ReadonlyMap<string, ReadonlyMap<string, BuiltInChain>> = new Map([
  ['raw', builtIns(['prerouting', 'output'], () => priorities.raw)],
  ['mangle', builtIns(netfilterHooks, () => priorities.mangle)],
  ['nat', builtIns(['prerouting', 'input', 'output', 'postrouting'], natPriority)],
  ['filter', builtIns(['input', 'forward', 'output'], () => priorities.filter)],
  ['security', builtIns(['input', 'forward', 'output'], () => priorities.security)],
]);

function builtIns(hooks: readonly Hook[], priority: (hook: Hook) => number): ReadonlyMap<string, BuiltInChain> {
  return new Map(hooks.map((hook) => [hook.toUpperCase(), { hook, priority: priority(hook) }]));
}

/** Names of built-in chains, whichever tables have them: PREROUTING and the others. */
export const builtInChainNames: ReadonlySet<string> = new Set(netfilterHooks.map((hook) => hook.toUpperCase()));
