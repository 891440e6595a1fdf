/**
 * Which addresses and ports rules distinguish: two of the same class have the same answer to every question that any of
 * the rules asks of this end of a packet. What is not understood makes each address a class of its own.
 */
import { addressNumber, addressText, parseNetwork, plainIPv4 } from '../net/address.ts';
import { ipSetContents } from '../ipset/contains.ts';
import type { IpSet } from '../ipset/set.ts';
import type { End, IptablesOption, IptablesRule } from '../iptables/rule.ts';
import type { NftElement, NftExpression, NftStatement } from '../nftables/rule.ts';
import type { NftSet } from '../nftables/table.ts';
import { nftTypesOf } from '../nftables/types.ts';
import { byKind, type ByKind } from '../lib/by-kind.ts';
import { oncePer } from '../lib/once-per.ts';
import { addressTypesOf, typesOf4 } from './address-type.ts';
import { addressAtom } from './nft-reading.ts';
import { rangesOf, type Atom, type AtomRange } from './nft-value.ts';
import { isOwnAddress } from './walk-hooks.ts';
import type { Machine } from './walk.ts';

type Bits = 32 | 128;

/** A question that is only asked of packets with one address at their other end, such as a pair of addresses in a set. */
interface Paired {
  readonly part: 'address' | 'port';
  readonly range: AtomRange;
}

/** The sets and maps of a table, by name. */
type NftSets = (name: string) => NftSet | undefined;

/** What a statement asks that reads nothing of an address or port. */
const nothing = (): void => undefined;

