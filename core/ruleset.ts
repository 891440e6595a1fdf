/** All rules of a machine, as dumps hold them: the model that `simulate` evaluates. */
import type { IpSet } from './ip-set.ts';
import type { IptablesRule } from './iptables-rule.ts';
import type { NftRulesetTable } from './nft-table.ts';
import type { DumpProblem } from './parse/dump-lines.ts';
import type { Counters } from './program.ts';
import type { Family } from './service.ts';
import type { VirtualServer } from './virtual-server.ts';

export interface IptablesChain {
  /** Of a built-in chain: ACCEPT or DROP. */
  readonly policy?: string;
  /** Of a built-in chain's policy; a dump shows them for the others as 0. */
  readonly counters?: Counters;
  readonly rules: readonly IptablesRule[];
}

/** What one iptables-save (or ip6tables-save) printed: chains by name, by table, both in the order of the dump. */
export interface IptablesRuleset {
  readonly family: Family;
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, IptablesChain>>;
}

export type { NftChain, NftHook, NftRulesetTable } from './nft-table.ts';

export interface Ruleset {
  readonly iptables: readonly IptablesRuleset[];
  readonly nftables: readonly NftRulesetTable[];
  readonly ipSets: readonly IpSet[];
  readonly virtualServers: readonly VirtualServer[];
  /** What could not be read of the dumps, and is not in the rest. */
  readonly problems: readonly DumpProblem[];
}

/** Thrown where a dump cannot be read: the line, and what is wrong with it. */
export class RulesetError extends Error {
  override readonly name = 'RulesetError';
}
