/**
 * One rule of iptables, as `iptables -S` and `iptables-save` print it: every word of the line has its place here.
 * `-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-X`
 * Options are those of iptables(8) and iptables-extensions(8).
 */
import type { Counters } from '../net/counters.ts';

/** What stands behind `-A`. All conditions must hold: those of the rule itself, and those of each match. */
export interface IptablesRule {
  readonly chain: string;
  /** Absent where the dump was made without counters. */
  readonly counters?: Counters;
  /** -s and -d: an address, `10.0.0.0/8` or `10.0.12.0/255.0.255.0`, as written. */
  readonly source?: IptablesPrefix;
  readonly destination?: IptablesPrefix;
  /** -i and -o: a name, or the beginning of one and a plus sign. */
  readonly inInterface?: IptablesInterface;
  readonly outInterface?: IptablesInterface;
  /** -p: a name in lower case or a number, as written. */
  readonly protocol?: { readonly protocol: string; readonly negated: boolean };
  /** -f: the second and further fragments of a packet. */
  readonly fragment?: { readonly negated: boolean };
  /** In the order of the line. */
  readonly matches: readonly IptablesMatch[];
  /** A rule without a target only counts. */
  readonly target?: IptablesTarget;
  /** Why iptables-restore takes no such line, in words: nothing of it is in any kernel, and nobody knows what was meant. */
  readonly refused?: string;
  /** `# …` that somebody wrote behind the rule. */
  readonly remark?: string;
}

export interface IptablesPrefix {
  readonly prefix: string;
  readonly negated: boolean;
}

export interface IptablesInterface {
  readonly name: string;
  readonly negated: boolean;
}

/** `-m tcp --dport 80`: a match module with its options. It may have none. */
export interface IptablesMatch {
  /** The name behind -m; '' for words that belong to no module, which make the rule unknown. */
  readonly module: string;
  /** In the order of the line. */
  readonly options: readonly IptablesOption[];
}

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Which end of a packet or connection. */
export type End = 'source' | 'destination';

/** One option of a match module. */
export type IptablesOption =
  /** --sport and --dport of tcp, udp, udplite, sctp and dccp; both ends are included. */
  | {
      readonly kind: 'sourcePort' | 'destinationPort';
      readonly from: number;
      readonly to: number;
      readonly negated: boolean;
    }
  /** --sports, --dports and --ports of multiport: `80,8000:8080`. */
  | {
      readonly kind: 'multiport';
      readonly end: End | 'either';
      readonly ranges: readonly PortRange[];
      readonly negated: boolean;
    }
  /** --tcp-flags MASK SET, as the bits of a TCP header; --syn is a spelling of it. */
  | { readonly kind: 'tcpFlags'; readonly mask: number; readonly set: number; readonly negated: boolean }
  /** --mode of statistic. */
  | { readonly kind: 'statisticMode'; readonly mode: 'random' | 'nth'; readonly negated: false }
  /** --probability of statistic in the kernel's own unit: so many of 2^31. */
  | { readonly kind: 'probability'; readonly of2To31: number; readonly negated: boolean }
  /** --every of statistic: of so many packets one, that of the number in --packet. */
  | { readonly kind: 'every'; readonly count: number; readonly negated: boolean }
  | { readonly kind: 'packet'; readonly number: number; readonly negated: false }
  /** --mark of mark and connmark: the bits of the mask are the value. */
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number; readonly negated: boolean }
  /** --src-type and --dst-type of addrtype: any of the types. */
  | { readonly kind: 'addressType'; readonly end: End; readonly types: readonly string[]; readonly negated: boolean }
  /** --limit-iface-in and --limit-iface-out of addrtype: only the addresses of that interface count. */
  | { readonly kind: 'limitInterface'; readonly side: 'in' | 'out'; readonly negated: false }
  /** --ctstate of conntrack and --state of state: any of them. */
  | { readonly kind: 'connectionState'; readonly states: readonly string[]; readonly negated: boolean }
  /** --ctstatus: any of them. */
  | { readonly kind: 'connectionStatus'; readonly statuses: readonly string[]; readonly negated: boolean }
  /** --ctproto. */
  | { readonly kind: 'connectionProtocol'; readonly protocol: string; readonly negated: boolean }
  /** --ctorigsrc, --ctorigdst, --ctreplsrc and --ctrepldst. */
  | {
      readonly kind: 'connectionAddress';
      readonly direction: Direction;
      readonly end: End;
      readonly prefix: string;
      readonly negated: boolean;
    }
  /** --ctorigsrcport, --ctorigdstport, --ctreplsrcport and --ctrepldstport. */
  | {
      readonly kind: 'connectionPort';
      readonly direction: Direction;
      readonly end: End;
      readonly from: number;
      readonly to: number;
      readonly negated: boolean;
    }
  /** --ctdir. */
  | { readonly kind: 'direction'; readonly direction: Direction; readonly negated: boolean }
  /** --match-set NAME FLAGS of set. */
  | {
      readonly kind: 'matchSet';
      readonly set: string;
      readonly flags: readonly ('src' | 'dst')[];
      readonly negated: boolean;
    }
  /** --rcheck, --update, --set and --remove of recent. */
  | { readonly kind: 'recent'; readonly action: 'rcheck' | 'update' | 'set' | 'remove'; readonly negated: boolean }
  /** --name of recent. */
  | { readonly kind: 'recentList'; readonly name: string; readonly negated: false }
  | { readonly kind: 'comment'; readonly text: string; readonly negated: false }
  /** --src-range and --dst-range of iprange; both ends are included. */
  | {
      readonly kind: 'addressRange';
      readonly end: End;
      readonly from: string;
      readonly to: string;
      readonly negated: boolean;
    }
  | KeptOption
  /** The end of a line whose quote is not closed, from the quote on: nobody knows what followed. */
  | { readonly kind: 'truncated'; readonly text: string; readonly negated: false };

