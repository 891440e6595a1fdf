/**
 * The options of iptables' match modules and targets: how many words each takes, and what they mean. Source:
 * extensions/*.c of iptables 1.8.9 (struct xt_option_entry), and iptables-extensions(8).
 */
import type { Direction, End, IptablesOption, PortRange } from './rule.ts';
import { ipProtocolNumber } from '../net/ip-protocol.ts';

/** An option of a module. */
export interface OptionGrammar {
  /** How many words follow it; any: all up to the next option. */
  readonly words: number | 'any';
  /** Its word may be the name of a port, of /etc/services. */
  readonly isPort?: true;
  /** Its meaning by the rule's words, from its own first one on; undefined where they are not of its form. Absent: the option is kept by its words. */
  read?(words: readonly string[], at: number, negated: boolean): IptablesOption | undefined;
}

/** Options by their names with hyphens. */
export type ModuleGrammar = ReadonlyMap<string, OptionGrammar>;

/** undefined for a module that this version does not know. */
export function matchGrammar(module: string): ModuleGrammar | undefined {
  return matches.get(module);
}

/** undefined for a target that this version does not know, and for a chain. */
export function targetGrammar(name: string): ModuleGrammar | undefined {
  return targets.get(name);
}

/** The module that iptables loads for an option without -m, by the protocol of -p. */
export function implicitModule(protocol: string): string | undefined {
  return implicit.get(ipProtocolNumber(protocol));
}

const implicit: ReadonlyMap<number | undefined, string> = new Map([
  ...['tcp', 'udp', 'sctp', 'dccp', 'udplite', 'icmp', 'ah', 'esp'].map(
    (name) => [ipProtocolNumber(name), name] as const,
  ),
  [ipProtocolNumber('icmpv6'), 'icmp6'],
]);

/** `from=1 icase rateest-bps=any`: an option with a word, one without, and one that may have any. */
function kept(text: string): [string, OptionGrammar][] {
  return text
    .split(' ')
    .filter((each) => each !== '')
    .map((each) => {
      const [name = '', words] = each.split('=');
      return [`--${name}`, { words: words === 'any' ? words : Number(words ?? 0) }];
    });
}

/** An option under all its names. */
function option(
  names: string,
  words: number,
  read: (word: string, negated: boolean, second: string) => IptablesOption | undefined,
): [string, OptionGrammar][] {
  const grammar: OptionGrammar = { words, read: (all, at, negated) => read(all[at] ?? '', negated, all[at + 1] ?? '') };
  return names.split(' ').map((name) => [`--${name}`, grammar]);
}

function ofPorts(options: [string, OptionGrammar][]): [string, OptionGrammar][] {
  return options.map(([name, grammar]) => [name, { ...grammar, isPort: true }]);
}

/** An option that is never negated. */
function plain(
  names: string,
  words: number,
  read: (word: string) => IptablesOption | undefined,
): [string, OptionGrammar][] {
  return option(names, words, (word, negated) => (negated ? undefined : read(word)));
}

function port(kind: 'sourcePort' | 'destinationPort', names: string): [string, OptionGrammar][] {
  return ofPorts(
    option(names, 1, (text, negated) => {
      const range = readPorts(text, ':');
      return range === undefined ? undefined : { kind, from: range.from, to: range.to, negated };
    }),
  );
}

const transport = [...port('sourcePort', 'sport source-port'), ...port('destinationPort', 'dport destination-port')];

function multiport(end: End | 'either', names: string): [string, OptionGrammar][] {
  return ofPorts(
    option(names, 1, (text, negated) => {
      const ranges: PortRange[] = [];
      for (const part of text.split(',')) {
        const range = readPorts(part, ':');
        if (range === undefined) return undefined;
        ranges.push(range);
      }
      return { kind: 'multiport', end, ranges, negated };
    }),
  );
}

const mark = option('mark', 1, (text, negated) => {
  const read = readMask(text);
  return read === undefined ? undefined : { kind: 'mark', value: read.value, mask: read.mask ?? 0xffffffff, negated };
});

function addressType(end: End, names: string): [string, OptionGrammar][] {
  return option(names, 1, (text, negated) => ({ kind: 'addressType', end, types: text.split(','), negated }));
}

