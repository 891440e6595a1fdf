/** Chains of an nftables table that jump in a circle. */
import type { NftRule } from './rule.ts';
import type { NftRulesetTable } from './table.ts';
import { chainOfVerdict, jumpsOfStatement } from './targets.ts';
import { findChainCycle, type ChainCycle, type Jump } from '../dump/chain-cycle.ts';

/** A circle that can be reached from a base chain, by the verdicts of named maps too. */
export function findNftCycle(
  { chains, maps }: NftRulesetTable,
  lineOf: (rule: NftRule) => number,
): ChainCycle | undefined {
  const jumpsOf = (name: string): Jump[] =>
    (chains.get(name)?.rules ?? []).flatMap((rule) =>
      rule.statements.flatMap((statement) => {
        const named =
          statement.kind === 'vmap' && statement.data.kind === 'setReference'
            ? (maps.get(statement.data.name)?.elements ?? [])
            : [];
        return [
          ...jumpsOfStatement(statement),
          ...named.flatMap(({ value }) => (value?.kind === 'verdict' ? chainOfVerdict(value.verdict) : [])),
        ].map((to) => ({ to, line: lineOf(rule) }));
      }),
    );
  return findChainCycle(
    [...chains].flatMap(([name, { base }]) => (base === undefined ? [] : [name])),
    jumpsOf,
  );
}

export function cycleText({ chains }: ChainCycle): string {
  return `the rules jump in a circle, ${chains.join(' -> ')}, which no kernel takes`;
}
