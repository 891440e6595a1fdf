/**
 * Matches and targets of a legacy table as iptables-save prints them: those that kube-proxy writes, and the commonest of others.
 * Each by name and revision, from its struct (include/uapi/linux/netfilter/xt_*.h) and the print of its libxt_*.c.
 */
import { ipv4Text, networkAddressText, portAt } from './address.ts';
import { LegacyTableError, read16, read32 } from './entries.ts';

/** The words behind its `-m NAME` or `-j NAME`. @throws LegacyTableError for what is not known here */
type Print = (data: Buffer) => string;

interface ExtensionPrinter {
  /** Bytes of the struct, without those that only fill it up. */
  readonly length: number;
  readonly print: Print;
}

/** By name and revision. */
export type ExtensionPrinters = ReadonlyMap<string, ExtensionPrinter>;

/** A match or a target, as a rule has it. */
export interface Extension {
  readonly name: string;
  readonly revision: number;
  /** Its struct, perhaps with bytes behind it that fill it up. */
  readonly data: Buffer;
}

/** `NAME OPTIONS`. @throws LegacyTableError for what is not known here */
export function extensionText(printers: ExtensionPrinters, { name, revision, data }: Extension): string {
  const extension = printers.get(`${name} ${String(revision)}`);
  if (extension === undefined || data.length < extension.length)
    throw new LegacyTableError(`the extension ${name} of revision ${String(revision)} is not known here`);
  return `${name}${extension.print(data)}`;
}

function unknown(what: string): never {
  throw new LegacyTableError(`${what} is not known here`);
}

const not = (inverted: boolean): string => (inverted ? ' !' : '');
const hex = (value: number): string => `0x${value.toString(16)}`;

/** struct xt_tcp, xt_udp: a range that holds every port is not printed. */
function portRange(option: string, from: number, to: number, inverted: boolean): string {
  if (from === 0 && to === 0xffff && !inverted) return '';
  return `${not(inverted)} --${option} ${from === to ? String(from) : `${String(from)}:${String(to)}`}`;
}

const tcpFlags = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
export const tcpFlagWords = (bits: number): string =>
  bits === 0 ? 'NONE' : tcpFlags.filter((_, index) => (bits & (1 << index)) !== 0).join(',');

const tcp: Print = (data) => {
  const inverted = data.readUInt8(11);
  if (inverted > 0x0f) unknown('an inversion of tcp');
  if (data.readUInt8(8) !== 0) unknown('--tcp-option');
  const [mask, value] = [data.readUInt8(9), data.readUInt8(10)];
  if (mask > 0x3f || value > 0x3f) unknown('a flag of tcp');
  const flags =
    mask === 0 && (inverted & 4) === 0
      ? ''
      : `${not((inverted & 4) !== 0)} --tcp-flags ${tcpFlagWords(mask)} ${tcpFlagWords(value)}`;
  return `${ports(data, inverted)}${flags}`;
};

const udp: Print = (data) => {
  const inverted = data.readUInt8(8);
  if (inverted > 3) unknown('an inversion of udp');
  return ports(data, inverted);
};

function ports(data: Buffer, inverted: number): string {
  return (
    portRange('sport', read16(data, 0), read16(data, 2), (inverted & 1) !== 0) +
    portRange('dport', read16(data, 4), read16(data, 6), (inverted & 2) !== 0)
  );
}

/** struct xt_sctp_info: the flags say which of its parts are meant. */
const sctp: Print = (data) => {
  // Behind the ports: a map of chunks, its kind, four flags of three bytes, and their number.
  const at = 8 + 256 + 4 + 12 + 4;
  const [flags, inverted] = [read32(data, at), read32(data, at + 4)];
  if ((flags & ~3) !== 0 || (inverted & ~flags) !== 0) unknown('--chunk-types');
  const range = (option: string, from: number, flag: number): string =>
    (flags & flag) === 0
      ? ''
      : `${not((inverted & flag) !== 0)} --${option} ${read16(data, from) === read16(data, from + 2) ? String(read16(data, from)) : `${String(read16(data, from))}:${String(read16(data, from + 2))}`}`;
  return range('sport', 4, 1) + range('dport', 0, 2);
};

const addressTypes = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE',
];