const states = option('ctstate state', 1, (text, negated) => ({
  kind: 'connectionState',
  states: text.split(','),
  negated,
}));

function connectionAddress(direction: Direction, end: End, name: string): [string, OptionGrammar][] {
  return option(name, 1, (prefix, negated) => ({ kind: 'connectionAddress', direction, end, prefix, negated }));
}

function connectionPort(direction: Direction, end: End, name: string): [string, OptionGrammar][] {
  return option(name, 1, (text, negated) => {
    const range = readPorts(text, ':');
    return range === undefined
      ? undefined
      : { kind: 'connectionPort', direction, end, from: range.from, to: range.to, negated };
  });
}

function recent(action: 'rcheck' | 'update' | 'set' | 'remove'): [string, OptionGrammar][] {
  return option(action, 0, (_word, negated) => ({ kind: 'recent', action, negated }));
}

function addressRange(end: End, name: string): [string, OptionGrammar][] {
  return option(name, 1, (text, negated) => {
    const [from = '', to = from, more] = text.split('-');
    return more !== undefined || !isAddressText(from) || !isAddressText(to)
      ? undefined
      : { kind: 'addressRange', end, from, to, negated };
  });
}

/** The bits of a TCP header's flags (RFC 9293, 3.1), in the order in which iptables prints them. */
export const tcpFlagBits: ReadonlyMap<string, number> = new Map([
  ['FIN', 1],
  ['SYN', 2],
  ['RST', 4],
  ['PSH', 8],
  ['ACK', 16],
  ['URG', 32],
]);