export class AddressClasses {
  readonly #end: End;
  readonly #machine: Machine;
  /** Where another answer may begin, by the width of the address; sorted when it is first asked for. */
  readonly #addresses: Record<Bits, { points: Set<bigint>; sorted?: readonly bigint[] }> = {
    32: { points: new Set() },
    128: { points: new Set() },
  };
  #sorted32: readonly number[] | undefined;
  readonly #ports = new Set<number>();
  #orderedPorts: readonly number[] | undefined;
  /** Masks with holes: no range of numbers. */
  readonly #masks: { readonly bits: Bits; readonly network: bigint; readonly mask: bigint }[] = [];
  /** By the address at the other end. */
  readonly #paired = new Map<Atom, Paired[]>();
  #isOpaque = false;
  /** Some rule asks what kind of address the machine takes it for. */
  #asksTypes = false;
  /** Classes by port and address. */
  readonly #known = new Map<number, Map<string, string>>();
  /** Classes of plain addresses of IPv4, by their types and a number for all else that decides. */
  readonly #plain = new Map<readonly string[] | undefined, Map<number, string>>();

  constructor(end: End, machine: Machine) {
    this.#end = end;
    this.#machine = machine;
  }

  /** The rules of a chain, which is never changed: several nodes may have the same. */
  addIptables(rules: readonly IptablesRule[]): void {
    for (const rule of rulesAsking[this.#end](rules)) this.#iptables(rule);
  }

  #iptables(rule: IptablesRule): void {
    const own = this.#end === 'destination' ? rule.destination : rule.source;
    if (own !== undefined) this.#network(own.prefix);
    for (const { options } of rule.matches) for (const option of options) this.#option(option);
  }

  #option(option: IptablesOption): void {
    const end = this.#end;
    switch (option.kind) {
      case 'sourcePort':
      case 'destinationPort':
        if (option.kind === `${end}Port`) this.#port(option);
        return;
      case 'multiport':
        if (option.end === end || option.end === 'either')
          option.ranges.forEach((range) => {
            this.#port(range);
          });
        return;
      case 'addressRange': {
        if (option.end !== end) return;
        const [from, to] = [addressNumber(option.from), addressNumber(option.to)];
        if (from === undefined || to === undefined) this.#isOpaque = true;
        else this.#range(from.bits, from.value, to.value);
        return;
      }
      // A reply's end is the other one of the packet.
      case 'connectionAddress':
        if ((option.end === end) === (option.direction === 'original')) this.#network(option.prefix);
        return;
      case 'connectionPort':
        if ((option.end === end) === (option.direction === 'original')) this.#port(option);
        return;
      case 'addressType':
        if (option.end === end) this.#asksTypes = true;
        return;
      case 'matchSet':
        if (option.flags.includes(end === 'destination' ? 'dst' : 'src'))
          this.#ipSet(this.#machine.ipSets.get(option.set), true);
        return;
      default:
    }
  }

  /** One that was not read has no answer, whatever it is asked. */
  #ipSet(set: IpSet | undefined, mayHoldSets: boolean): void {
    if (set === undefined) return;
    if (set.type === 'list:set') {
      if (mayHoldSets)
        for (const { parts } of set.elements) this.#ipSet(this.#machine.ipSets.get(parts[0] ?? ''), false);
      return;
    }
    const contents = ipSetContents(set);
    if (contents === undefined) {
      this.#isOpaque = true;
      return;
    }
    for (const { bits, from, to } of contents.ranges) this.#range(bits, from, to);
    for (const address of contents.loops) {
      const atom = addressAtom(addressText(address.value, address.bits));
      if (atom !== undefined) this.#pair(atom, { part: 'address', range: { from: atom, to: atom } });
    }
    for (const port of contents.ports) this.#port({ from: port, to: port });
  }

  /** A server of IPVS takes the packets to its own address and port. */
  addPlace(address: string, port: number): void {
    this.#network(address);
    this.#port({ from: port, to: port });
  }

  /** @param sets those of its table */
  addNft(statements: readonly NftStatement[], sets: NftSets): void {
    for (const statement of statements) byKind(AddressClasses.#nftStatements, 'kind', statement, this, sets);
  }

  /** What each kind of statement asks of the packet. */
  static readonly #nftStatements: ByKind<'kind', NftStatement, [AddressClasses, NftSets], void> = {
    match({ left, right }, classes, sets) {
      classes.#compared(left, right, sets);
    },
    vmap({ key, data }, classes, sets) {
      classes.#compared(key, data, sets);
    },
    mangle({ value }, classes, sets) {
      classes.#value(value, sets);
    },
    nat({ address, port }, classes, sets) {
      if (address !== undefined) classes.#value(address, sets);
      if (port !== undefined) classes.#value(port, sets);
    },
    // What it remembers may be asked later.
    setUpdate({ element }, classes) {
      if (classes.#readsAny(element.key)) classes.#isOpaque = true;
    },
    verdict: nothing,
    counter: nothing,
    object: nothing,
    quota: nothing,
    limit: nothing,
    connectionLimit: nothing,
    last: nothing,
    log: nothing,
    reject: nothing,
    meter: nothing,
    notrack: nothing,
    queue: nothing,
    tproxy: nothing,
    dup: nothing,
    fwd: nothing,
    synproxy: nothing,
    flow: nothing,
    reset: nothing,
    xt: nothing,
    unrecognized: nothing,
  };

  /** A value that the packet gets: where it is read of this end, each address has its own. */
  #value(expression: NftExpression, sets: NftSets): void {
    switch (expression.kind) {
      case 'map':
        this.#compared(expression.key, expression.data, sets);
        return;
      case 'binary':
        for (const operand of expression.operands) this.#value(operand, sets);
        return;
      case 'concatenation':
        for (const part of expression.parts) this.#value(part, sets);
        return;
      default:
        if (this.#readsAny(expression)) this.#isOpaque = true;
    }
  }

  #compared(left: NftExpression, right: NftExpression, sets: NftSets): void {
    if (left.kind === 'map') {
      this.#compared(left.key, left.data, sets);
      return;
    }
    const parts = left.kind === 'concatenation' ? left.parts : [left];
    const reads = parts.map((part) => this.#reads(part));
    const isWhole = parts.every((part, index) => reads[index] !== undefined || !this.#readsAny(part));
    if (!isWhole || this.#readsAny(right)) {
      this.#isOpaque = true;
      return;
    }
    if (reads.every((read) => read === undefined)) return;
    if (reads.includes('type')) this.#asksTypes = true;
    const types = nftTypesOf(left);
    const other = parts.findIndex(
      (part) => readsEnd(part, this.#end === 'destination' ? 'source' : 'destination') === 'address',
    );
    if (right.kind === 'set' || right.kind === 'setReference') {
      // A set that was not read has no answer, whatever it is asked.
      const elements: readonly NftElement[] =
        right.kind === 'set' ? right.elements : (sets(right.name)?.elements ?? []);
      for (const { key } of elements)
        if (key.kind !== 'value' || key.value !== '*') this.#key(key, types, reads, other);
    } else this.#key(right, types, reads, -1);
  }

  #key(key: NftExpression, types: readonly string[], reads: readonly (Read | undefined)[], other: number): void {
    const ranges = rangesOf(key, types);
    // What is not understood is unknown for every packet.
    if (ranges === undefined) return;
    const source = ranges[other];
    reads.forEach((read, index) => {
      const range = ranges[index];
      if (read === undefined || range === undefined || read === 'type') return;
      if (source !== undefined && source.from === source.to) {
        this.#pair(source.from, { part: read, range });
      } else if (read === 'port') {
        if (typeof range.from === 'number' && typeof range.to === 'number')
          this.#port({ from: range.from, to: range.to });
      } else if (typeof range.from === 'bigint' && typeof range.to === 'bigint') this.#range(128, range.from, range.to);
      else if (typeof range.from === 'number' && typeof range.to === 'number')
        this.#range(32, BigInt(range.from), BigInt(range.to));
    });
  }

  #pair(other: Atom, question: Paired): void {
    const known = this.#paired.get(other);
    if (known === undefined) this.#paired.set(other, [question]);
    else known.push(question);
  }

  #reads(expression: NftExpression): Read | undefined {
    return readsEnd(expression, this.#end);
  }

  #readsAny(expression: NftExpression): boolean {
    if (this.#reads(expression) !== undefined) return true;
    switch (expression.kind) {
      case 'concatenation':
        return expression.parts.some((part) => this.#readsAny(part));
      case 'binary':
        return expression.operands.some((part) => this.#readsAny(part));
      case 'map':
        return this.#readsAny(expression.key);
      case 'jhash':
        return this.#readsAny(expression.of);
      default:
        return false;
    }
  }

  #network(text: string): void {
    const network = parseNetwork(text);
    // A network that cannot be read is unknown for every packet.
    if (network === undefined) return;
    const { bits } = network;
    const all = (1n << BigInt(bits)) - 1n;
    const hosts = all ^ network.mask;
    if ((hosts & (hosts + 1n)) !== 0n) this.#masks.push(network);
    else this.#range(bits, network.network, network.network | hosts);
  }

  #range(bits: Bits, from: bigint, to: bigint): void {
    this.#addresses[bits].points.add(from).add(to + 1n);
  }

  #port({ from, to }: { readonly from: number; readonly to: number }): void {
    this.#ports.add(from).add(to + 1);
  }

  /** Whether some question is asked of packets with this address at their other end alone. */
  pairs(other: string): boolean {
    if (this.#paired.size === 0) return false;
    const atom = addressAtom(other);
    return atom !== undefined && this.#paired.has(atom);
  }

  /**
   * The class of an address and port.
   * @param other the address at the packet's other end
   */
  classOf(address: string, port: number, other: string): string {
    if (this.#isOpaque) return `${address} ${String(port)}`;
    const known = this.#classOfPlain(address, port) ?? this.#classOfAny(address, port);
    if (this.#paired.size === 0) return known;
    const atom = addressAtom(other);
    const paired = atom === undefined ? undefined : this.#paired.get(atom);
    if (paired === undefined) return known;
    const own = addressAtom(address);
    return `${known} ${paired.map(({ part, range }) => (isWithin(range, part === 'port' ? port : own) ? 1 : 0)).join('')}`;
  }

  /** The same class as `#classOfAny` gives, found without a text for each of thousands of addresses. */
  #classOfPlain(address: string, port: number): string | undefined {
    const value = this.#masks.length > 0 ? undefined : plainIPv4(address);
    if (value === undefined) return undefined;
    this.#sorted32 ??= this.#sortedAddresses(32).map(Number);
    const ports = this.#sortedPorts();
    const types = this.#asksTypes ? typesOf4(this.#machine, address, value) : undefined;
    const place = placeIn(this.#sorted32, value) * (ports.length + 1) + placeIn(ports, port);
    const key = place * 2 + (isOwnAddress(this.#machine, address) ? 1 : 0);
    let ofTypes = this.#plain.get(types);
    if (ofTypes === undefined) {
      ofTypes = new Map();
      this.#plain.set(types, ofTypes);
    }
    let known = ofTypes.get(key);
    if (known === undefined) {
      known = this.#common(address, port);
      ofTypes.set(key, known);
    }
    return known;
  }

  #classOfAny(address: string, port: number): string {
    let ofPort = this.#known.get(port);
    if (ofPort === undefined) {
      ofPort = new Map();
      this.#known.set(port, ofPort);
    }
    let known = ofPort.get(address);
    if (known === undefined) {
      known = this.#common(address, port);
      ofPort.set(address, known);
    }
    return known;
  }

  #sortedAddresses(bits: Bits): readonly bigint[] {
    const own = this.#addresses[bits];
    own.sorted ??= [...own.points].sort((one, other) => (one < other ? -1 : one > other ? 1 : 0));
    return own.sorted;
  }

  #sortedPorts(): readonly number[] {
    this.#orderedPorts ??= [...this.#ports].sort((one, other) => one - other);
    return this.#orderedPorts;
  }

  #common(address: string, port: number): string {
    const number = addressNumber(address);
    if (number === undefined) return `${address} ${String(port)}`;
    const { bits, value } = number;
    const masks = this.#masks
      .map((mask) => (mask.bits === bits && (value & mask.mask) === mask.network ? 1 : 0))
      .join('');
    return [
      bits,
      placeIn(this.#sortedAddresses(bits), value),
      placeIn(this.#sortedPorts(), port),
      masks,
      isOwnAddress(this.#machine, address) ? 'own' : '',
      this.#asksTypes ? addressTypesOf(this.#machine, address).join() : '',
    ].join(' ');
  }
}

/** Of a chain, the rules that may ask for this end of a packet: none of those of thousands of endpoints asks for the destination. */
const rulesAsking: Readonly<Record<End, (rules: readonly IptablesRule[]) => readonly IptablesRule[]>> = {
  source: oncePer((rules) => mayAsk(rules, ({ source }) => source !== undefined)),
  destination: oncePer((rules) => mayAsk(rules, ({ destination }) => destination !== undefined)),
};

function mayAsk(rules: readonly IptablesRule[], hasNetwork: (rule: IptablesRule) => boolean): readonly IptablesRule[] {
  const asking = rules.filter(
    (rule) => hasNetwork(rule) || rule.matches.some(({ options }) => options.some(({ kind }) => !silent.has(kind))),
  );
  return asking.length === 0 ? none : asking;
}

const none: readonly never[] = [];

/** Of what stands in nearly every rule of a Service, what asks for no end of a packet. */
const silent: ReadonlySet<IptablesOption['kind']> = new Set(['comment', 'statisticMode', 'probability']);

type Read = 'address' | 'port' | 'type';

/** What of an end of a packet the expression is, alone. */
function readsEnd(expression: NftExpression, end: End): Read | undefined {
  const [address, port] = end === 'destination' ? ['daddr', 'dport'] : ['saddr', 'sport'];
  switch (expression.kind) {
    case 'payload':
      return expression.field === address && expression.protocol !== 'ether'
        ? 'address'
        : expression.field === port
          ? 'port'
          : undefined;
    case 'rawPayload':
      return expression.base === 'th' &&
        expression.length === 16 &&
        expression.offset === (end === 'destination' ? 16 : 0)
        ? 'port'
        : undefined;
    case 'ct': {
      const isReply = expression.direction === 'reply';
      if (expression.key.endsWith('addr'))
        return (expression.key.endsWith('daddr') === (end === 'destination')) !== isReply ? 'address' : undefined;
      return expression.key.startsWith('proto-') &&
        ((expression.key === 'proto-dst') === (end === 'destination')) !== isReply
        ? 'port'
        : undefined;
    }
    case 'fib':
      return expression.flags.includes(address) ? 'type' : undefined;
    default:
      return undefined;
  }
}

function isWithin({ from, to }: AtomRange, atom: Atom | undefined): boolean {
  return atom !== undefined && typeof atom === typeof from && atom >= from && atom <= to;
}

/** How many of the sorted points are not above the value. */
function placeIn<Value extends number | bigint>(points: readonly Value[], value: Value): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const point = points[middle];
    if (point !== undefined && point <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
