/** Tables that iptables-nft keeps, as nft lists them: copies of what iptables-save tells better. */
import type { NftBase, NftRulesetTable } from './table.ts';

/** Built-in chains of iptables' tables: hook, priority and type (iptables/nft.c, xtables_ipv4 and below). */
const builtIns: ReadonlyMap<string, Readonly<Record<string, readonly [hook: string, priority: number]>>> = new Map(
  Object.entries<Readonly<Record<string, readonly [hook: string, priority: number]>>>({
    raw: { PREROUTING: ['prerouting', -300], OUTPUT: ['output', -300] },
    mangle: {
      PREROUTING: ['prerouting', -150],
      INPUT: ['input', -150],
      FORWARD: ['forward', -150],
      OUTPUT: ['output', -150],
      POSTROUTING: ['postrouting', -150],
    },
    nat: {
      PREROUTING: ['prerouting', -100],
      INPUT: ['input', 100],
      OUTPUT: ['output', -100],
      POSTROUTING: ['postrouting', 100],
    },
    filter: { INPUT: ['input', 0], FORWARD: ['forward', 0], OUTPUT: ['output', 0] },
    security: { INPUT: ['input', 50], FORWARD: ['forward', 50], OUTPUT: ['output', 50] },
  }),
);

/**
 * Whether the table is one that iptables-nft or ip6tables-nft made: it has iptables' name, and each of its base chains
 * is a built-in one of that table. (nft itself tells it above the table: "managed by iptables-nft, do not touch!")
 */
export function isManagedByIptables({ family, name, chains }: NftRulesetTable): boolean {
  const known = family === 'ip' || family === 'ip6' ? builtIns.get(name) : undefined;
  if (known === undefined) return false;
  return [...chains].every(
    ([chain, { base }]) => base === undefined || (Object.hasOwn(known, chain) && isBuiltIn(base, known[chain])),
  );
}

/** Chains by name with how many rules each has: what must be the same in iptables' own dump. */
export function ruleCounts({ chains }: NftRulesetTable): ReadonlyMap<string, number> {
  return new Map([...chains].map(([name, { rules }]) => [name, rules.length]));
}

function isBuiltIn({ hook, priority }: NftBase, known: readonly [hook: string, priority: number] | undefined): boolean {
  return known !== undefined && hook === known[0] && priority === known[1];
}