const matches: ReadonlyMap<string, ModuleGrammar> = new Map<string, ModuleGrammar>([
  [
    'tcp',
    new Map([
      ...transport,
      ...option('tcp-flags', 2, (maskText, negated, setText) => {
        const mask = readTcpFlags(maskText);
        const set = readTcpFlags(setText);
        return mask === undefined || set === undefined ? undefined : { kind: 'tcpFlags', mask, set, negated };
      }),
      // FIN, SYN, RST and ACK asked for; SYN alone set.
      ...option('syn', 0, (_word, negated) => ({ kind: 'tcpFlags', mask: 0x17, set: 0x02, negated })),
      ...kept('tcp-option=1'),
    ]),
  ],
  ['udp', new Map(transport)],
  ['udplite', new Map(transport)],
  ['sctp', new Map([...transport, ...kept('chunk-types=2')])],
  ['dccp', new Map([...transport, ...kept('dccp-types=1 dccp-option=1')])],
  [
    'multiport',
    new Map([
      ...multiport('source', 'sports source-ports'),
      ...multiport('destination', 'dports destination-ports'),
      ...multiport('either', 'ports'),
    ]),
  ],
  [
    'statistic',
    new Map([
      ...plain('mode', 1, (mode) =>
        mode === 'random' || mode === 'nth' ? { kind: 'statisticMode', mode, negated: false } : undefined,
      ),
      ...option('probability', 1, (text, negated) => {
        // strtod(3) takes exponents; of nan, which it takes too, the kernel would make some number.
        const probability = /^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
        return probability >= 0 && probability <= 1
          ? { kind: 'probability', of2To31: Math.round(probability * 2 ** 31), negated }
          : undefined;
      }),
      ...option('every', 1, (text, negated) => {
        const count = readNumber(text);
        return count === undefined || count < 1 ? undefined : { kind: 'every', count, negated };
      }),
      ...plain('packet', 1, (text) => {
        const number = readNumber(text);
        return number === undefined ? undefined : { kind: 'packet', number, negated: false };
      }),
    ]),
  ],
  ['mark', new Map(mark)],
  ['connmark', new Map(mark)],
  [
    'addrtype',
    new Map([
      ...addressType('source', 'src-type'),
      ...addressType('destination', 'dst-type'),
      ...plain('limit-iface-in', 0, () => ({ kind: 'limitInterface', side: 'in', negated: false })),
      ...plain('limit-iface-out', 0, () => ({ kind: 'limitInterface', side: 'out', negated: false })),
    ]),
  ],
  [
    'conntrack',
    new Map([
      ...states,
      ...option('ctstatus', 1, (text, negated) => ({ kind: 'connectionStatus', statuses: text.split(','), negated })),
      ...option('ctproto', 1, (text, negated) => ({
        kind: 'connectionProtocol',
        protocol: text.toLowerCase(),
        negated,
      })),
      ...connectionAddress('original', 'source', 'ctorigsrc'),
      ...connectionAddress('original', 'destination', 'ctorigdst'),
      ...connectionAddress('reply', 'source', 'ctreplsrc'),
      ...connectionAddress('reply', 'destination', 'ctrepldst'),
      ...connectionPort('original', 'source', 'ctorigsrcport'),
      ...connectionPort('original', 'destination', 'ctorigdstport'),
      ...connectionPort('reply', 'source', 'ctreplsrcport'),
      ...connectionPort('reply', 'destination', 'ctrepldstport'),
      ...option('ctdir', 1, (text, negated) =>
        text === 'ORIGINAL'
          ? { kind: 'direction', direction: 'original', negated }
          : text === 'REPLY'
            ? { kind: 'direction', direction: 'reply', negated }
            : undefined,
      ),
      ...kept('ctexpire=1'),
    ]),
  ],
  ['state', new Map(states)],
  [
    'set',
    new Map([
      ...option('match-set set', 2, (set, negated, text) => {
        const flags: ('src' | 'dst')[] = [];
        for (const flag of text.split(',')) {
          if (flag !== 'src' && flag !== 'dst') return undefined;
          flags.push(flag);
        }
        return { kind: 'matchSet', set, flags, negated };
      }),
      ...kept(
        'return-nomatch update-counters update-subcounters packets-eq=1 packets-lt=1 packets-gt=1 bytes-eq=1 bytes-lt=1 bytes-gt=1',
      ),
    ]),
  ],
  [
    'recent',
    new Map([
      ...recent('rcheck'),
      ...recent('update'),
      ...recent('set'),
      ...recent('remove'),
      ...plain('name', 1, (name) => ({ kind: 'recentList', name, negated: false })),
      ...kept('seconds=1 reap hitcount=1 rttl mask=1 rsource rdest'),
    ]),
  ],
  ['comment', new Map(plain('comment', 1, (text) => ({ kind: 'comment', text, negated: false })))],
  ['iprange', new Map([...addressRange('source', 'src-range'), ...addressRange('destination', 'dst-range')])],
  ...Object.entries({
    ah: 'ahspi=1 ahlen=1 ahres',
    bpf: 'bytecode=1 object-pinned=1',
    cgroup: 'cgroup=1 path=1',
    cluster: 'cluster-total-nodes=1 cluster-local-node=1 cluster-local-nodemask=1 cluster-hash-seed=1',
    connbytes: 'connbytes=1 connbytes-dir=1 connbytes-mode=1',
    connlabel: 'label=1 set',
    connlimit: 'connlimit-upto=1 connlimit-above=1 connlimit-mask=1 connlimit-saddr connlimit-daddr',
    cpu: 'cpu=1',
    devgroup: 'src-group=1 dst-group=1',
    dscp: 'dscp=1 dscp-class=1',
    dst: 'dst-len=1 dst-opts=1',
    ecn: 'ecn-tcp-cwr ecn-tcp-ece ecn-ip-ect=1',
    esp: 'espspi=1',
    eui64: '',
    frag: 'fragid=1 fraglen=1 fragres fragfirst fragmore fraglast',
    hashlimit:
      'hashlimit=1 hashlimit-upto=1 hashlimit-above=1 hashlimit-burst=1 hashlimit-mode=1 hashlimit-name=1 hashlimit-srcmask=1 hashlimit-dstmask=1 hashlimit-htable-size=1 hashlimit-htable-max=1 hashlimit-htable-expire=1 hashlimit-htable-gcinterval=1 hashlimit-rate-match hashlimit-rate-interval=1',
    hbh: 'hbh-len=1 hbh-opts=1',
    helper: 'helper=1',
    hl: 'hl-eq=1 hl-lt=1 hl-gt=1 hl=1',
    icmp: 'icmp-type=1',
    icmp6: 'icmpv6-type=1',
    icmpv6: 'icmpv6-type=1',
    ipcomp: 'ipcompspi=1 compres',
    ipv6header: 'header=1 soft',
    ipvs: 'ipvs vproto=1 vaddr=1 vport=1 vdir=1 vmethod=1 vportctl=1',
    length: 'length=1',
    limit: 'limit=1 limit-burst=1',
    mac: 'mac-source=1',
    mh: 'mh-type=1',
    nfacct: 'nfacct-name=1',
    osf: 'genre=1 ttl=1 log=1',
    owner: 'uid-owner=1 gid-owner=1 pid-owner=1 sid-owner=1 cmd-owner=1 socket-exists suppl-groups',
    physdev: 'physdev-in=1 physdev-out=1 physdev-is-in physdev-is-out physdev-is-bridged',
    pkttype: 'pkt-type=1',
    policy: 'dir=1 pol=1 strict reqid=1 spi=1 proto=1 mode=1 tunnel-src=1 tunnel-dst=1 next',
    quota: 'quota=1',
    rateest:
      'rateest=1 rateest1=1 rateest2=1 rateest-delta rateest-bps=any rateest-pps=any rateest-bps1=any rateest-pps1=any rateest-bps2=any rateest-pps2=any rateest-lt rateest-gt rateest-eq',
    realm: 'realm=1',
    rpfilter: 'loose validmark accept-local invert',
    rt: 'rt-type=1 rt-segsleft=1 rt-len=1 rt-0-res rt-0-addrs=1 rt-0-not-strict',
    socket: 'transparent nowildcard restore-skmark',
    srh: 'srh-next-hdr=1 srh-hdr-len-eq=1 srh-hdr-len-gt=1 srh-hdr-len-lt=1 srh-segs-left-eq=1 srh-segs-left-gt=1 srh-segs-left-lt=1 srh-last-entry-eq=1 srh-last-entry-gt=1 srh-last-entry-lt=1 srh-tag=1 srh-psid=1 srh-nsid=1 srh-lsid=1',
    string: 'from=1 to=1 algo=1 string=1 hex-string=1 icase',
    tcpmss: 'mss=1',
    time: 'datestart=1 datestop=1 timestart=1 timestop=1 weekdays=1 monthdays=1 contiguous kerneltz localtz utc',
    tos: 'tos=1',
    ttl: 'ttl-eq=1 ttl-lt=1 ttl-gt=1 ttl=1',
    u32: 'u32=1',
    unclean: '',
  }).map(([name, text]): [string, ModuleGrammar] => [name, new Map(kept(text))]),
]);