/** struct xt_addrtype_info_v1 */
const addrtype: Print = (data) => {
  const [source, destination, flags] = [read16(data, 0), read16(data, 2), read32(data, 4)];
  if ((flags & ~0x0f) !== 0 || source >= 1 << addressTypes.length || destination >= 1 << addressTypes.length)
    unknown('an option of addrtype');
  const types = (bits: number): string => addressTypes.filter((_, index) => (bits & (1 << index)) !== 0).join(',');
  return [
    source === 0 ? '' : `${not((flags & 1) !== 0)} --src-type ${types(source)}`,
    destination === 0 ? '' : `${not((flags & 2) !== 0)} --dst-type ${types(destination)}`,
    (flags & 4) === 0 ? '' : ' --limit-iface-in',
    (flags & 8) === 0 ? '' : ' --limit-iface-out',
  ].join('');
};

/** Characters of a word that stands without quotes, and those that are escaped within them (xtables_save_string). */
const plainWord = /^[-_0-9A-Za-z]+$/;
export function quoted(text: string): string {
  return plainWord.test(text) ? text : `"${text.replaceAll(/["\\']/g, String.raw`\$&`)}"`;
}

function textIn(data: Buffer, start: number, length: number): string {
  const end = data.indexOf(0, start);
  if (end < 0 || end >= start + length) unknown('a text without an end');
  return data.toString('utf8', start, end);
}

const comment: Print = (data) => ` --comment ${quoted(textIn(data, 0, 256))}`;

/** struct xt_statistic_info: a probability in 31 bits. */
const statistic: Print = (data) => {
  const [mode, flags] = [read16(data, 0), read16(data, 2)];
  if (mode > 1 || flags > 1) unknown('a mode of statistic');
  const inverted = not(flags === 1);
  if (mode === 0) return ` --mode random${inverted} --probability ${(read32(data, 4) / 0x80000000).toFixed(11)}`;
  const packet = read32(data, 8);
  return ` --mode nth${inverted} --every ${String(read32(data, 4) + 1)}${packet === 0 ? '' : ` --packet ${String(packet)}`}`;
};

/** struct xt_nfacct_match_info, of both revisions; kube-proxy counts accepted packets of NodePorts on 127.0.0.0/8 so. */
const nfacct: Print = (data) => {
  const name = textIn(data, 0, 32);
  // The tool prints two spaces.
  return plainWord.test(name) ? ` --nfacct-name  ${name}` : unknown('the name of an nfacct object');
};

/** struct xt_mark_mtinfo1 */
const mark: Print = (data) => {
  const [value, mask, inverted] = [read32(data, 0), read32(data, 4), data.readUInt8(8)];
  return `${not(inverted !== 0)} --mark ${hex(value)}${mask === 0xffffffff ? '' : `/${hex(mask)}`}`;
};

const recentActions = [
  [1, '--rcheck'],
  [2, '--set'],
  [4, '--update'],
  [8, '--remove'],
] as const;

/** struct xt_recent_mtinfo_v1 */
const recent =
  (addressBytes: 4 | 16): Print =>
  (data) => {
    const [seconds, hits, checks, inverted] = [read32(data, 0), read32(data, 4), data.readUInt8(8), data.readUInt8(9)];
    const action = recentActions.find(([bit]) => (checks & 0x0f) === bit)?.[1] ?? unknown('an option of recent');
    if ((checks & ~0x3f) !== 0) unknown('an option of recent');
    const side = data.readUInt8(210);
    return [
      not(inverted !== 0),
      ` ${action}`,
      seconds === 0 ? '' : ` --seconds ${String(seconds)}`,
      hits === 0 ? '' : ` --hitcount ${String(hits)}`,
      (checks & 0x10) === 0 ? '' : ' --rttl',
      (checks & 0x20) === 0 ? '' : ' --reap',
      ` --name ${textIn(data, 10, 200)}`,
      ` --mask ${networkAddressText(data, 212, addressBytes)}`,
      side === 0 ? ' --rsource' : side === 1 ? ' --rdest' : unknown('a side of recent'),
    ].join('');
  };

/** struct xt_mark_tginfo2 */
const setMark: Print = (data) => ` --set-xmark ${hex(read32(data, 0))}/${hex(read32(data, 4))}`;

const range = { addresses: 1, ports: 2, random: 4, persistent: 8, randomFully: 16 } as const;

function rangeWords(option: string, flags: number, addresses: string, from: number, to: number): string {
  const portText = (flags & range.ports) === 0 ? '' : `:${String(from)}${from === to ? '' : `-${String(to)}`}`;
  return [
    ` --${option} ${addresses}${portText}`,
    (flags & range.random) === 0 ? '' : ' --random',
    (flags & range.randomFully) === 0 ? '' : ' --random-fully',
    (flags & range.persistent) === 0 ? '' : ' --persistent',
  ].join('');
}

