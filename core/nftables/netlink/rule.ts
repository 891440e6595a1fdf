/**
 * Chains and rules of nf_tables, from the kernel's attributes to the JSON that `nft -j list chain` prints. The kernel
 * keeps a rule as a list of expressions that hand values on in registers; following the registers gives the statements,
 * as src/netlink_delinearize.c of nftables does it. Only what is known in each of its attributes is read: NetlinkError
 * is thrown for a whole rule of which one part is not, and nothing is guessed.
 */
import { expressionsOf, ruleAttributes } from './expression.ts';
import { bigEndian, NetlinkError, type NetlinkAttributes } from './message.ts';
import type { Family } from '../../net/family.ts';
import { commentOf, type NetlinkSet } from './set.ts';
import { flagsJson, hostNumber, lengthOf, lengthOfTypes, valueJson, verdictJson, type NftValueType } from './value.ts';
import { netfilterHooks } from '../../net/netfilter.ts';

export interface NetlinkRuleContext {
  readonly family: Family;
  readonly table: string;
  /** The sets that the rules look up, by name. */
  readonly sets: ReadonlyMap<string, NetlinkSet>;
  /** The elements of the anonymous ones. */
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
}

/** Of NFT_MSG_NEWCHAIN: its name, and the hook that it is registered at. */
export function netlinkChainJson(
  attributes: NetlinkAttributes,
  { family, table }: Pick<NetlinkRuleContext, 'family' | 'table'>,
): { [key: string]: unknown } {
  return {
    chain: {
      family: familyName(family),
      table,
      name: attributes.string(3),
      handle: attributes.number(2),
      ...baseJson(attributes),
    },
  };
}

function baseJson(attributes: NetlinkAttributes): object {
  const hook = attributes.nested(4);
  if (hook === undefined) return {};
  hook.requireOnly([1, 2]);
  const [number, priority, policy] = [hook.number(1), hook.number(2), attributes.number(5)];
  const name = netfilterHooks[number ?? NaN];
  if (name === undefined || priority === undefined || (policy !== 0 && policy !== 1))
    throw new NetlinkError(`a chain's hook ${String(number)} is not known`);
  return { type: attributes.string(7), hook: name, prio: priority | 0, policy: policy === 0 ? 'drop' : 'accept' };
}

/** The names of the sets that a rule of NFT_MSG_NEWRULE looks up or fills. */
export function setsOfNetlinkRule(attributes: NetlinkAttributes): string[] {
  return expressionsOf(attributes).flatMap(({ name, data }) =>
    name === 'lookup' || name === 'dynset' ? (data.string(1) ?? []) : [],
  );
}

/** Of NFT_MSG_NEWRULE. */
export function netlinkRuleJson(
  attributes: NetlinkAttributes,
  context: NetlinkRuleContext,
): { [key: string]: unknown } {
  attributes.requireOnly(Object.values(ruleAttributes));
  const comment = commentOf(attributes.bytes(ruleAttributes.userData));
  const reader = new RuleReader(context);
  for (const { name, data } of expressionsOf(attributes)) {
    const known = expressions.get(name);
    if (known === undefined) throw new NetlinkError(`the expression ${name} is not known`);
    data.requireOnly(known.attributes);
    known.read(reader, data);
  }
  return {
    rule: {
      family: familyName(context.family),
      table: context.table,
      chain: attributes.string(ruleAttributes.chain),
      handle: attributes.number(ruleAttributes.handle),
      ...(comment === undefined ? {} : { comment }),
      expr: reader.statements,
    },
  };
}

const familyName = (family: Family): string => (family === 'IPv4' ? 'ip' : 'ip6');

/** What a register holds. */
interface Value {
  /** Undefined for a constant: its type is known where it is used. */
  readonly json?: unknown;
  readonly constant?: Uint8Array;
  /** Empty for a constant. */
  readonly types: readonly NftValueType[];
  /** In bytes; one that is shorter than its type holds the first bytes of an address. */
  readonly length: number;
  /** The bits of an address that are compared (as a big-endian number), or of flags (in the host's order). */
  readonly mask?: bigint;
}

