/**
 * Expressions of nftables: what a rule reads of a packet, and the values that it compares it with. They mirror
 * libnftables-json(5), so that the text and the JSON of nft give one model.
 */
import type { NftStatement } from './nft-statement.ts';

export type NftVerdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export type NftExpression =
  /** A constant: an address, a number, a name such as `tcp` or `established`; true and false of `exists` and `missing`. */
  | { readonly kind: 'value'; readonly value: string | number | boolean }
  | { readonly kind: 'prefix'; readonly address: NftExpression; readonly length: number }
  /** Both ends belong to it. */
  | { readonly kind: 'range'; readonly from: NftExpression; readonly to: NftExpression }
  /** A set or map within the rule. */
  | { readonly kind: 'set'; readonly elements: readonly NftElement[] }
  /** `@name`: a set or map whose elements are elsewhere. */
  | { readonly kind: 'setReference'; readonly name: string }
  /** Flags that are compared as one value: `established,related`. */
  | { readonly kind: 'list'; readonly items: readonly NftExpression[] }
  | { readonly kind: 'concatenation'; readonly parts: readonly NftExpression[] }
  /** A named field of a header: `ip saddr`, `tcp dport`, `th dport`. */
  | { readonly kind: 'payload'; readonly protocol: string; readonly field: string }
  /** `@th,16,16`: base, and offset and length in bits. */
  | { readonly kind: 'rawPayload'; readonly base: string; readonly offset: number; readonly length: number }
  /** Optional headers, whose absence is an answer too; without a field it asks whether the header is there. */
  | {
      readonly kind: 'header';
      readonly header: NftHeader;
      readonly name: string;
      readonly field?: string;
      readonly offset?: number;
    }
  /** A TCP option by its number: `tcp option @254,16,8`. */
  | { readonly kind: 'rawTcpOption'; readonly option: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'meta'; readonly key: string }
  /** A fact of the connection; direction of `ct original ip daddr`. */
  | { readonly kind: 'ct'; readonly key: string; readonly direction?: string }
  /** The routing table's answer: `fib daddr . iif type`. */
  | { readonly kind: 'fib'; readonly result: string; readonly flags: readonly string[] }
  | { readonly kind: 'rt'; readonly key: string; readonly family?: string }
  | { readonly kind: 'socket'; readonly key: string; readonly level?: number }
  | { readonly kind: 'osf'; readonly key: string; readonly ttl?: string }
  | {
      readonly kind: 'ipsec';
      readonly key: string;
      readonly direction: string;
      readonly number?: number;
      readonly family?: string;
    }
  | { readonly kind: 'tunnel'; readonly key: string }
  /** Numbers from offset to offset + modulus - 1, at random or in turn. */
  | { readonly kind: 'numgen'; readonly mode: 'random' | 'inc'; readonly modulus: number; readonly offset: number }
  | {
      readonly kind: 'jhash';
      readonly modulus: number;
      readonly offset?: number;
      readonly seed?: number;
      readonly of: NftExpression;
    }
  | { readonly kind: 'symhash'; readonly modulus: number; readonly offset?: number }
  /** The value that a map holds for the key. */
  | { readonly kind: 'map'; readonly key: NftExpression; readonly data: NftExpression }
  | { readonly kind: 'binary'; readonly operator: NftBinaryOperator; readonly operands: readonly NftExpression[] }
  /** The value of a verdict map's element. */
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  | NftUnrecognized;

export type NftHeader = 'exthdr' | 'tcp option' | 'ip option' | 'sctp chunk' | 'dccp option';
export type NftBinaryOperator = '|' | '&' | '^' | '<<' | '>>';

/** What this version does not know, kept as it was printed: the JSON, or the text where it came from text. */
export interface NftUnrecognized {
  readonly kind: 'unrecognized';
  readonly text: string;
  /** Absent where it came from text. */
  readonly json?: unknown;
}

/** An element of a set, or of a map where it has a value. The key `*` holds for whatever no other element holds for. */
export interface NftElement {
  readonly key: NftExpression;
  readonly value?: NftExpression;
  /** Seconds; absent where it stays, or where the set's own time-out holds. */
  readonly timeout?: number;
  /** Seconds until it goes, when the listing was made. */
  readonly expires?: number;
  readonly comment?: string;
  /** Of the element alone: counter, limit, quota, ct count, last. */
  readonly statements?: readonly NftStatement[];
}
