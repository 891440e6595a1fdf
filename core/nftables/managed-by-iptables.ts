/** Tables that iptables-nft keeps, as nft lists them: copies of what iptables-save shows better. */
import { iptablesTables } from '../net/netfilter.ts';
import type { NftRulesetTable } from './table.ts';

/**
 * Whether the table is one that iptables-nft or ip6tables-nft made: it has iptables' name, and each of its base chains
 * is a built-in one of that table. (nft itself writes above the table: "managed by iptables-nft, do not touch!")
 */
export function isManagedByIptables({ family, name, chains }: NftRulesetTable): boolean {
  const known = family === 'ip' || family === 'ip6' ? iptablesTables.get(name) : undefined;
  if (known === undefined) return false;
  return [...chains].every(([chain, { base }]) => {
    const builtIn = known.get(chain);
    return base === undefined || (base.hook === builtIn?.hook && base.priority === builtIn.priority);
  });
}

/** Chains by name with how many rules each has: what must be the same in iptables' own dump. */
export function ruleCounts({ chains }: NftRulesetTable): ReadonlyMap<string, number> {
  return new Map([...chains].map(([name, { rules }]) => [name, rules.length]));
}