export type Direction = 'original' | 'reply';

/** An option by its words: of a module that decides nothing for a Service, or one that this version does not know. */
export interface KeptOption {
  readonly kind: 'kept';
  /** With its hyphens; any word where it is none of an option. */
  readonly name: string;
  /** As printed, with their quotes. */
  readonly values: readonly string[];
  readonly negated: boolean;
}

/** Targets that need no more words. */
export type PlainTarget = 'ACCEPT' | 'DROP' | 'RETURN' | 'QUEUE' | 'NOTRACK' | 'TRACE';

/** What a rule does with a packet that it matches. */
export type IptablesTarget =
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: PlainTarget }
  /** undefined is the kernel's own choice, icmp-port-unreachable. */
  | { readonly kind: 'REJECT'; readonly with: string | undefined }
  /** Where to; the flags --random, --random-fully and --persistent in the order of the line. */
  | { readonly kind: 'DNAT' | 'SNAT'; readonly to: readonly NatRange[]; readonly flags: readonly NatFlag[] }
  /** --to-ports; undefined where the port stays, or the kernel chooses one. */
  | {
      readonly kind: 'MASQUERADE' | 'REDIRECT';
      readonly ports: PortRange | undefined;
      readonly flags: readonly NatFlag[];
    }
  /** --to: the network part of the address becomes this one's. */
  | { readonly kind: 'NETMAP'; readonly to: string }
  /** The packet's mark becomes (mark and not clear) xor value: --set-xmark, and what the others mean by it. */
  | { readonly kind: 'MARK'; readonly value: number; readonly clear: number }
  /** The connection's mark becomes (mark and not clear) xor value. */
  | { readonly kind: 'CONNMARK'; readonly action: 'set'; readonly value: number; readonly clear: number }
  /**
   * save: the connection's mark becomes (its mark and not ctmask) xor (the packet's and nfmask); restore: the packet's
   * becomes (its mark and not nfmask) xor (the connection's and ctmask).
   */
  | { readonly kind: 'CONNMARK'; readonly action: 'save' | 'restore'; readonly nfmask: number; readonly ctmask: number }
  /** --notrack: no connection is kept for the packet. */
  | { readonly kind: 'CT'; readonly notrack: true }
  /** Any other target, with its options: one that this version gives no more meaning to, or does not know. */
  | { readonly kind: 'extension'; readonly name: string; readonly options: readonly KeptOption[] };

export type NatFlag = 'random' | 'random-fully' | 'persistent';

/** `10.0.0.1-10.0.0.9:8000-8010/8000`: any of the addresses, and any of the ports; what is absent stays as it was. */
export interface NatRange {
  readonly addresses?: { readonly from: string; readonly to: string };
  readonly ports?: PortRange;
  /** The port that becomes the first of the range, the next one the second, and so on (ports shifted). */
  readonly base?: number;
}

/** The text of the rule's first comment. */
export function commentOf({ matches }: IptablesRule): string | undefined {
  for (const { module, options } of matches) {
    if (module !== 'comment') continue;
    for (const option of options) if (option.kind === 'comment') return option.text;
  }
  return undefined;
}

/** The ports of one end that the rule asks for, by --sport, --dport or multiport; undefined where it asks for none. */
export function portsOf(
  { matches }: IptablesRule,
  end: End,
): { readonly ranges: readonly PortRange[]; readonly negated: boolean } | undefined {
  for (const { options } of matches) {
    for (const option of options) {
      if (option.kind === (end === 'source' ? 'sourcePort' : 'destinationPort'))
        return { ranges: [{ from: option.from, to: option.to }], negated: option.negated };
      if (option.kind === 'multiport' && option.end === end) return option;
    }
  }
  return undefined;
}