/** DNAT and SNAT: their option, and the flags that they print. */
const translations = {
  DNAT: { option: 'to-destination', flags: range.addresses | range.ports | range.random | range.persistent },
  SNAT: {
    option: 'to-source',
    flags: range.addresses | range.ports | range.random | range.randomFully | range.persistent,
  },
} as const;

function requireAddress(name: keyof typeof translations, flags: number): void {
  if ((flags & ~translations[name].flags) !== 0) unknown(`an option of ${name}`);
  if ((flags & range.addresses) === 0) unknown(`${name} without an address`);
}

/** struct nf_nat_range2, whose first part struct nf_nat_range is. */
const translate =
  (name: keyof typeof translations, addressBytes: 4 | 16): Print =>
  (data) => {
    const flags = read32(data, 0);
    requireAddress(name, flags);
    const hasPorts = (flags & range.ports) !== 0;
    const [first, last] = [networkAddressText(data, 4, addressBytes), networkAddressText(data, 20, addressBytes)];
    const both = first === last ? first : `${first}-${last}`;
    const addresses = addressBytes === 16 && hasPorts ? `[${both}]` : both;
    return rangeWords(translations[name].option, flags, addresses, portAt(data, 36), portAt(data, 38));
  };

/** struct nf_nat_ipv4_multi_range_compat with one range. */
const translateBefore =
  (name: keyof typeof translations): Print =>
  (data) => {
    const flags = read32(data, 4);
    if (read32(data, 0) !== 1) unknown(`${name} with several ranges`);
    requireAddress(name, flags);
    const [first, last] = [ipv4Text(data, 8), ipv4Text(data, 12)];
    const addresses = first === last ? first : `${first}-${last}`;
    return rangeWords(translations[name].option, flags, addresses, portAt(data, 16), portAt(data, 18));
  };

function masqueradeWords(flags: number, from: number, to: number): string {
  if ((flags & ~(range.ports | range.random | range.randomFully)) !== 0) unknown('an option of MASQUERADE');
  return [
    (flags & range.ports) === 0 ? '' : ` --to-ports ${String(from)}${from === to ? '' : `-${String(to)}`}`,
    (flags & range.random) === 0 ? '' : ' --random',
    (flags & range.randomFully) === 0 ? '' : ' --random-fully',
  ].join('');
}

const rejections = {
  IPv4: [
    'icmp-net-unreachable',
    'icmp-host-unreachable',
    'icmp-proto-unreachable',
    'icmp-port-unreachable',
    'echo-reply',
    'icmp-net-prohibited',
    'icmp-host-prohibited',
    'tcp-reset',
    'icmp-admin-prohibited',
  ],
  IPv6: [
    'icmp6-no-route',
    'icmp6-adm-prohibited',
    'icmp6-not-neighbour',
    'icmp6-addr-unreachable',
    'icmp6-port-unreachable',
    'icmp6-echo-reply',
    'tcp-reset',
    'icmp6-policy-fail',
    'icmp6-reject-route',
  ],
} as const;

const reject =
  (family: 'IPv4' | 'IPv6'): Print =>
  (data) =>
    ` --reject-with ${rejections[family][read32(data, 0)] ?? unknown('a reason of REJECT')}`;

/** XT_CONNTRACK_STATE_BIT: 1 << the number of the state, and one for what belongs to no connection. */
const connectionStates = [
  [1, 'INVALID'],
  [8, 'NEW'],
  [4, 'RELATED'],
  [2, 'ESTABLISHED'],
  [256, 'UNTRACKED'],
  [64, 'SNAT'],
  [128, 'DNAT'],
] as const;
/** IPS_ of nf_conntrack_common.h. */
const connectionStatuses = [
  [1, 'EXPECTED'],
  [2, 'SEEN_REPLY'],
  [4, 'ASSURED'],
  [8, 'CONFIRMED'],
] as const;
const conntrackPart = { state: 0x0001, status: 0x0040, direction: 0x1000 } as const;

