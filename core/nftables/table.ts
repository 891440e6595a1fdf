/** A table of nftables with all that is in it. */
import type { NftElement, NftExpression, NftUnrecognized, NftObjectKind, NftRule, NftStatement } from './rule.ts';

/** Where a base chain is registered. */
export interface NftBase {
  readonly type: string;
  /** prerouting, input, forward, output, postrouting, and ingress and egress of a device. */
  readonly hook: string;
  /** The lower, the earlier. */
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  readonly devices?: readonly string[];
}

export interface NftChain {
  /** Absent where the chain is only jumped to. */
  readonly base?: NftBase;
  readonly handle?: number;
  /** Only text has it; nft 1.0.6 leaves it out of its JSON. */
  readonly comment?: string;
  readonly flags?: readonly string[];
  readonly rules: readonly NftRule[];
}

/** What a set may be (nft(8), "Sets"). */
export const nftSetFlags: ReadonlySet<string> = new Set(['constant', 'interval', 'timeout', 'dynamic']);

/** A set, or a map where `data` is there. */
export interface NftSet {
  readonly name: string;
  /** The key's types, one for each part of a concatenation; empty where the listing only has `typeof`. */
  readonly type: readonly string[];
  /** `typeof ip saddr . tcp dport`: the key, as a rule would read it of a packet. */
  readonly typeOf?: NftExpression;
  /** Of a map: the types of its values, `verdict` of a verdict map. */
  readonly data?: readonly string[];
  readonly dataTypeOf?: NftExpression;
  /** Of a map: its values are ranges. Only the text of a listing says so; of the JSON, the values themselves do. */
  readonly isDataInterval?: true;
  /** Those of `nftSetFlags`. */
  readonly flags: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
  readonly gcInterval?: number;
  readonly size?: number;
  readonly policy?: string;
  readonly autoMerge?: boolean;
  readonly comment?: string;
  readonly handle?: number;
  /** What each element has: counter, limit. */
  readonly statements?: readonly NftStatement[];
  readonly elements: readonly NftElement[];
  /** Lines of it that this version does not know: they may change what it holds, so that its contents are not known. */
  readonly unrecognized?: readonly string[];
}

/** A counter, quota, limit or the like that has a name; what it holds is kept as JSON of libnftables-json(5). */
export interface NftObject {
  readonly kind: NftObjectKind;
  readonly name: string;
  readonly handle?: number;
  readonly comment?: string;
  /** Its fields by their names in the JSON, such as packets and bytes. */
  readonly fields: { readonly [field: string]: unknown };
}

export interface NftFlowtable {
  readonly name: string;
  readonly handle?: number;
  readonly hook: string;
  readonly priority: number;
  readonly devices: readonly string[];
  readonly flags?: readonly string[];
  readonly hasCounter?: boolean;
}

export const nftFamilies: ReadonlySet<string> = new Set(['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev']);

export interface NftRulesetTable {
  /** One of `nftFamilies`. */
  readonly family: string;
  readonly name: string;
  readonly handle?: number;
  readonly comment?: string;
  /** dormant, owner, persist. */
  readonly flags?: readonly string[];
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly sets: ReadonlyMap<string, NftSet>;
  /** Maps and verdict maps. */
  readonly maps: ReadonlyMap<string, NftSet>;
  readonly objects: readonly NftObject[];
  readonly flowtables: readonly NftFlowtable[];
  /** Things within the table that this version does not know. */
  readonly unrecognized: readonly NftUnrecognized[];
}