const targets: ReadonlyMap<string, ModuleGrammar> = new Map(
  Object.entries({
    ACCEPT: '',
    DROP: '',
    RETURN: '',
    QUEUE: '',
    AUDIT: 'type=1',
    CHECKSUM: 'checksum-fill',
    CLASSIFY: 'set-class=1',
    CLUSTERIP: 'new hashmode=1 clustermac=1 total-nodes=1 local-node=1 hash-init=1',
    CONNMARK:
      'set-xmark=1 set-mark=1 and-mark=1 or-mark=1 xor-mark=1 save-mark restore-mark left-shift-mark=1 right-shift-mark=1 ctmask=1 nfmask=1 mask=1',
    CONNSECMARK: 'save restore',
    CT: 'notrack helper=1 timeout=1 ctevents=1 expevents=1 zone=1 zone-orig=1 zone-reply=1',
    DNAT: 'to-destination=1 random random-fully persistent',
    DNPT: 'src-pfx=1 dst-pfx=1',
    DSCP: 'set-dscp=1 set-dscp-class=1',
    ECN: 'ecn-tcp-remove ecn-tcp-cwr=1 ecn-tcp-ece=1 ecn-ip-ect=1',
    HL: 'hl-set=1 hl-dec=1 hl-inc=1',
    HMARK:
      'hmark-tuple=1 hmark-src-prefix=1 hmark-dst-prefix=1 hmark-sport-mask=1 hmark-dport-mask=1 hmark-spi-mask=1 hmark-sport=1 hmark-dport=1 hmark-spi=1 hmark-proto-mask=1 hmark-rnd=1 hmark-mod=1 hmark-offset=1',
    IDLETIMER: 'timeout=1 label=1 alarm send_nl_msg=1',
    LED: 'led-trigger-id=1 led-delay=1 led-always-blink',
    LOG: 'log-level=1 log-prefix=1 log-tcp-sequence log-tcp-options log-ip-options log-uid log-macdecode',
    MARK: 'set-xmark=1 set-mark=1 and-mark=1 or-mark=1 xor-mark=1',
    MASQUERADE: 'to-ports=1 random random-fully',
    NETMAP: 'to=1',
    NFLOG: 'nflog-group=1 nflog-prefix=1 nflog-range=1 nflog-size=1 nflog-threshold=1',
    NFQUEUE: 'queue-num=1 queue-balance=1 queue-bypass queue-cpu-fanout',
    NOTRACK: '',
    RATEEST: 'rateest-name=1 rateest-interval=1 rateest-ewmalog=1',
    REDIRECT: 'to-ports=1 random random-fully',
    REJECT: 'reject-with=1',
    SECMARK: 'selctx=1',
    SET: 'add-set=2 del-set=2 map-set=2 exist timeout=1 map-mark map-prio map-queue',
    SNAT: 'to-source=1 random random-fully persistent',
    SNPT: 'src-pfx=1 dst-pfx=1',
    SYNPROXY: 'sack-perm timestamp wscale=1 mss=1 ecn',
    TCPMSS: 'set-mss=1 clamp-mss-to-pmtu',
    TCPOPTSTRIP: 'strip-options=1',
    TEE: 'gateway=1 oif=1',
    TOS: 'set-tos=1 and-tos=1 or-tos=1 xor-tos=1',
    TPROXY: 'on-port=1 on-ip=1 tproxy-mark=1',
    TRACE: '',
    TTL: 'ttl-set=1 ttl-dec=1 ttl-inc=1',
    ULOG: 'ulog-nlgroup=1 ulog-prefix=1 ulog-cprange=1 ulog-qthreshold=1',
  }).map(([name, text]) => [name, new Map(kept(text))]),
);

