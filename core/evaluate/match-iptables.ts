/**
 * Whether a rule's conditions hold for the first packet of a new connection: yes, no, or unknown. What the kernel does
 * is cited by its file in net/netfilter.
 */
import { addressNumber, parseNetwork, type Network } from '../net/address.ts';
import { ipSetContains } from '../ipset/contains.ts';
import type {
  End,
  IptablesInterface,
  IptablesMatch,
  IptablesOption,
  IptablesRule,
  PortRange,
} from '../iptables/rule.ts';
import { oncePer } from '../lib/once-per.ts';
import { printMatch } from '../iptables/print.ts';
import { present } from '../lib/present.ts';
import type { Protocol } from '../net/family.ts';
import { isOfAddressType } from './address-type.ts';
import { destinationOf, destinationPortOf, packetBytes, sourceOf, sourcePortOf, trackedAs } from './packet-ends.ts';
import type { At, Branch, Connection, Machine, Packet } from './walk.ts';
import { ipProtocolNumber, serviceProtocolNumbers } from '../net/ip-protocol.ts';

/** What rules did before on the packet path, and what the packet's branch is at. */
export interface Before {
  readonly table: string;
  readonly at: At;
  /** Sets that a rule has changed for this packet. */
  readonly changedSets: ReadonlySet<string>;
  /** Whether a rule that this branch met put its source into the list of `recent`. */
  wasSeen(list: string): boolean;
}

/** The conditions of rules, evaluated for one packet. */
export class PacketMatch {
  readonly #packet: Packet;
  readonly #machine: Machine;
  readonly #numbers = new Map<string, AddressNumber>();

  constructor(packet: Packet, machine: Machine) {
    this.#packet = packet;
    this.#machine = machine;
  }

  /**
   * How likely the rule matches: 0 or 1, or between for a choice of the kernel's; undefined where a condition is not
   * known and all others hold.
   */
  rule(rule: IptablesRule, branch: Branch, before: Before): number | undefined {
    let isUnknown = false;
    for (const own of ownConditions) {
      const holds = this.#own(own, rule, branch, before.at);
      if (holds === false) return 0;
      if (holds === undefined) isUnknown = true;
    }
    let probability = 1;
    for (const match of rule.matches) {
      const chance = this.#match(match, branch, before);
      if (chance === 0) return 0;
      if (chance === undefined) isUnknown = true;
      else probability *= chance;
    }
    return isUnknown ? undefined : probability;
  }

