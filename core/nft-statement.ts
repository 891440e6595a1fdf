/** Statements of an nftables rule, in the order in which the kernel runs them. They mirror libnftables-json(5). */
import type { NftElement, NftExpression, NftUnrecognized, NftVerdict } from './nft-expression.ts';

export type NftMatchOperator =
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>=' /** Some of these flags are set. */
  | 'in' /** None of these flags is set. */
  | '!';

export interface NftNat {
  readonly kind: 'nat';
  readonly type: 'dnat' | 'snat' | 'masquerade' | 'redirect';
  /** Of the address, where the table's own does not say it: `dnat ip to`. */
  readonly family?: string;
  /** May be a range, or a map whose values may be `address . port`. */
  readonly address?: NftExpression;
  readonly port?: NftExpression;
  /** random, fully-random, persistent, netmap. */
  readonly flags?: readonly string[];
  /** interval, prefix, concat. */
  readonly typeFlags?: readonly string[];
}

export interface NftLimit {
  readonly kind: 'limit';
  readonly rate: number;
  readonly per: string;
  /** packets where absent. */
  readonly rateUnit?: string;
  readonly burst?: number;
  readonly burstUnit?: string;
  /** `over`: it holds above the rate, not below it. */
  readonly isOver: boolean;
}

export const nftByteUnits: ReadonlySet<string> = new Set(['bytes', 'kbytes', 'mbytes', 'gbytes']);

/** Whether a burst of this unit goes with the rate: one of packets has bursts of packets, one of bytes those of bytes. */
export function isNftBurstUnit(unit: string, rateUnit: string | undefined): boolean {
  return rateUnit === undefined ? unit === 'packets' : nftByteUnits.has(unit);
}

export interface NftQuota {
  readonly kind: 'quota';
  readonly value: number;
  readonly unit: string;
  readonly used?: number;
  readonly usedUnit?: string;
  readonly isOver: boolean;
}

export interface NftSetUpdate {
  readonly kind: 'setUpdate';
  readonly operation: 'add' | 'update' | 'delete';
  readonly set: string;
  /** Its key is made of the packet; its value too where the set is a map. */
  readonly element: NftElement;
  readonly statements: readonly NftStatement[];
}

export type NftStatement =
  | {
      readonly kind: 'match';
      readonly operator: NftMatchOperator;
      readonly left: NftExpression;
      readonly right: NftExpression;
    }
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  /** The verdict that a map holds for the key. */
  | { readonly kind: 'vmap'; readonly key: NftExpression; readonly data: NftExpression }
  /** Without values in the listing of a stateless ruleset (`nft -s`). */
  | { readonly kind: 'counter'; readonly packets?: number; readonly bytes?: number }
  /** An object of the table by name: `counter name "x"`, `ct helper set "ftp"`. */
  | { readonly kind: 'object'; readonly object: NftObjectKind; readonly name: NftExpression }
  | NftQuota
  | NftLimit
  | { readonly kind: 'connectionLimit'; readonly count: number; readonly isOver: boolean }
  | { readonly kind: 'last'; readonly used?: number }
  | NftLog
  /** `meta mark set …`, `ct mark set …`, `ip dscp set …`. */
  | { readonly kind: 'mangle'; readonly key: NftExpression; readonly value: NftExpression }
  | NftNat
  /** Without a type: `reject`, as the table's family does it. */
  | { readonly kind: 'reject'; readonly type?: string; readonly code?: NftExpression }
  | NftSetUpdate
  /** The old form of a set that a rule fills: `meter name { ip saddr limit rate … }`. */
  | {
      readonly kind: 'meter';
      readonly name: string;
      readonly size?: number;
      readonly key: NftElement;
      readonly statement: NftStatement;
    }
  | { readonly kind: 'notrack' }
  | { readonly kind: 'queue'; readonly number?: NftExpression; readonly flags: readonly string[] }
  | {
      readonly kind: 'tproxy';
      readonly family?: string;
      readonly address?: NftExpression;
      readonly port?: NftExpression;
    }
  | {
      readonly kind: 'dup' | 'fwd';
      readonly family?: string;
      readonly address?: NftExpression;
      readonly device?: NftExpression;
    }
  | {
      readonly kind: 'synproxy';
      readonly mss?: number;
      readonly windowScale?: number;
      readonly flags: readonly string[];
    }
  | { readonly kind: 'flow'; readonly flowtable: string }
  /** `tcp option … reset`. */
  | { readonly kind: 'reset'; readonly option: NftExpression }
  /** A match or target of iptables that nft cannot show. */
  | { readonly kind: 'xt'; readonly type: string; readonly name: string }
  | NftUnrecognized;

export type NftObjectKind =
  'counter' | 'quota' | 'limit' | 'ct helper' | 'ct timeout' | 'ct expectation' | 'synproxy' | 'secmark' | 'tunnel';

export interface NftLog {
  readonly kind: 'log';
  readonly prefix?: string;
  readonly group?: number;
  readonly snaplen?: number;
  readonly queueThreshold?: number;
  readonly level?: string;
  readonly flags?: readonly string[];
}

export interface NftRule {
  readonly chain: string;
  readonly handle?: number;
  readonly comment?: string;
  readonly statements: readonly NftStatement[];
}