/** `80`, `8000:8080`, `:1023` or `1024:`; with another sign between for --to-ports. */
export function readPorts(text: string, sign: ':' | '-'): PortRange | undefined {
  const at = text.indexOf(sign);
  if (at < 0) {
    const only = readPort(text);
    return only === undefined ? undefined : { from: only, to: only };
  }
  const fromText = text.slice(0, at);
  const toText = text.slice(at + 1);
  if (fromText === '' && toText === '') return undefined;
  const from = fromText === '' && sign === ':' ? 0 : readPort(fromText);
  const to = toText === '' && sign === ':' ? 65535 : readPort(toText);
  return from === undefined || to === undefined || from > to ? undefined : { from, to };
}

function readPort(text: string): number | undefined {
  const port = readNumber(text);
  return port === undefined || port > 65535 ? undefined : port;
}

/** A decimal or hexadecimal number of 32 bits. */
export function readNumber(text: string): number | undefined {
  if (!/^(?:0[xX][0-9a-fA-F]{1,8}|\d{1,10})$/.test(text)) return undefined;
  // A leading zero is octal to strtoul(3).
  if (/^0\d/.test(text)) return undefined;
  const value = Number(text);
  return value > 0xffffffff ? undefined : value;
}

/** `0x4000/0x4000`, or a value alone. */
export function readMask(text: string): { readonly value: number; readonly mask: number | undefined } | undefined {
  const at = text.indexOf('/');
  const value = readNumber(at < 0 ? text : text.slice(0, at));
  if (value === undefined) return undefined;
  if (at < 0) return { value, mask: undefined };
  const mask = readNumber(text.slice(at + 1));
  return mask === undefined ? undefined : { value, mask };
}

/** Digits where an address has them; whether it is one is asked where it is compared. */
export function isAddressText(text: string): boolean {
  return /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$/.test(text);
}

function readTcpFlags(text: string): number | undefined {
  if (text === 'NONE') return 0;
  if (text === 'ALL') return 0x3f;
  let bits = 0;
  for (const name of text.split(',')) {
    const bit = tcpFlagBits.get(name);
    if (bit === undefined) return undefined;
    bits |= bit;
  }
  return bits;
}