  /** The conditions that are not known, as the rule has them: `-i eth0`, `-m time --timestart 01:00:00`. */
  unknownParts(rule: IptablesRule, branch: Branch, before: Before): string[] {
    const parts: string[] = [];
    for (const own of ownConditions)
      if (this.#own(own, rule, branch, before.at) === undefined) parts.push(ownText(own, rule));
    for (const match of rule.matches)
      if (this.#match(match, branch, before) === undefined)
        parts.push(printMatch(match).trim() || 'a line that is truncated');
    return parts;
  }

  /** The packet's addresses, and those that it was rewritten to, are parsed once for all rules. */
  #number(address: string | undefined): AddressNumber {
    if (address === undefined) return undefined;
    let number = this.#numbers.get(address);
    if (number === undefined) {
      number = addressNumber(address);
      this.#numbers.set(address, number);
    }
    return number;
  }

  #own(condition: OwnCondition, rule: IptablesRule, branch: Branch, at: At): boolean | undefined {
    switch (condition) {
      case 'source':
        return rule.source === undefined
          ? true
          : negate(inNetwork(networkOf(rule.source), this.#number(this.#sourceOf(branch))), rule.source.negated);
      case 'destination':
        return rule.destination === undefined
          ? true
          : negate(
              inNetwork(networkOf(rule.destination), this.#number(this.#destinationOf(branch))),
              rule.destination.negated,
            );
      case 'inInterface':
        return rule.inInterface === undefined ? true : isInterface(rule.inInterface, at.inInterface, this.#machine);
      case 'outInterface':
        return rule.outInterface === undefined ? true : isInterface(rule.outInterface, at.outInterface, this.#machine);
      case 'protocol':
        return rule.protocol === undefined
          ? true
          : negate(isProtocol(rule.protocol.protocol, this.#packet.protocol), rule.protocol.negated);
      case 'fragment':
        // The first packet of a connection is whole, or its first fragment.
        return rule.fragment === undefined ? true : rule.fragment.negated;
    }
  }

  /** A rule's matches are asked one by one; the options within most of them too. */
  #match(match: IptablesMatch, branch: Branch, before: Before): number | undefined {
    const { module, options } = match;
    switch (module) {
      case 'comment':
        return all(options, (option) => (option.kind === 'comment' ? true : undefined));
      case 'tcp':
      case 'udp':
      case 'sctp':
      case 'dccp':
      case 'udplite':
        // The kernel takes these modules only in a rule of their own protocol.
        if (module !== this.#packet.protocol.toLowerCase()) return 0;
        return all(options, (option) => this.#transport(option, branch));
      case 'icmp':
      case 'icmp6':
      case 'icmpv6':
      case 'ah':
      case 'esp':
      case 'ipcomp':
      case 'mh':
        // Rules for other protocols than a Service has.
        return 0;
      case 'multiport':
        return all(options, (option) =>
          option.kind === 'multiport'
            ? negate(this.#multiport(option.end, option.ranges, branch), option.negated)
            : undefined,
        );
      case 'statistic':
        return statistic(options);
      case 'mark':
        return all(options, (option) =>
          option.kind === 'mark' && !isHidden(branch.isMarkUnknown, option.mask)
            ? ((branch.mark & option.mask) >>> 0 === option.value) !== option.negated
            : undefined,
        );
      case 'connmark':
        // xt_connmark.c connmark_mt: without a connection it never matches, negated or not.
        if (!this.#isTracked(branch, before)) return 0;
        return all(options, (option) =>
          option.kind === 'mark' && !isHidden(branch.isConnectionMarkUnknown, option.mask)
            ? (((branch.connectionMark ?? 0) & option.mask) >>> 0 === option.value) !== option.negated
            : undefined,
        );
      case 'addrtype':
        return this.#addressTypes(options, branch);
      case 'conntrack':
      case 'state':
        return this.#connection(options, branch, before);
      case 'set':
        return this.#set(options, branch, before);
      case 'recent':
        return recent(options, before);
      case 'iprange':
        return all(options, (option) => {
          if (option.kind !== 'addressRange') return undefined;
          return negate(
            isBetween(
              option,
              this.#number(option.end === 'source' ? this.#sourceOf(branch) : this.#destinationOf(branch)),
            ),
            option.negated,
          );
        });
      case 'limit':
        // xt_limit.c: a bucket is full until packets empty it, so that the first packet is within the limit.
        return options.length > 0 &&
          options.every(
            (option) =>
              option.kind === 'kept' &&
              (option.name === '--limit' || option.name === '--limit-burst') &&
              !option.negated,
          )
          ? 1
          : undefined;
      case 'hashlimit':
        return hashlimit(options);
      case 'connlimit':
        return connlimit(options);
      case 'connbytes':
        return this.#answered(branch) === undefined ? connbytes(options) : undefined;
      case 'helper':
        // xt_helper.c helper_mt: a connection that no other one expected has no helper.
        return all(options, (option) =>
          option.kind === 'kept' && option.name === '--helper' ? option.negated : undefined,
        );
      case 'pkttype':
        // ip_rcv drops what is for another host; to one address alone, no packet is a broadcast.
        return isToMany(this.#packet.destination)
          ? undefined
          : all(options, (option) =>
              option.kind === 'kept' && option.name === '--pkt-type'
                ? (option.values[0] === 'unicast' || option.values[0] === 'host') !== option.negated
                : undefined,
            );
      case 'cgroup':
        // xt_cgroup.c: a packet without a socket never matches, negated or not.
        return this.#packet.entersAt === 'OUTPUT' ? undefined : 0;
      case 'owner':
        return this.#owner(options);
      case 'rpfilter':
        // ipt_rpfilter.c: what comes by lo passes.
        if (before.at.inInterface !== 'lo' || options.some((option) => option.kind !== 'kept' || option.negated))
          return undefined;
        return options.some((option) => option.kind === 'kept' && option.name === '--invert') ? 0 : 1;
      case 'nfacct':
        // xt_nfacct.c: an object without a quota matches always; kube-proxy makes its own without one.
        return options.length === 1 &&
          options[0]?.kind === 'kept' &&
          !options[0].negated &&
          kubeProxyAccounts.has(options[0].values[0] ?? '')
          ? 1
          : undefined;
      default:
        return undefined;
    }
  }

  #transport(option: IptablesOption, branch: Branch): boolean | undefined {
    switch (option.kind) {
      case 'sourcePort':
        return negate(isPort(option, this.#sourcePortOf(branch)), option.negated);
      case 'destinationPort':
        return negate(isPort(option, this.#portOf(branch)), option.negated);
      case 'tcpFlags':
        // A connection begins with SYN alone, and the answer to it is SYN and ACK.
        return (
          (((this.#packet.answers === undefined ? synFlag : synFlag | ackFlag) & option.mask) === option.set) !==
          option.negated
        );
      default:
        return undefined;
    }
  }

  #multiport(end: End | 'either', ranges: readonly PortRange[], branch: Branch): boolean | undefined {
    const isAny = (port: number | undefined): boolean | undefined => {
      let answer: boolean | undefined = false;
      for (const range of ranges) {
        const holds = isPort(range, port);
        if (holds === true) return true;
        if (holds === undefined) answer = undefined;
      }
      return answer;
    };
    const bySource = end === 'destination' ? false : isAny(this.#sourcePortOf(branch));
    const byDestination = end === 'source' ? false : isAny(this.#portOf(branch));
    if (bySource === true || byDestination === true) return true;
    return bySource === undefined || byDestination === undefined ? undefined : false;
  }

  #addressTypes(options: readonly IptablesOption[], branch: Branch): number | undefined {
    const isLimited = options.some(({ kind }) => kind === 'limitInterface');
    return all(options, (option) => {
      if (option.kind === 'limitInterface') return true;
      if (option.kind !== 'addressType') return undefined;
      const address = option.end === 'source' ? this.#sourceOf(branch) : this.#destinationOf(branch);
      if (address === undefined) return undefined;
      const holds = isOfAddressType(this.#machine, address, option.types);
      // Which of its addresses an interface has is not known: only that no other address is LOCAL.
      const isOther = holds === false && option.types.every((type) => type === 'LOCAL');
      return isLimited && !isOther ? undefined : negate(holds, option.negated);
    });
  }

  /** xt_conntrack.c conntrack_mt and xt_state.c state_mt. */
  #connection(options: readonly IptablesOption[], branch: Branch, before: Before): number | undefined {
    if (!this.#isTracked(branch, before)) {
      const states = options.filter((option) => option.kind === 'connectionState');
      if (options.some(({ kind }) => kind === 'kept' || kind === 'truncated')) return undefined;
      // Without a connection the state is all that is asked.
      const state = branch.untracked === true ? 'UNTRACKED' : 'INVALID';
      return states.length > 0 && states.every((option) => option.states.includes(state) !== option.negated) ? 1 : 0;
    }
    return all(options, (option) => this.#connectionOption(option, branch, before));
  }

  #connectionOption(option: IptablesOption, branch: Branch, before: Before): boolean | undefined {
    const { protocol } = this.#packet;
    const connection = this.#answered(branch);
    const { source, destination, destinationPort, sourcePort } = connection?.original ?? this.#packet;
    switch (option.kind) {
      case 'connectionState':
        return negate(this.#hasState(option.states, branch), option.negated);
      case 'connectionStatus':
        return negate(this.#hasStatus(option.statuses, branch, before), option.negated);
      case 'connectionProtocol':
        return negate(isProtocol(option.protocol, protocol), option.negated);
      case 'connectionAddress': {
        // A reply comes from where the packet goes, and goes to where it seems to come from.
        const address =
          option.direction === 'original'
            ? option.end === 'source'
              ? source
              : destination
            : connection !== undefined
              ? option.end === 'source'
                ? this.#packet.source
                : this.#packet.destination
              : option.end === 'source'
                ? this.#destinationOf(branch)
                : this.#sourceOf(branch);
        return negate(inNetwork(networkOf(option), this.#number(address)), option.negated);
      }
      case 'connectionPort': {
        const port =
          option.direction === 'original'
            ? option.end === 'source'
              ? sourcePort
              : destinationPort
            : connection !== undefined
              ? option.end === 'source'
                ? this.#packet.sourcePort
                : undefined
              : option.end === 'source'
                ? this.#portOf(branch)
                : this.#sourcePortOf(branch);
        return negate(isPort(option, port), option.negated);
      }
      case 'direction':
        return (option.direction === (connection === undefined ? 'original' : 'reply')) !== option.negated;
      default:
        return undefined;
    }
  }

  #hasState(states: readonly string[], branch: Branch): boolean | undefined {
    const connection = this.#answered(branch);
    if (connection !== undefined) {
      if (states.includes('ESTABLISHED') || (states.includes('DNAT') && isTranslated(connection, this.#packet)))
        return true;
      if (states.includes('SNAT') && connection.isMasqueraded) return undefined;
      return states.every((state) => knownStates.has(state)) ? false : undefined;
    }
    if (states.includes('NEW')) return true;
    // nf_nat_core.c nf_nat_setup_info: the bit is set where the address or the port changes.
    const isRewritten =
      branch.dnat !== undefined &&
      (branch.dnat.address !== this.#packet.destination || branch.dnat.port !== this.#packet.destinationPort);
    if (states.includes('DNAT') && isRewritten) return true;
    // Whether masquerading changed anything depends on the address that the kernel chose.
    if (states.includes('SNAT') && branch.masqueradedBy !== undefined) return undefined;
    return states.every((state) => knownStates.has(state)) ? false : undefined;
  }

  /** A new connection has none of them; it is confirmed as its first packet leaves, and lo gives it back after that. */
  #hasStatus(statuses: readonly string[], branch: Branch, before: Before): boolean | undefined {
    const isAnswer = this.#answered(branch) !== undefined;
    if (statuses.includes('CONFIRMED') && (isAnswer || this.#isReturned(before))) return true;
    // The kernel notes it as it looks the answer up (nf_conntrack_core.c nf_conntrack_in).
    if (statuses.includes('SEEN_REPLY') && isAnswer) return true;
    const isRewritten =
      branch.dnat !== undefined &&
      (branch.dnat.address !== this.#packet.destination || branch.dnat.port !== this.#packet.destinationPort);
    if (isAnswer && (statuses.includes('DNAT') || statuses.includes('SNAT'))) return undefined;
    if (statuses.includes('DNAT') && isRewritten) return true;
    if (statuses.includes('SNAT') && branch.masqueradedBy !== undefined) return undefined;
    return statuses.every((status) => knownStatuses.has(status)) ? false : undefined;
  }

  /** The table raw comes before connections are looked up (priority -300, conntrack's is -200). */
  #isTracked(branch: Branch, before: Before): boolean {
    if (before.table === 'raw') return branch.untracked !== true && this.#isReturned(before);
    const tracked = trackedAs(this.#packet, branch);
    return tracked === 'new' || tracked === 'answer';
  }

  /** The connection that the packet answers, where conntrack finds it. */
  #answered(branch: Branch): Connection | undefined {
    return this.#packet.answers !== undefined && trackedAs(this.#packet, branch) === 'answer'
      ? this.#packet.answers.connection
      : undefined;
  }

  /** The packet was sent by the node to itself and comes back by lo, with its connection. */
  #isReturned({ at }: Before): boolean {
    return this.#packet.entersAt === 'OUTPUT' && at.inInterface === 'lo';
  }

  /** xt_set.c: the sets are asked; options on counters change no answer unless they compare them. */
  #set(options: readonly IptablesOption[], branch: Branch, { changedSets, at }: Before): number | undefined {
    const returnNomatch = options.some(
      (option) => option.kind === 'kept' && option.name === '--return-nomatch' && !option.negated,
    );
    return all(options, (option) => {
      if (option.kind === 'kept') return plainSetOptions.has(option.name) ? true : undefined;
      if (option.kind !== 'matchSet') return undefined;
      const set = changedSets.has(option.set) ? undefined : this.#machine.ipSets.get(option.set);
      const source = this.#sourceOf(branch);
      if (set === undefined || source === undefined) return undefined;
      const packet = present({
        source,
        destination: this.#destinationOf(branch),
        protocol: this.#packet.protocol,
        sourcePort: this.#sourcePortOf(branch),
        destinationPort: this.#portOf(branch),
        inInterface: at.inInterface,
        outInterface: at.outInterface,
      });
      return negate(
        ipSetContains(set, option.flags, packet, { returnNomatch, sets: this.#machine.ipSets }),
        option.negated,
      );
    });
  }

  /** xt_owner.c: a packet that the node only forwards has no socket, and then only what is negated holds. */
  #owner(options: readonly IptablesOption[]): number | undefined {
    if (this.#packet.entersAt === 'OUTPUT' || options.length === 0) return undefined;
    return all(options, (option) =>
      option.kind === 'kept' && option.name !== '--suppl-groups' ? option.negated : undefined,
    );
  }

  #sourceOf(branch: Branch): string | undefined {
    return sourceOf(this.#packet, branch);
  }

  #sourcePortOf(branch: Branch): number | undefined {
    return sourcePortOf(this.#packet, branch);
  }

  #destinationOf(branch: Branch): string {
    return destinationOf(this.#packet, branch);
  }

  #portOf(branch: Branch): number | undefined {
    return destinationPortOf(this.#packet, branch);
  }
}

/** Whether the connection's first packet was sent elsewhere than to where the client sent it. */
function isTranslated({ original }: Connection, { source, sourcePort }: Packet): boolean {
  return original.destination !== source || original.destinationPort !== sourcePort;
}

type OwnCondition = 'source' | 'destination' | 'inInterface' | 'outInterface' | 'protocol' | 'fragment';
const ownConditions: readonly OwnCondition[] = [
  'destination',
  'protocol',
  'source',
  'inInterface',
  'outInterface',
  'fragment',
];

function ownText(condition: OwnCondition, rule: IptablesRule): string {
  const text = (flag: string, value: string, negated: boolean): string => `${negated ? '! ' : ''}${flag} ${value}`;
  switch (condition) {
    case 'source':
      return text('-s', rule.source?.prefix ?? '', rule.source?.negated === true);
    case 'destination':
      return text('-d', rule.destination?.prefix ?? '', rule.destination?.negated === true);
    case 'inInterface':
      return text('-i', rule.inInterface?.name ?? '', rule.inInterface?.negated === true);
    case 'outInterface':
      return text('-o', rule.outInterface?.name ?? '', rule.outInterface?.negated === true);
    case 'protocol':
      return text('-p', rule.protocol?.protocol ?? '', rule.protocol?.negated === true);
    case 'fragment':
      return '-f';
  }
}

const synFlag = 0x02;
const ackFlag = 0x10;
const knownStates: ReadonlySet<string> = new Set([
  'INVALID',
  'NEW',
  'RELATED',
  'ESTABLISHED',
  'UNTRACKED',
  'SNAT',
  'DNAT',
]);
const knownStatuses: ReadonlySet<string> = new Set([
  'NONE',
  'EXPECTED',
  'SEEN_REPLY',
  'ASSURED',
  'CONFIRMED',
  'SNAT',
  'DNAT',
]);
const plainSetOptions: ReadonlySet<string> = new Set(['--return-nomatch', '--update-counters', '--update-subcounters']);
/** pkg/proxy/metrics/metrics.go, 1.31 to 1.37. */
const kubeProxyAccounts: ReadonlySet<string> = new Set([
  'ct_state_invalid_dropped_pkts',
  'localhost_nps_accepted_pkts',
]);

function negate(holds: boolean | undefined, negated: boolean): boolean | undefined {
  return holds === undefined ? undefined : holds !== negated;
}

/** 0 where any option surely does not hold, 1 where all do. */
function all(
  options: readonly IptablesOption[],
  holds: (option: IptablesOption) => boolean | undefined,
): number | undefined {
  let answer: number | undefined = 1;
  for (const option of options) {
    const each = holds(option);
    if (each === false) return 0;
    if (each === undefined) answer = undefined;
  }
  return answer;
}

/** A rule's network is read once: rules stay as they are. */
const networkOf = oncePer(({ prefix }: { readonly prefix: string }): Network | undefined => parseNetwork(prefix));

type AddressNumber = ReturnType<typeof addressNumber>;

function inNetwork(network: Network | undefined, number: AddressNumber): boolean | undefined {
  if (network === undefined) return undefined;
  if (network.mask === 0n) return true;
  if (number === undefined) return undefined;
  return number.bits === network.bits && (number.value & network.mask) === network.network;
}

const endsOf = oncePer(({ from, to }: { readonly from: string; readonly to: string }) => ({
  from: addressNumber(from),
  to: addressNumber(to),
}));

function isBetween(range: { readonly from: string; readonly to: string }, number: AddressNumber): boolean | undefined {
  const { from, to } = endsOf(range);
  if (from === undefined || to === undefined || number === undefined || from.bits !== to.bits) return undefined;
  return number.bits === from.bits && number.value >= from.value && number.value <= to.value;
}

/** An unknown name is any but lo's. */
function isInterface(
  { name, negated }: IptablesInterface,
  actual: string | undefined,
  { otherInterfaces }: Machine,
): boolean | undefined {
  if (name === '' || name === '+') return !negated;
  const isBeginning = name.endsWith('+');
  if (actual === undefined) return name === 'lo' || otherInterfaces?.has(name) === true ? negated : undefined;
  return (isBeginning ? actual.startsWith(name.slice(0, -1)) : actual === name) !== negated;
}

function isPort({ from, to }: PortRange, port: number | undefined): boolean | undefined {
  if (port !== undefined) return port >= from && port <= to;
  return from <= 1 && to === 65535 ? true : undefined;
}

function isProtocol(asked: string, protocol: Protocol): boolean | undefined {
  const number = asked === 'all' ? 0 : ipProtocolNumber(asked);
  // 0 is any protocol (net/ipv4/netfilter/ip_tables.c ip_packet_match).
  return number === undefined ? undefined : number === 0 || number === serviceProtocolNumbers[protocol];
}

/** xt_statistic.c statistic_mt: random compares 31 random bits; nth counts, and gives each packet its turn. */
const statistic = oncePer((options: readonly IptablesOption[]): number | undefined => {
  let mode: 'random' | 'nth' | undefined;
  let chance: number | undefined;
  for (const option of options) {
    if (option.kind === 'statisticMode') mode = option.mode;
    else if (option.kind === 'probability')
      chance = option.negated ? 1 - option.of2To31 / 2 ** 31 : option.of2To31 / 2 ** 31;
    else if (option.kind === 'every') chance = option.negated ? 1 - 1 / option.count : 1 / option.count;
    else if (option.kind !== 'packet') return undefined;
  }
  const isWhole =
    mode === 'random'
      ? options.some(({ kind }) => kind === 'probability')
      : options.some(({ kind }) => kind === 'every');
  return mode !== undefined &&
    isWhole &&
    options.filter(({ kind }) => kind === 'probability' || kind === 'every').length === 1
    ? chance
    : undefined;
});

const recentOptions: ReadonlySet<string> = new Set([
  '--seconds',
  '--reap',
  '--rttl',
  '--mask',
  '--rsource',
  '--hitcount',
]);

/**
 * xt_recent.c recent_mt: to be put into a list always succeeds. The client is taken for a new one, that is in a list
 * only where a rule has put it there on this packet's path: with one packet seen.
 */
function recent(options: readonly IptablesOption[], before: Before): number | undefined {
  let action: (IptablesOption & { readonly kind: 'recent' }) | undefined;
  let list = 'DEFAULT';
  let hits = 1;
  let isPlain = true;
  for (const option of options) {
    if (option.kind === 'recent' && action === undefined) action = option;
    else if (option.kind === 'recentList') list = option.name;
    else if (option.kind === 'kept' && !option.negated && recentOptions.has(option.name)) {
      if (option.name === '--hitcount') hits = Number(option.values[0]);
    } else if (option.kind === 'kept' && option.name === '--rdest') isPlain = false;
    else return undefined;
  }
  if (action === undefined || !Number.isInteger(hits)) return undefined;
  if (action.action === 'set') return action.negated ? 0 : 1;
  // Of a destination it is not known who went there before.
  if (!isPlain) return undefined;
  const isIn = before.wasSeen(list) && hits <= 1;
  return isIn !== action.negated ? 1 : 0;
}

/** xt_hashlimit.c: like limit, for each client; the first packet finds a full bucket. */
function hashlimit(options: readonly IptablesOption[]): number | undefined {
  let isWithin: boolean | undefined;
  for (const option of options) {
    if (option.kind !== 'kept') return undefined;
    if (option.name === '--hashlimit-upto' || option.name === '--hashlimit') isWithin = !option.negated;
    else if (option.name === '--hashlimit-above') isWithin = option.negated;
    else if (option.negated || !option.name.startsWith('--hashlimit-')) return undefined;
  }
  return isWithin === undefined ? undefined : isWithin ? 1 : 0;
}

/** xt_connlimit.c: the connection itself is counted; a client is taken for a new one, that has no other. */
function connlimit(options: readonly IptablesOption[]): number | undefined {
  return all(options, (option) => {
    if (option.kind !== 'kept') return undefined;
    if (option.name !== '--connlimit-above' && option.name !== '--connlimit-upto')
      return option.negated ? undefined : true;
    const most = Number(option.values[0]);
    if (!Number.isInteger(most)) return undefined;
    return ((option.name === '--connlimit-above') === most < 1) !== option.negated;
  });
}

/** xt_connbytes.c connbytes_mt: of a connection's first packet, it alone is counted, in its own direction. */
function connbytes(options: readonly IptablesOption[]): number | undefined {
  const word = (name: string): readonly string[] | undefined =>
    options.flatMap((option) => (option.kind === 'kept' && option.name === name ? [option.values] : []))[0];
  const range = options.find((option) => option.kind === 'kept' && option.name === '--connbytes');
  const [mode] = word('--connbytes-mode') ?? [];
  const [direction] = word('--connbytes-dir') ?? [];
  if (range?.kind !== 'kept' || mode === undefined || direction === undefined) return undefined;
  const [from = '0', to] = (range.values[0] ?? '').split(':');
  const [least, most] = [Number(from === '' ? 0 : from), to === undefined || to === '' ? Infinity : Number(to)];
  if (Number.isNaN(least) || Number.isNaN(most)) return undefined;
  const isNone = direction === 'reply';
  const low = isNone ? 0 : mode === 'packets' ? 1 : packetBytes.from;
  const high = isNone ? 0 : mode === 'packets' ? 1 : packetBytes.to;
  if (low >= least && high <= most) return range.negated ? 0 : 1;
  return high < least || low > most ? (range.negated ? 1 : 0) : undefined;
}

function isToMany(address: string): boolean {
  const first = Number(/^(\d+)\./.exec(address)?.[1]);
  return /^ff/i.test(address) || first >= 224;
}

/** Whether bits of a mark are asked for that nobody knows (a map or hash of nftables set it). */
function isHidden(isUnknown: boolean | undefined, mask: number): boolean {
  return isUnknown === true && mask !== 0;
}
