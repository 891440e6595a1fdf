/**
 * Rules that iptables-nft keeps in nf_tables, from the kernel's attributes to the lines that `iptables-nft-save -c` prints.
 * It writes addresses, interfaces, the protocol, ports of tcp and udp and the mark as expressions of nf_tables, and every
 * other match or target as a blob of its own kind (iptables/nft-shared.c, nft.c; net/netfilter/nft_compat.c). NetlinkError
 * is thrown for a whole rule of which one part is not known, and nothing is guessed.
 */
import { networkAddressText, prefixLength } from '../entries/address.ts';
import { LegacyTableError } from '../entries/entries.ts';
import {
  extensionText,
  matchPrinters,
  quoted,
  targetPrinters,
  tcpFlagWords,
  type Extension,
  type ExtensionPrinters,
} from '../entries/extensions.ts';
import { ipProtocolName } from '../../net/ip-protocol.ts';
import type { Family } from '../../net/family.ts';
import { expressionsOf, ruleAttributes } from '../../nftables/netlink/expression.ts';
import { NetlinkError, type NetlinkAttributes } from '../../nftables/netlink/message.ts';
import { commentOf } from '../../nftables/netlink/set.ts';
import { hostNumber } from '../../nftables/netlink/value.ts';

export interface IptablesNftRule {
  readonly chain: string;
  /** `[PACKETS:BYTES] -A CHAIN …`; as with the tool, zeros where the rule does not count. */
  readonly line: string;
}

/** Of NFT_MSG_NEWRULE. */
export function iptablesNftRule(attributes: NetlinkAttributes, family: Family): IptablesNftRule {
  attributes.requireOnly(Object.values(ruleAttributes));
  const chain = attributes.string(ruleAttributes.chain);
  if (chain === undefined) throw new NetlinkError('a rule is in no chain');
  const reader = new RuleReader(family);
  for (const { name, data } of expressionsOf(attributes)) {
    const known = expressions.get(name);
    if (known === undefined) throw new NetlinkError(`the expression ${name} is not known in a rule of iptables`);
    data.requireOnly(known.attributes);
    reader.begin(name);
    known.read(reader, data);
  }
  return reader.end(chain, commentOf(attributes.bytes(ruleAttributes.userData)));
}

/** What a register was loaded with. */
interface Loaded {
  readonly field:
    | 'source'
    | 'destination'
    | 'protocol'
    | 'in'
    | 'out'
    | 'mark'
    | 'sourcePort'
    | 'destinationPort'
    | 'bothPorts'
    | 'tcpFlags';
  /** In bytes; of an interface's name, as many as there are. */
  readonly length: number;
  readonly mask?: Buffer;
}

/** The words of a rule that stand before all matches, in the order of the tool. */
const headFields = ['source', 'destination', 'in', 'out', 'protocol'] as const;
type HeadField = (typeof headFields)[number];
const options: Readonly<Record<HeadField, string>> = {
  source: '-s',
  destination: '-d',
  in: '-i',
  out: '-o',
  protocol: '-p',
};

/** Where the ports and flags of a rule stand among its matches: at the first of them. */
interface PortMatch {
  readonly index: number;
  readonly words: Map<'sourcePort' | 'destinationPort' | 'tcpFlags', string>;
}

class RuleReader {
  readonly #family: Family;
  /** By number; iptables uses none but the first, and nft the others. */
  readonly #registers = new Map<number, Loaded>();
  readonly #head = new Map<HeadField, string>();
  /** The protocol that the rule is of; undefined where it is of all, or of all but one. */
  #protocol: string | undefined;
  readonly #matches: string[] = [];
  #portMatch: PortMatch | undefined;
  #counter: string | undefined;
  #target: string | undefined;

  constructor(family: Family) {
    this.#family = family;
  }

