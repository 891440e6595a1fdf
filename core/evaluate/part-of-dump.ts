/** A part of a dump: rules that nothing jumps to, and what they refer to that is not there. */
import { jumpsOfStatement, setsOfStatement } from '../nftables/targets.ts';
import type { NftRulesetTable } from '../nftables/table.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import type { IptablesRuleset } from '../iptables/ruleset.ts';
import { builtInChainNames } from '../net/netfilter.ts';

/** What to say of rules of which none is registered at a hook; undefined where there are no rules at all. */
export function partOfDump({ iptables, nftables }: Ruleset): string | undefined {
  if (
    iptables.some(({ tables }) =>
      [...tables.values()].some((chains) => [...chains.keys()].some((name) => builtInChainNames.has(name))),
    ) ||
    nftables.some(({ chains }) => [...chains.values()].some(({ base }) => base !== undefined))
  )
    return undefined;
  const lacking = [...iptables.flatMap(missingOfIptables), ...nftables.flatMap(missingOfNft)];
  const hasRules =
    iptables.some(({ tables }) =>
      [...tables.values()].some((chains) => [...chains.values()].some(({ rules }) => rules.length > 0)),
    ) ||
    nftables.some(({ chains, maps }) => maps.size > 0 || [...chains.values()].some(({ rules }) => rules.length > 0));
  if (!hasRules) return undefined;
  const listed =
    lacking.slice(0, mostListed).join(', ') +
    (lacking.length > mostListed ? ` and ${String(lacking.length - mostListed)} more` : '');
  return `no chain of this dump is registered at a hook, so that no packet comes to its rules: it is part of a dump${lacking.length === 0 ? '' : `, and refers to what it lacks: ${listed}`}; give the whole of it`;
}

const mostListed = 10;

function missingOfIptables({ tables }: IptablesRuleset): string[] {
  return [...tables].flatMap(([table, chains]) => {
    const jumps = [...chains.values()].flatMap(({ rules }) =>
      rules.flatMap(({ target }) => (target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : [])),
    );
    return [...new Set(jumps)].filter((name) => !chains.has(name)).map((name) => `chain ${name} of table ${table}`);
  });
}

function missingOfNft({ name: table, chains, maps, sets }: NftRulesetTable): string[] {
  const statements = [...chains.values()].flatMap(({ rules }) => rules.flatMap((rule) => rule.statements));
  const ofMaps = [...maps.values()].flatMap(({ elements }) =>
    elements.flatMap(({ value }) =>
      value?.kind === 'verdict' && 'chain' in value.verdict ? [value.verdict.chain] : [],
    ),
  );
  const jumps = new Set([...statements.flatMap(jumpsOfStatement), ...ofMaps]);
  const asked = new Set(statements.flatMap(setsOfStatement));
  return [
    ...[...jumps].filter((name) => !chains.has(name)).map((name) => `chain ${name} of table ${table}`),
    ...[...asked]
      .filter((name) => !maps.has(name) && !sets.has(name))
      .map((name) => `set or map ${name} of table ${table}`),
  ];
}
