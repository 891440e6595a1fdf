/** The chains of one iptables-save. */
import type { Family } from '../net/family.ts';
import type { Counters } from '../net/counters.ts';
import type { IptablesRule } from './rule.ts';

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