class RuleReader {
  readonly statements: unknown[] = [];
  readonly #context: NetlinkRuleContext;
  readonly #address: 'ipv4_addr' | 'ipv6_addr';
  /** By the first of the four-byte registers that the value fills. */
  readonly #registers = new Map<number, Value>();
  /** `tcp` behind `meta l4proto tcp`. */
  #protocol: string | undefined;
  /** The statement that nft leaves out where a field of that protocol follows. */
  #dependency: unknown;

  constructor(context: NetlinkRuleContext) {
    this.#context = context;
    this.#address = context.family === 'IPv4' ? 'ipv4_addr' : 'ipv6_addr';
  }

  #load(register: number | undefined, value: Value): void {
    const from = slotOf(register);
    const to = from + slots(value.length);
    // A value of which a part is overwritten is none any more.
    for (const [at, { length }] of this.#registers)
      if (at < to && from < at + slots(length)) this.#registers.delete(at);
    this.#registers.set(from, value);
  }

  #value(register: number | undefined): Value {
    const value = this.#registers.get(slotOf(register));
    if (value === undefined) throw new NetlinkError('a register is used that nothing was loaded into');
    return value;
  }

  /** What a register holds, where the type that is wanted is known. */
  #operand(register: number | undefined, type: NftValueType): unknown {
    const { constant, json, types, length, mask } = this.#value(register);
    if (constant !== undefined) return valueJson([type], constant);
    if (types.length !== 1 || types[0] !== type || mask !== undefined || length !== (lengthOf(type) ?? length))
      throw new NetlinkError(`a value that is no ${type} is used as one`);
    return json;
  }

  /** A key for a set: as many registers, one behind the other, as the set has types. */
  #key(register: number | undefined, types: readonly NftValueType[]): unknown {
    let slot = slotOf(register);
    const parts = types.map((type) => {
      const value = this.#registers.get(slot);
      if (
        value === undefined ||
        value.constant !== undefined ||
        value.mask !== undefined ||
        value.types.length !== 1 ||
        value.types[0] !== type
      )
        throw new NetlinkError(`a value that is no ${type} is looked up as one`);
      if (value.length !== (lengthOf(type) ?? value.length)) throw new NetlinkError('a key is shorter than its type');
      slot += slots(value.length);
      return value.json;
    });
    return parts.length === 1 ? parts[0] : { concat: parts };
  }

  payload(data: NetlinkAttributes): void {
    const [register, base, offset, length] = [data.number(1), data.number(2), data.number(3), data.number(4)];
    const isTransport = base === 2 && length === 2 && (offset === 0 || offset === 2);
    if (isTransport) return this.#port(register, offset === 0 ? 'sport' : 'dport');
    const field =
      base === 1
        ? networkFields[this.#context.family].find(
            (each) =>
              each.offset === offset &&
              (each.length === length ||
                (each.length >= 4 && length !== undefined && length > 0 && length < each.length)),
          )
        : undefined;
    if (field === undefined || length === undefined)
      throw new NetlinkError(
        `the field of a header at ${String(base)}, ${String(offset)}, ${String(length)} is not known`,
      );
    this.#load(register, {
      json: { payload: { protocol: familyName(this.#context.family), field: field.name } },
      types: [field.length === 1 ? 'inet_proto' : this.#address],
      length,
    });
  }

  #port(register: number | undefined, field: string): void {
    if (this.#protocol !== undefined && !protocolsWithPorts.has(this.#protocol))
      throw new NetlinkError(`${this.#protocol} has no ports`);
    if (this.#dependency !== undefined) this.statements.splice(this.statements.indexOf(this.#dependency), 1);
    this.#dependency = undefined;
    this.#load(register, {
      json: { payload: { protocol: this.#protocol ?? 'th', field } },
      types: ['inet_service'],
      length: 2,
    });
  }

  meta(data: NetlinkAttributes): void {
    const [target, key, source] = [data.number(1), data.number(2), data.number(3)];
    const known = metaKeys.get(key ?? NaN);
    if (known === undefined || (target === undefined) === (source === undefined))
      throw new NetlinkError(`meta ${String(key)} is not known`);
    const json = { meta: { key: known.name } };
    if (source === undefined) return this.#load(target, { json, types: [known.type], length: known.length });
    this.statements.push({ mangle: { key: json, value: this.#operand(source, known.type) } });
  }

  ct(data: NetlinkAttributes): void {
    const key = data.number(2);
    const known = ctKeys.get(key ?? NaN);
    if (known === undefined) throw new NetlinkError(`ct ${String(key)} is not known`);
    this.#load(data.number(1), { json: { ct: { key: known.name } }, types: [known.type], length: 4 });
  }

  fib(data: NetlinkAttributes): void {
    const [result, flags] = [data.number(2), data.number(3)];
    if (result !== 3 || flags === undefined || flags >= 32)
      throw new NetlinkError(`fib ${String(result)} is not known`);
    const words = ['saddr', 'daddr', 'mark', 'iif', 'oif'].filter((_, bit) => (flags & (1 << bit)) !== 0);
    this.#load(data.number(1), { json: { fib: { result: 'type', flags: words } }, types: ['fib_addrtype'], length: 4 });
  }

  numgen(data: NetlinkAttributes): void {
    const [mod, type, offset] = [data.number(2), data.number(3), data.number(4)];
    if (mod === undefined || offset === undefined || (type !== 0 && type !== 1))
      throw new NetlinkError(`numgen ${String(type)} is not known`);
    this.#load(data.number(1), {
      json: { numgen: { mode: type === 1 ? 'random' : 'inc', mod, offset } },
      types: ['integer'],
      length: 4,
    });
  }

  /** (value & mask) ^ xor, as an and, an exclusive or and an or. */
  bitwise(data: NetlinkAttributes): void {
    const [target, maskBytes, xorBytes] = [data.number(2), data.nested(4)?.bytes(1), data.nested(5)?.bytes(1)];
    const value = this.#value(data.number(1));
    const [type] = value.types;
    const isPlain =
      (data.number(6) ?? 0) === 0 &&
      value.types.length === 1 &&
      value.mask === undefined &&
      data.number(3) === value.length;
    if (!isPlain || type === undefined || maskBytes?.length !== value.length || xorBytes?.length !== value.length)
      throw new NetlinkError('a bitwise operation of this kind is not known');
    const [mask, xor] = [hostNumber(maskBytes), hostNumber(xorBytes)];
    if (type === this.#address && xor === 0n && value.length === lengthOf(type))
      return this.#load(target, { ...value, mask: bigEndian(maskBytes) });
    if ((type === 'ct_state' || type === 'ct_status') && xor === 0n) return this.#load(target, { ...value, mask });
    if (type !== 'mark') throw new NetlinkError(`a bitwise operation on ${type} is not known`);
    const or = (mask & xor) ^ xor;
    const [and, exclusive] = [mask | or, mask & xor];
    let json = value.json;
    if (and !== 0xffffffffn) json = { '&': [json, Number(and)] };
    if (exclusive !== 0n) json = { '^': [json, Number(exclusive)] };
    if (or !== 0n) json = { '|': [json, Number(or)] };
    this.#load(target, { ...value, json });
  }

  /** One byte is the same in either order. */
  byteorder(data: NetlinkAttributes): void {
    const value = this.#value(data.number(1));
    if (value.length !== 1) throw new NetlinkError('another byte order is not known');
    this.#load(data.number(2), value);
  }

  cmp(data: NetlinkAttributes): void {
    const value = this.#value(data.number(1));
    // nft makes one range out of two comparisons by order, which no rule of kube-proxy's has.
    const [op, constant] = [(['==', '!='] as const)[data.number(2) ?? NaN], data.nested(3)?.bytes(1)];
    const [type] = value.types;
    if (op === undefined || type === undefined || value.types.length !== 1 || constant?.length !== value.length)
      throw new NetlinkError('a comparison of this kind is not known');
    if (type === 'ct_state' || type === 'ct_status') {
      if (value.mask === undefined || constant.some((byte) => byte !== 0))
        throw new NetlinkError('a comparison of flags of this kind is not known');
      return void this.#match(op === '!=' ? 'in' : '!', value.json, flagsJson(type, Number(value.mask)));
    }
    if (type === this.#address && (value.mask !== undefined || value.length !== lengthOf(type)))
      return this.#matchPrefix(op, value, constant);
    const right = valueJson([type], constant);
    const statement = this.#match(op, value.json, right);
    if (op === '==' && isL4Protocol(value.json)) [this.#protocol, this.#dependency] = [String(right), statement];
  }

  /** The first bytes, or the masked bits, of an address. */
  #matchPrefix(op: string, value: Value, constant: Uint8Array): void {
    const bits = (lengthOf(this.#address) ?? 0) * 8;
    const length = value.mask === undefined ? value.length * 8 : prefixLength(value.mask, bits);
    if (length === undefined) throw new NetlinkError('a comparison of a part of an address is not known');
    const whole = new Uint8Array(bits / 8);
    whole.set(constant);
    this.#match(op, value.json, { prefix: { addr: valueJson([this.#address], whole), len: length } });
  }

  range(data: NetlinkAttributes): void {
    const { types, json, mask } = this.#value(data.number(1));
    const [op, from, to] = [data.number(2), data.nested(3)?.bytes(1), data.nested(4)?.bytes(1)];
    const [type] = types;
    if (
      from === undefined ||
      to === undefined ||
      mask !== undefined ||
      type === undefined ||
      !orderedTypes.has(type) ||
      (op !== 0 && op !== 1)
    )
      throw new NetlinkError('a range of this kind is not known');
    this.#match(op === 1 ? '!=' : '==', json, { range: [valueJson(types, from), valueJson(types, to)] });
  }

  lookup(data: NetlinkAttributes): void {
    const set = this.#set(data.string(1));
    const key = this.#key(data.number(2), set.key);
    const content = this.#contentOf(set);
    const [target, flags] = [data.number(3), data.number(5)];
    if (flags !== 0 && (flags !== 1 || target !== undefined))
      throw new NetlinkError('a look-up of this kind is not known');
    if (target === undefined && set.data === undefined)
      return void this.#match(flags === 1 ? '!=' : '==', key, content);
    const isVerdict = set.data?.[0] === 'verdict';
    if (target === undefined || set.data === undefined || isVerdict !== (target === 0))
      throw new NetlinkError(`the set ${set.name} is looked up as a map of another kind`);
    if (isVerdict) return void this.statements.push({ vmap: { key, data: content } });
    const length = lengthOfTypes(set.data);
    if (length === undefined) throw new NetlinkError(`what the map ${set.name} holds has no known length`);
    this.#load(target, { json: { map: { key, data: content } }, types: set.data, length });
  }

  /** `update @affinity-… { ip saddr }`; time-out and flags of 0 are the set's own. */
  dynset(data: NetlinkAttributes): void {
    const set = this.#set(data.string(1));
    const op = ['add', 'update', 'delete'][data.number(3) ?? NaN];
    if (
      op === undefined ||
      set.isAnonymous ||
      set.data !== undefined ||
      (data.number(6) ?? 0) !== 0 ||
      (data.number(9) ?? 0) !== 0
    )
      throw new NetlinkError('an update of a set of this kind is not known');
    this.statements.push({ set: { op, elem: this.#key(data.number(4), set.key), set: `@${set.name}` } });
  }

  immediate(data: NetlinkAttributes): void {
    const [register, content] = [data.number(1), data.nested(2)];
    content?.requireOnly([1, 2]);
    const [constant, verdict] = [content?.bytes(1), content?.nested(2)];
    if ((constant === undefined) === (verdict === undefined) || (verdict !== undefined) !== (register === 0))
      throw new NetlinkError('an immediate value of this kind is not known');
    if (verdict !== undefined) this.statements.push(verdictJson(verdict));
    else if (constant !== undefined) this.#load(register, { constant, types: [], length: constant.length });
  }

  nat(data: NetlinkAttributes): void {
    const type = ['snat', 'dnat'][data.number(1) ?? NaN];
    const [address, addressEnd, port, portEnd] = [data.number(3), data.number(4), data.number(5), data.number(6)];
    const isOwnFamily = data.number(2) === (this.#context.family === 'IPv4' ? 2 : 10);
    if (
      type === undefined ||
      !isOwnFamily ||
      address === undefined ||
      (addressEnd ?? address) !== address ||
      (portEnd ?? port) !== port
    )
      throw new NetlinkError('a translation of this kind is not known');
    const flags = natFlags(data.number(7));
    const value = this.#value(address);
    if (value.types.length <= 1)
      return void this.statements.push({
        [type]: {
          addr: this.#operand(address, this.#address),
          ...(port === undefined ? {} : { port: this.#operand(port, 'inet_service') }),
          ...flags,
        },
      });
    // An address and a port out of one map.
    const isPair = value.types.length === 2 && value.types[0] === this.#address && value.types[1] === 'inet_service';
    if (!isPair || port === undefined || slotOf(port) !== slotOf(address) + slots(lengthOf(this.#address) ?? 0))
      throw new NetlinkError('a translation to a concatenation of this kind is not known');
    this.statements.push({ [type]: { family: familyName(this.#context.family), addr: value.json, ...flags } });
  }

  masq(data: NetlinkAttributes): void {
    const flags = natFlags(data.number(1));
    this.statements.push({ masquerade: Object.keys(flags).length === 0 ? null : flags });
  }

  reject(data: NetlinkAttributes): void {
    const [type, code] = [data.number(1), data.number(2)];
    const name = type === 0 ? rejectCodes[this.#context.family].get(code ?? NaN) : undefined;
    if (name === undefined) throw new NetlinkError(`a rejection with the code ${String(code)} is not known`);
    this.statements.push({ reject: { type: this.#context.family === 'IPv4' ? 'icmp' : 'icmpv6', expr: name } });
  }

  counter(data: NetlinkAttributes): void {
    const [bytes, packets] = [data.number(1), data.number(2)];
    if (packets === undefined || bytes === undefined) throw new NetlinkError('a counter has no counts');
    this.statements.push({ counter: { packets, bytes } });
  }

  #match(op: string, left: unknown, right: unknown): unknown {
    const statement = { match: { op, left, right } };
    this.statements.push(statement);
    return statement;
  }

  #set(name: string | undefined): NetlinkSet {
    const set = name === undefined ? undefined : this.#context.sets.get(name);
    if (set === undefined) throw new NetlinkError(`the set ${String(name)} is not known`);
    return set;
  }

  #contentOf({ name, isAnonymous }: NetlinkSet): unknown {
    if (!isAnonymous) return `@${name}`;
    const elements = this.#context.elements.get(name);
    if (elements === undefined) throw new NetlinkError(`the elements of ${name} are not known`);
    return { set: elements };
  }
}

/** Every expression that is known, by the kernel's name for it, with all attributes of it that are read or say nothing (padding, numbers of an object's own). */
const expressions = new Map<
  string,
  { readonly attributes: readonly number[]; readonly read: (rule: RuleReader, data: NetlinkAttributes) => void }
>([
  [
    'payload',
    {
      attributes: [1, 2, 3, 4],
      read: (rule, data) => {
        rule.payload(data);
      },
    },
  ],
  [
    'meta',
    {
      attributes: [1, 2, 3],
      read: (rule, data) => {
        rule.meta(data);
      },
    },
  ],
  [
    'ct',
    {
      attributes: [1, 2],
      read: (rule, data) => {
        rule.ct(data);
      },
    },
  ],
  [
    'fib',
    {
      attributes: [1, 2, 3],
      read: (rule, data) => {
        rule.fib(data);
      },
    },
  ],
  [
    'numgen',
    {
      attributes: [1, 2, 3, 4],
      read: (rule, data) => {
        rule.numgen(data);
      },
    },
  ],
  [
    'bitwise',
    {
      attributes: [1, 2, 3, 4, 5, 6],
      read: (rule, data) => {
        rule.bitwise(data);
      },
    },
  ],
  [
    'byteorder',
    {
      attributes: [1, 2, 3, 4, 5],
      read: (rule, data) => {
        rule.byteorder(data);
      },
    },
  ],
  [
    'cmp',
    {
      attributes: [1, 2, 3],
      read: (rule, data) => {
        rule.cmp(data);
      },
    },
  ],
  [
    'range',
    {
      attributes: [1, 2, 3, 4],
      read: (rule, data) => {
        rule.range(data);
      },
    },
  ],
  [
    'lookup',
    {
      attributes: [1, 2, 3, 4, 5],
      read: (rule, data) => {
        rule.lookup(data);
      },
    },
  ],
  [
    'dynset',
    {
      attributes: [1, 2, 3, 4, 6, 8, 9],
      read: (rule, data) => {
        rule.dynset(data);
      },
    },
  ],
  [
    'immediate',
    {
      attributes: [1, 2],
      read: (rule, data) => {
        rule.immediate(data);
      },
    },
  ],
  [
    'nat',
    {
      attributes: [1, 2, 3, 4, 5, 6, 7],
      read: (rule, data) => {
        rule.nat(data);
      },
    },
  ],
  [
    'masq',
    {
      attributes: [1],
      read: (rule, data) => {
        rule.masq(data);
      },
    },
  ],
  [
    'reject',
    {
      attributes: [1, 2],
      read: (rule, data) => {
        rule.reject(data);
      },
    },
  ],
  [
    'counter',
    {
      attributes: [1, 2, 3],
      read: (rule, data) => {
        rule.counter(data);
      },
    },
  ],
]);

/** Registers of four bytes; the numbers below 8 are of sixteen (enum nft_registers). 0 is the verdict, and holds no value. */
function slotOf(register: number | undefined): number {
  if (register === undefined || register < 1 || register > 23 || (register > 4 && register < 8))
    throw new NetlinkError(`there is no register ${String(register)}`);
  return register >= 8 ? register - 8 : (register - 1) * 4;
}

/** How many registers a value of so many bytes fills. */
function slots(length: number): number {
  return Math.ceil(length / 4);
}

interface HeaderField {
  readonly name: string;
  /** In bytes. */
  readonly offset: number;
  readonly length: number;
}

const networkFields: Readonly<Record<Family, readonly HeaderField[]>> = {
  IPv4: [
    { name: 'protocol', offset: 9, length: 1 },
    { name: 'saddr', offset: 12, length: 4 },
    { name: 'daddr', offset: 16, length: 4 },
  ],
  IPv6: [
    { name: 'nexthdr', offset: 6, length: 1 },
    { name: 'saddr', offset: 8, length: 16 },
    { name: 'daddr', offset: 24, length: 16 },
  ],
};

const protocolsWithPorts = new Set(['tcp', 'udp', 'sctp', 'dccp', 'udplite']);

/** Types whose bytes are big-endian, so that the kernel compares them as they are ordered. */
const orderedTypes = new Set<NftValueType>(['ipv4_addr', 'ipv6_addr', 'inet_service', 'inet_proto']);

interface KernelKey {
  readonly name: string;
  readonly type: NftValueType;
}

/** enum nft_meta_keys; lengths in bytes. */
const metaKeys = new Map<number, KernelKey & { readonly length: number }>([
  [3, { name: 'mark', type: 'mark', length: 4 }],
  [6, { name: 'iifname', type: 'string', length: 16 }],
  [7, { name: 'oifname', type: 'string', length: 16 }],
  [16, { name: 'l4proto', type: 'inet_proto', length: 1 }],
]);
/** enum nft_ct_keys */
const ctKeys = new Map<number, KernelKey>([
  [0, { name: 'state', type: 'ct_state' }],
  [2, { name: 'status', type: 'ct_status' }],
  [3, { name: 'mark', type: 'mark' }],
]);

/** What `reject with icmp` and `with icmpv6` say for a code. */
const rejectCodes: Readonly<Record<Family, ReadonlyMap<number, string>>> = {
  IPv4: new Map([
    [0, 'net-unreachable'],
    [1, 'host-unreachable'],
    [2, 'prot-unreachable'],
    [3, 'port-unreachable'],
    [9, 'net-prohibited'],
    [10, 'host-prohibited'],
    [13, 'admin-prohibited'],
  ]),
  IPv6: new Map([
    [0, 'no-route'],
    [1, 'admin-prohibited'],
    [3, 'addr-unreachable'],
    [4, 'port-unreachable'],
    [5, 'policy-fail'],
    [6, 'reject-route'],
  ]),
};

/** linux/netfilter/nf_nat.h; nft prints no word for an address and a port (1 and 2). */
function natFlags(flags = 0): { readonly flags?: unknown } {
  if ((flags & ~0x1f) !== 0) throw new NetlinkError(`the flags ${String(flags)} of a translation are not known`);
  const words = (
    [
      [4, 'random'],
      [16, 'fully-random'],
      [8, 'persistent'],
    ] as const
  ).flatMap(([bit, word]) => ((flags & bit) === 0 ? [] : [word]));
  return words.length === 0 ? {} : { flags: words.length === 1 ? words[0] : words };
}

function isL4Protocol(json: unknown): boolean {
  return JSON.stringify(json) === '{"meta":{"key":"l4proto"}}';
}

/** The bits of a mask without holes; undefined for any other. */
function prefixLength(mask: bigint, bits: number): number | undefined {
  const text = mask.toString(2).padStart(bits, '0');
  const length = text.lastIndexOf('1') + 1;
  return text.slice(0, length).includes('0') ? undefined : length;
}