  /** @throws NetlinkError for what stands behind the target */
  begin(name: string): void {
    if (this.#target !== undefined) throw new NetlinkError(`${name} stands behind the target of a rule`);
  }

  end(chain: string, comment: string | undefined): IptablesNftRule {
    const matches = [...this.#matches];
    if (this.#portMatch !== undefined) {
      const { index, words } = this.#portMatch;
      const inOrder = (['sourcePort', 'destinationPort', 'tcpFlags'] as const).map((field) => words.get(field) ?? '');
      matches.splice(index, 0, `${this.#protocol ?? ''}${inOrder.join('')}`);
    }
    if (comment !== undefined) matches.push(`comment --comment ${quoted(comment)}`);
    const line = [
      `[${this.#counter ?? '0:0'}] -A ${chain}`,
      ...headFields.map((field) => this.#head.get(field) ?? ''),
      ...matches.map((match) => ` -m ${match}`),
      this.#target ?? '',
    ].join('');
    return { chain, line };
  }

  #load(register: number | undefined, loaded: Loaded): void {
    // NFT_REG_1 and NFT_REG32_00 are the same; the tool knows them by these numbers.
    if (register === undefined || register < 1 || register > 23)
      throw new NetlinkError(`there is no register ${String(register)}`);
    this.#registers.set(register, loaded);
  }

  #loaded(register: number | undefined): Loaded {
    const loaded = this.#registers.get(register ?? NaN);
    if (loaded === undefined) throw new NetlinkError('a register is used that nothing was loaded into');
    return loaded;
  }

  payload(data: NetlinkAttributes): void {
    const [register, base, offset, length] = [data.number(1), data.number(2), data.number(3), data.number(4)];
    const found =
      base === 1 || base === 2
        ? headerFields[base === 1 ? this.#family : 'transport'].find(
            (field) =>
              field.offset === offset &&
              (field.length === length || (field.isCut === true && (length ?? 0) > 0 && (length ?? 0) < field.length)),
          )
        : undefined;
    if (found === undefined || length === undefined)
      throw new NetlinkError(
        `the field of a header at ${String(base)}, ${String(offset)}, ${String(length)} is not known`,
      );
    this.#load(register, { field: found.name, length });
  }

  meta(data: NetlinkAttributes): void {
    const [register, key] = [data.number(1), data.number(2)];
    const loaded = metaKeys.get(key ?? NaN);
    if (loaded === undefined) throw new NetlinkError(`meta ${String(key)} is not known in a rule of iptables`);
    this.#load(register, loaded);
  }

  bitwise(data: NetlinkAttributes): void {
    const loaded = this.#loaded(data.number(1));
    const [mask, xor] = [data.nested(4)?.bytes(1), data.nested(5)?.bytes(1)];
    const isMasked = ['source', 'destination', 'mark', 'tcpFlags'].includes(loaded.field);
    if (
      !isMasked ||
      loaded.mask !== undefined ||
      (data.number(6) ?? 0) !== 0 ||
      data.number(3) !== loaded.length ||
      mask?.length !== loaded.length ||
      xor?.length !== loaded.length ||
      xor.some((byte) => byte !== 0)
    )
      throw new NetlinkError('a bitwise operation of this kind is not known in a rule of iptables');
    this.#load(data.number(2), { ...loaded, mask: Buffer.from(mask) });
  }

  cmp(data: NetlinkAttributes): void {
    const loaded = this.#loaded(data.number(1));
    const [op, constant] = [comparisons[data.number(2) ?? NaN], data.nested(3)?.bytes(1)];
    const isName = loaded.field === 'in' || loaded.field === 'out';
    if (
      op === undefined ||
      constant === undefined ||
      (isName ? constant.length > loaded.length : constant.length !== loaded.length)
    )
      throw new NetlinkError('a comparison of this kind is not known in a rule of iptables');
    const value = Buffer.from(constant);
    if (op === 'lte' || op === 'gte') {
      if (loaded.field !== 'sourcePort' && loaded.field !== 'destinationPort')
        throw new NetlinkError(`a comparison of ${loaded.field} by order is not known in a rule of iptables`);
      const port = value.readUInt16BE(0);
      this.#port(loaded.field, false, op === 'lte' ? `0:${String(port)}` : `${String(port)}:65535`);
      return;
    }
    const isInverted = op === 'neq';
    switch (loaded.field) {
      case 'source':
      case 'destination':
        this.#inHead(loaded.field, isInverted, this.#network(loaded, value));
        break;
      case 'in':
      case 'out':
        this.#inHead(loaded.field, isInverted, interfaceName(value));
        break;
      case 'protocol': {
        const number = value.readUInt8(0);
        const name = ipProtocolName(number);
        if (name === undefined || number === 0)
          throw new NetlinkError(`the name of protocol ${String(number)} is not known here`);
        this.#inHead('protocol', isInverted, name);
        if (!isInverted) this.#protocol = name;
        break;
      }
      case 'mark': {
        const mask = loaded.mask === undefined ? '' : `/${hex(loaded.mask)}`;
        this.#matches.push(`mark${not(isInverted)} --mark ${hex(value)}${mask}`);
        break;
      }
      case 'sourcePort':
      case 'destinationPort':
        this.#port(loaded.field, isInverted, String(value.readUInt16BE(0)));
        break;
      case 'bothPorts':
        this.#port('sourcePort', isInverted, String(value.readUInt16BE(0)));
        this.#port('destinationPort', isInverted, String(value.readUInt16BE(2)));
        break;
      case 'tcpFlags':
        this.#tcpFlags(isInverted, loaded.mask?.readUInt8(0), value.readUInt8(0));
        break;
    }
  }

  range(data: NetlinkAttributes): void {
    const loaded = this.#loaded(data.number(1));
    const [op, from, to] = [data.number(2), data.nested(3)?.bytes(1), data.nested(4)?.bytes(1)];
    if (
      (loaded.field !== 'sourcePort' && loaded.field !== 'destinationPort') ||
      (op !== 0 && op !== 1) ||
      from?.length !== 2 ||
      to?.length !== 2
    )
      throw new NetlinkError('a range of this kind is not known in a rule of iptables');
    const ends = [from, to].map((end) => String(Buffer.from(end).readUInt16BE(0)));
    this.#port(loaded.field, op === 1, ends.join(':'));
  }

  counter(data: NetlinkAttributes): void {
    const [bytes, packets] = [data.number(1), data.number(2)];
    if (packets === undefined || bytes === undefined || this.#counter !== undefined)
      throw new NetlinkError('a rule has not one counter');
    this.#counter = `${String(packets)}:${String(bytes)}`;
  }

  immediate(data: NetlinkAttributes): void {
    const [register, content] = [data.number(1), data.nested(2)];
    content?.requireOnly([2]);
    const verdict = content?.nested(2);
    if (register !== 0 || verdict === undefined)
      throw new NetlinkError('an immediate value is not known in a rule of iptables');
    verdict.requireOnly([1, 2]);
    const [code, chain] = [verdict.number(1), verdict.string(2)];
    const word = verdicts.get(code ?? NaN);
    const option = jumps.get(code ?? NaN);
    if (chain === undefined ? word === undefined : option === undefined)
      throw new NetlinkError(`the verdict ${String(code)} is not known in a rule of iptables`);
    this.#target = chain === undefined ? ` -j ${String(word)}` : ` ${String(option)} ${chain}`;
  }

  match(data: NetlinkAttributes): void {
    this.#matches.push(words(matchPrinters[this.#family], extensionOf(data)));
  }

  target(data: NetlinkAttributes): void {
    this.#target = ` -j ${words(targetPrinters[this.#family], extensionOf(data))}`;
  }

  #inHead(field: HeadField, isInverted: boolean, value: string): void {
    if (this.#head.has(field)) throw new NetlinkError(`a rule compares its ${field} twice`);
    this.#head.set(field, `${not(isInverted)} ${options[field]} ${value}`);
  }

  /** The first bytes of an address, or the masked bits. */
  #network({ length, mask }: Loaded, value: Buffer): string {
    const size = this.#family === 'IPv4' ? 4 : 16;
    const bits = mask === undefined ? length * 8 : prefixLength(mask);
    if (bits === undefined || bits === 0) throw new NetlinkError('a mask of this kind is not known here');
    return `${networkAddressText(Buffer.concat([value], size), 0, size)}/${String(bits)}`;
  }

  #port(field: 'sourcePort' | 'destinationPort', isInverted: boolean, ports: string): void {
    if (this.#protocol !== 'tcp' && this.#protocol !== 'udp')
      throw new NetlinkError('ports of no protocol that has them');
    this.#inPortMatch(field, `${not(isInverted)} --${field === 'sourcePort' ? 'sport' : 'dport'} ${ports}`);
  }

  #tcpFlags(isInverted: boolean, mask: number | undefined, value: number): void {
    if (this.#protocol !== 'tcp' || mask === undefined || mask > 0x3f || value > 0x3f)
      throw new NetlinkError('flags of tcp of this kind are not known here');
    this.#inPortMatch('tcpFlags', `${not(isInverted)} --tcp-flags ${tcpFlagWords(mask)} ${tcpFlagWords(value)}`);
  }

  #inPortMatch(field: 'sourcePort' | 'destinationPort' | 'tcpFlags', words: string): void {
    this.#portMatch ??= { index: this.#matches.length, words: new Map() };
    if (this.#portMatch.words.has(field)) throw new NetlinkError(`a rule compares its ${field} twice`);
    this.#portMatch.words.set(field, words);
  }
}

/** NFTA_MATCH_ and NFTA_TARGET_: name, revision, and the struct that iptables' legacy tables hold too. */
function extensionOf(data: NetlinkAttributes): Extension {
  const [name, revision, info] = [data.string(1), data.number(2), data.bytes(3)];
  if (name === undefined || revision === undefined || info === undefined)
    throw new NetlinkError('a match or target has no name, or says nothing');
  return { name, revision, data: Buffer.from(info.buffer, info.byteOffset, info.length) };
}

function words(printers: ExtensionPrinters, extension: Extension): string {
  try {
    return extensionText(printers, extension);
  } catch (error) {
    if (error instanceof LegacyTableError) throw new NetlinkError(error.message);
    throw error;
  }
}

/** Every expression that is known, by the kernel's name for it, with all attributes of it that are read or say nothing. */
const expressions = new Map<
  string,
  { readonly attributes: readonly number[]; readonly read: (rule: RuleReader, data: NetlinkAttributes) => void }
>(
  (
    [
      ['payload', [1, 2, 3, 4]],
      ['meta', [1, 2]],
      ['bitwise', [1, 2, 3, 4, 5, 6]],
      ['cmp', [1, 2, 3]],
      ['range', [1, 2, 3, 4]],
      ['counter', [1, 2, 3]],
      ['immediate', [1, 2]],
      ['match', [1, 2, 3]],
      ['target', [1, 2, 3]],
    ] as const
  ).map(([name, attributes]) => [
    name,
    {
      attributes,
      read: (rule, data) => {
        rule[name](data);
      },
    },
  ]),
);

interface HeaderField {
  readonly name: Loaded['field'];
  /** In bytes. */
  readonly offset: number;
  readonly length: number;
  /** Its first bytes may be compared alone. */
  readonly isCut?: true;
}

const headerFields: Readonly<Record<Family | 'transport', readonly HeaderField[]>> = {
  IPv4: [
    { name: 'protocol', offset: 9, length: 1 },
    { name: 'source', offset: 12, length: 4, isCut: true },
    { name: 'destination', offset: 16, length: 4, isCut: true },
  ],
  IPv6: [
    { name: 'source', offset: 8, length: 16, isCut: true },
    { name: 'destination', offset: 24, length: 16, isCut: true },
  ],
  transport: [
    { name: 'sourcePort', offset: 0, length: 2 },
    { name: 'destinationPort', offset: 2, length: 2 },
    { name: 'bothPorts', offset: 0, length: 4 },
    { name: 'tcpFlags', offset: 13, length: 1 },
  ],
};

/** enum nft_meta_keys; lengths in bytes. */
const metaKeys = new Map<number, Loaded>([
  [3, { field: 'mark', length: 4 }],
  [6, { field: 'in', length: 16 }],
  [7, { field: 'out', length: 16 }],
  [16, { field: 'protocol', length: 1 }],
]);

/** enum nft_cmp_ops; the tool reads no others. */
const comparisons: readonly ('eq' | 'neq' | 'lte' | 'gte' | undefined)[] = [
  'eq',
  'neq',
  undefined,
  'lte',
  undefined,
  'gte',
];

/** enum nft_verdicts; negative numbers as they stand in 32 bits. */
const verdicts = new Map([
  [0, 'DROP'],
  [1, 'ACCEPT'],
  [0xfffffffb, 'RETURN'],
]);
const jumps = new Map([
  [0xfffffffd, '-j'],
  [0xfffffffc, '-g'],
]);

const not = (isInverted: boolean): string => (isInverted ? ' !' : '');
const hex = (bytes: Buffer): string => `0x${hostNumber(bytes).toString(16)}`;

/** The zero byte behind it is compared too, unless any interface is meant whose name begins so. The tool writes INVAL/D for none. */
function interfaceName(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  const name = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  if (!/^[!-.0-~]+$/.test(name) || (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0)))
    throw new NetlinkError('the name of an interface is not known here');
  return end < 0 ? `${name}+` : name;
}
