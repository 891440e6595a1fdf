/** A set of ipset(8): what IPVS mode, Calico and Cilium match addresses against. */

export interface IpSetElement {
  /** The element's parts, as printed and split at the comma: `10.96.0.1`, `tcp:80`; a protocol stays before its port. */
  readonly parts: readonly string[];
  /** nomatch: what this element holds is taken out of a wider one (hash:net types). */
  readonly isException: boolean;
  /** Seconds until it goes; absent where it stays. */
  readonly timeout?: number;
  readonly comment?: string;
  readonly counters?: { readonly packets: number; readonly bytes: number };
  /** Options of the element that this version does not know, as printed. */
  readonly others: readonly string[];
}

export interface IpSet {
  readonly name: string;
  /** Such as `hash:ip,port`. */
  readonly type: string;
  /** inet or inet6; absent for types without addresses. */
  readonly family?: 'IPv4' | 'IPv6';
  /** Options of `create` behind the type, in order, each with its value: `family inet`, `hashsize 1024`, `counters`. */
  readonly options: readonly string[];
  readonly elements: readonly IpSetElement[];
}
