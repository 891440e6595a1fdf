/**
 * A rule of nftables: its expressions, which are what it reads of a packet and the values that it compares it with, and
 * its statements, in the order in which the kernel runs them. They mirror libnftables-json(5), so that the text and the
 * JSON of nft give one model.
 */

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

/** Objects of a table that a rule names (nft(8), "Stateful objects"). */
export const nftObjectKinds = [
  'counter',
  'quota',
  'limit',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'synproxy',
  'secmark',
  'tunnel',
] as const;
export type NftObjectKind = (typeof nftObjectKinds)[number];

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