/** struct xt_conntrack_mtinfo3: states, statuses and the direction; what compares addresses and ports is not known here. */
const conntrack: Print = (data) => {
  const [given, inverted] = [read16(data, 146), read16(data, 148)];
  const all = conntrackPart.state | conntrackPart.status | conntrackPart.direction;
  if ((given & ~all) !== 0 || (inverted & ~given) !== 0) unknown('an option of conntrack');
  const bits = (option: string, part: number, value: number, names: readonly (readonly [number, string])[]): string => {
    if ((given & part) === 0) return '';
    const set = names.filter(([bit]) => (value & bit) !== 0);
    if (set.length === 0 || set.reduce((sum, [bit]) => sum + bit, 0) !== value) unknown(`a value of ${option}`);
    return `${not((inverted & part) !== 0)} --${option} ${set.map(([, name]) => name).join(',')}`;
  };
  return [
    bits('ctstate', conntrackPart.state, read16(data, 150), connectionStates),
    bits('ctstatus', conntrackPart.status, read16(data, 152), connectionStatuses),
    (given & conntrackPart.direction) === 0
      ? ''
      : ` --ctdir ${(inverted & conntrackPart.direction) === 0 ? 'ORIGINAL' : 'REPLY'}`,
  ].join('');
};

/** struct xt_multiport_v1: fifteen places, and of each whether it begins a range. */
const multiport: Print = (data) => {
  const [kind, count, inverted] = [data.readUInt8(0), data.readUInt8(1), data.readUInt8(47)];
  const option = ['sports', 'dports', 'ports'][kind];
  if (option === undefined || count === 0 || count > 15 || inverted > 1) unknown('an option of multiport');
  const places = Array.from({ length: count }, (_, index) => ({
    port: String(read16(data, 2 + 2 * index)),
    separator: data.readUInt8(32 + index) === 0 ? ',' : ':',
  }));
  const text = places.map(({ port, separator }) => `${port}${separator}`).join('');
  return `${not(inverted === 1)} --${option} ${text.slice(0, -1)}`;
};

/** struct ipt_icmp: 255 is any type; codes are one or all. */
const icmp: Print = (data) => {
  const [type, from, to, inverted] = [data.readUInt8(0), data.readUInt8(1), data.readUInt8(2), data.readUInt8(3)];
  if (inverted > 1) unknown('an inversion of icmp');
  if (type === 255) return `${not(inverted === 1)} --icmp-type any`;
  if (from !== to && (from !== 0 || to !== 255)) unknown('a range of codes of icmp');
  return `${not(inverted === 1)} --icmp-type ${String(type)}${from === to ? `/${String(from)}` : ''}`;
};

const matches: readonly (readonly [name: string, ExtensionPrinter])[] = [
  ['tcp 0', { length: 12, print: tcp }],
  ['udp 0', { length: 9, print: udp }],
  ['sctp 0', { length: 292, print: sctp }],
  ['addrtype 1', { length: 8, print: addrtype }],
  ['comment 0', { length: 256, print: comment }],
  ['statistic 0', { length: 24, print: statistic }],
  ['nfacct 0', { length: 32, print: nfacct }],
  ['nfacct 1', { length: 32, print: nfacct }],
  ['mark 1', { length: 9, print: mark }],
  ['conntrack 3', { length: 162, print: conntrack }],
  ['multiport 1', { length: 48, print: multiport }],
];

/** By name and revision. */
export const matchPrinters = {
  IPv4: new Map<string, ExtensionPrinter>([
    ...matches,
    ['recent 1', { length: 228, print: recent(4) }],
    ['icmp 0', { length: 4, print: icmp }],
  ]),
  IPv6: new Map<string, ExtensionPrinter>([...matches, ['recent 1', { length: 228, print: recent(16) }]]),
} as const;

/** By name and revision. */
export const targetPrinters = {
  IPv4: new Map<string, ExtensionPrinter>([
    ['MARK 2', { length: 8, print: setMark }],
    ['DNAT 0', { length: 20, print: translateBefore('DNAT') }],
    ['SNAT 0', { length: 20, print: translateBefore('SNAT') }],
    ['DNAT 2', { length: 42, print: translate('DNAT', 4) }],
    [
      'MASQUERADE 0',
      { length: 20, print: (data) => masqueradeWords(read32(data, 4), portAt(data, 16), portAt(data, 18)) },
    ],
    ['REJECT 0', { length: 4, print: reject('IPv4') }],
  ]),
  IPv6: new Map<string, ExtensionPrinter>([
    ['MARK 2', { length: 8, print: setMark }],
    ['DNAT 1', { length: 40, print: translate('DNAT', 16) }],
    ['SNAT 1', { length: 40, print: translate('SNAT', 16) }],
    ['DNAT 2', { length: 42, print: translate('DNAT', 16) }],
    [
      'MASQUERADE 0',
      { length: 40, print: (data) => masqueradeWords(read32(data, 0), portAt(data, 36), portAt(data, 38)) },
    ],
    ['REJECT 0', { length: 4, print: reject('IPv6') }],
  ]),
} as const;
