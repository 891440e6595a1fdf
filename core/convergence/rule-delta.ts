/** What differs between two programs of one node. */
import { oncePerAll } from '../lib/once-per.ts';
import { readChainName } from '../api/chain-name.ts';
import type { RuleDelta } from './rule-observation.ts';

/** Chains with their rules; the counters do not count. */
export interface ComparedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly rules: readonly { readonly text: string }[];
}

/** A map of nftables and a virtual server of IPVS have elements instead of rules. */
export const ruleDelta = oncePerAll((before: readonly ComparedChain[], after: readonly ComparedChain[]): RuleDelta => {
  const [old, now] = [chainsByName(before), chainsByName(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  const delta = {
    addedChains: [] as string[],
    removedChains: [] as string[],
    rewrittenChains: [] as string[],
    addedElements: 0,
    removedElements: 0,
    untouchedRules: 0,
  };
  for (const name of names) {
    const [was, is] = [old.get(name), now.get(name)];
    const [before, after] = [textsOf(was), textsOf(is)];
    const kept = sizeOfBoth(before, after);
    delta.untouchedRules += kept;
    if (hasElements(was ?? is)) {
      delta.addedElements += after.length - kept;
      delta.removedElements += before.length - kept;
    } else if (was === undefined) delta.addedChains.push(name);
    else if (is === undefined) delta.removedChains.push(name);
    else if (before.join('\n') !== after.join('\n')) delta.rewrittenChains.push(name);
  }
  return delta;
});

/** Without the chain that all Services share, which is not always read. */
export function ownChains<Chain extends ComparedChain>(chains: readonly Chain[]): readonly Chain[] {
  return chains.filter(({ table, name }) => table !== 'nat' || name !== 'KUBE-SERVICES');
}

function chainsByName(chains: readonly ComparedChain[]): Map<string, ComparedChain> {
  return new Map(chains.map((chain) => [`${chain.family} ${chain.table} ${chain.name}`, chain]));
}

function textsOf(chain: ComparedChain | undefined): string[] {
  return (chain?.rules ?? []).map(({ text }) => text);
}

/** How many texts are in both; one that is in a list twice counts twice. */
function sizeOfBoth(one: readonly string[], other: readonly string[]): number {
  const left = new Map<string, number>();
  for (const text of one) left.set(text, (left.get(text) ?? 0) + 1);
  return other.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count > 0;
  }).length;
}

function hasElements(chain: ComparedChain | undefined): boolean {
  return chain !== undefined && readChainName(chain).kind !== 'chain';
}
