/** A dump of any of the tools, told apart by what it looks like. */
import { RulesetError, type Ruleset } from '../ruleset.ts';
import { parseIptablesSave } from './iptables-save.ts';
import type { DumpParser } from './dump-lines.ts';
import { NftJsonParser } from './nft-ruleset.ts';
import { NftTextParser } from './nft-text.ts';
import type { NftRulesetTable } from '../nft-table.ts';

/** @throws RulesetError where it is none of them, or torn */
export function parseRulesetFile(text: string): Ruleset {
  const nothing: Ruleset = { iptables: [], nftables: [], ipSets: [], virtualServers: [], problems: [] };
  if (/^\s*\{/.test(text)) return { ...nothing, ...nftables(new NftJsonParser(), text) };
  if (/^\*\w+\s*$/m.test(text)) return { ...nothing, iptables: parseIptablesSave(text) };
  if (/^table\s/m.test(text)) return { ...nothing, ...nftables(new NftTextParser(), text) };
  throw new RulesetError('it is neither iptables-save text, nor nft -j list ruleset JSON, nor nft list ruleset text');
}

/** @throws RulesetError where no table of it could be read */
function nftables(parser: DumpParser<readonly NftRulesetTable[]>, text: string): Pick<Ruleset, 'nftables' | 'problems'> {
  parser.push(text);
  const { result, problems } = parser.end();
  const [problem] = problems;
  if (result.length === 0 && problem !== undefined) throw new RulesetError(`line ${String(problem.line)}: ${problem.message}`);
  return { nftables: result, problems };
}

/** Several dumps of one machine as one. */
export function mergeRulesets(rulesets: readonly Ruleset[]): Ruleset {
  return {
    iptables: rulesets.flatMap(({ iptables }) => iptables),
    nftables: rulesets.flatMap(({ nftables }) => nftables),
    ipSets: rulesets.flatMap(({ ipSets }) => ipSets),
    virtualServers: rulesets.flatMap(({ virtualServers }) => virtualServers),
    problems: rulesets.flatMap(({ problems }) => problems),
  };
}
