/** Expressions in nft's own words (nft(8), "Primary expressions" and "Payload expressions"). */
import type { NftBinaryOperator, NftElement, NftExpression, NftVerdict, NftStatement } from './rule.ts';
import { nftNamedTypes, nftTypesOf } from './types.ts';
import { present } from '../lib/present.ts';
import { withProtocolNames } from './normal-form.ts';
import type { NftTokens } from './tokens.ts';

/** Reads the statements that an element may have: counter, limit, quota. */
export type ReadStatement = (tokens: NftTokens) => NftStatement | undefined;

/** What a packet is asked for, such as `ip daddr . tcp dport` or `meta mark & 0x4000`; undefined where it is not understood. */
export function readKey(tokens: NftTokens, readStatement: ReadStatement): NftExpression | undefined {
  return concatenation(tokens, () => binary(tokens, readStatement, []));
}

/**
 * A value beside a key, of the key's types: a constant, a range, flags, a set, or an expression of the packet.
 * @param types one for each part; empty where nothing is known of them
 */
export function readValue(
  tokens: NftTokens,
  types: readonly string[],
  readStatement: ReadStatement,
): NftExpression | undefined {
  if (tokens.word() === '{') {
    const elements = readElements(tokens, types, readStatement);
    return elements === undefined ? undefined : { kind: 'set', elements };
  }
  let part = 0;
  const value = concatenation(tokens, () => {
    const type = types[part] ?? '';
    part += 1;
    return flags(tokens, () => binary(tokens, readStatement, [type]));
  });
  if (value === undefined || !tokens.take('map')) return value;
  const data = readData(tokens, nftTypesOf(value), readStatement);
  return data === undefined ? undefined : { kind: 'map', key: value, data: withProtocolNames(value, data) };
}

/** What stands behind `map` and `vmap`: a name, or elements with values. */
export function readData(
  tokens: NftTokens,
  types: readonly string[],
  readStatement: ReadStatement,
): NftExpression | undefined {
  if (tokens.word().startsWith('@')) return { kind: 'setReference', name: tokens.next()?.text.slice(1) ?? '' };
  const elements = tokens.word() === '{' ? readElements(tokens, types, readStatement) : undefined;
  return elements === undefined ? undefined : { kind: 'set', elements };
}

export function readVerdict(tokens: NftTokens): NftVerdict | undefined {
  const kind = tokens.takeOneOf(['accept', 'drop', 'return', 'continue']);
  if (kind !== undefined) return { kind };
  const jump = tokens.takeOneOf(['jump', 'goto']);
  const chain = jump === undefined || tokens.peek()?.isQuoted === true ? undefined : tokens.name();
  return jump === undefined || chain === undefined ? undefined : { kind: jump, chain };
}

/** `{ a, b : c }`. */
function readElements(
  tokens: NftTokens,
  types: readonly string[],
  readStatement: ReadStatement,
): NftElement[] | undefined {
  if (!tokens.take('{')) return undefined;
  const elements: NftElement[] = [];
  while (!tokens.take('}')) {
    const element = readElement(tokens, types, [], readStatement);
    if (element === undefined || (!tokens.take(',') && tokens.word() !== '}')) return undefined;
    elements.push(element);
  }
  return elements;
}

/** `10.0.0.1 . tcp . 80 timeout 1m expires 20s comment "x" : goto chain`. */
export function readElement(
  tokens: NftTokens,
  types: readonly string[],
  dataTypes: readonly string[],
  readStatement: ReadStatement,
): NftElement | undefined {
  const key = readValue(tokens, types, readStatement);
  if (key === undefined) return undefined;
  const options = new ElementOptions(tokens, readStatement);
  if (!options.read()) return undefined;
  if (!tokens.take(':')) return options.element(key);
  const verdict = readVerdict(tokens);
  const value: NftExpression | undefined =
    verdict === undefined ? readValue(tokens, dataTypes, readStatement) : { kind: 'verdict', verdict };
  return value === undefined || !options.read() ? undefined : options.element(key, value);
}

class ElementOptions {
  readonly #tokens: NftTokens;
  readonly #readStatement: ReadStatement;
  readonly #statements: NftStatement[] = [];
  #timeout: number | undefined;
  #expires: number | undefined;
  #comment: string | undefined;

  constructor(tokens: NftTokens, readStatement: ReadStatement) {
    this.#tokens = tokens;
    this.#readStatement = readStatement;
  }

  /** @returns whether all that stands before `:`, `,` or `}` is understood */
  read(): boolean {
    for (;;) {
      if (this.#tokens.isDone || [':', ',', '}'].includes(this.#tokens.word())) return true;
      // A second one would take the first one's place.
      if (this.#timeout === undefined && this.#tokens.take('timeout')) {
        this.#timeout = readDuration(this.#tokens);
        if (this.#timeout === undefined) return false;
      } else if (this.#expires === undefined && this.#tokens.take('expires')) {
        this.#expires = readDuration(this.#tokens);
        if (this.#expires === undefined) return false;
      } else if (this.#comment === undefined && this.#tokens.take('comment')) {
        this.#comment = this.#tokens.name();
        if (this.#comment === undefined) return false;
      } else {
        const statement = this.#readStatement(this.#tokens);
        if (statement === undefined) return false;
        this.#statements.push(statement);
      }
    }
  }

  element(key: NftExpression, value?: NftExpression): NftElement {
    return present({
      key,
      value,
      timeout: this.#timeout,
      expires: this.#expires,
      comment: this.#comment,
      statements: this.#statements.length === 0 ? undefined : this.#statements,
    });
  }
}

/** `1d2h3m4s5ms` in whole seconds, as nft's JSON has it. */
function readDuration(tokens: NftTokens): number | undefined {
  const seconds = secondsOf(tokens.word());
  if (seconds !== undefined) tokens.next();
  return seconds;
}

const unitMilliseconds = new Map(Object.entries({ w: 604800000, d: 86400000, h: 3600000, m: 60000, s: 1000, ms: 1 }));

export function secondsOf(word: string): number | undefined {
  const milliseconds = millisecondsOf(word);
  return milliseconds === undefined ? undefined : Math.floor(milliseconds / 1000);
}

/** `3s536ms` in milliseconds. */
export function millisecondsOf(word: string): number | undefined {
  if (!/^(?:\d+(?:ms|[wdhms]))+$/.test(word)) return undefined;
  let milliseconds = 0;
  for (const [, count, unit] of word.matchAll(/(\d+)(ms|[wdhms])/g))
    milliseconds += Number(count) * (unitMilliseconds.get(unit ?? '') ?? 0);
  return milliseconds;
}

function concatenation(tokens: NftTokens, read: () => NftExpression | undefined): NftExpression | undefined {
  const first = read();
  if (first === undefined || tokens.word() !== '.') return first;
  const parts = [first];
  while (tokens.take('.')) {
    const part = read();
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return { kind: 'concatenation', parts };
}

/** `established,related`: the commas stand without blanks. */
function flags(tokens: NftTokens, read: () => NftExpression | undefined): NftExpression | undefined {
  const first = read();
  if (first === undefined) return undefined;
  const items = [first];
  while (tokens.word() === ',' && tokens.peek()?.isGlued === true && tokens.peek(1)?.isGlued === true) {
    tokens.next();
    const item = read();
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items.length === 1 ? first : { kind: 'list', items };
}

/** From the loosest to the tightest (src/parser_bison.y: inclusive_or_expr … shift_expr), with the words of older versions. */
const levels: readonly ReadonlyMap<string, NftBinaryOperator>[] = [
  new Map([
    ['|', '|'],
    ['or', '|'],
  ]),
  new Map([
    ['^', '^'],
    ['xor', '^'],
  ]),
  new Map([
    ['&', '&'],
    ['and', '&'],
  ]),
  new Map([
    ['<<', '<<'],
    ['>>', '>>'],
    ['lshift', '<<'],
    ['rshift', '>>'],
  ]),
];

function binary(
  tokens: NftTokens,
  readStatement: ReadStatement,
  types: readonly string[],
  level = 0,
): NftExpression | undefined {
  const operators = levels[level];
  if (operators === undefined) return primary(tokens, readStatement, types);
  let left = binary(tokens, readStatement, types, level + 1);
  for (;;) {
    const operator = operators.get(tokens.word());
    if (left === undefined || operator === undefined) return left;
    tokens.next();
    // Beside what is read of the packet, a mask is a constant.
    const beside = types.length > 0 ? types : nftTypesOf(left);
    const right = flags(tokens, () => binary(tokens, readStatement, beside, level + 1));
    if (right === undefined) return undefined;
    left = { kind: 'binary', operator, operands: [left, right] };
  }
}

function primary(tokens: NftTokens, readStatement: ReadStatement, types: readonly string[]): NftExpression | undefined {
  const token = tokens.peek();
  if (token === undefined) return undefined;
  // What is read of a packet has no quotes.
  if (token.isQuoted) return types.length === 0 ? undefined : constant(tokens, types[0] ?? '');
  if (tokens.take('(')) {
    const inner = flags(tokens, () => binary(tokens, readStatement, types));
    return inner !== undefined && tokens.take(')') ? inner : undefined;
  }
  const at = tokens.at;
  const read = readers.get(token.text);
  if (read !== undefined) {
    tokens.next();
    const found = read(tokens, readStatement);
    if (found !== undefined) return found;
    tokens.back(at);
  }
  const fields = payloadProtocols.get(token.text);
  if (fields?.has(tokens.word(1)) === true) {
    tokens.next();
    return { kind: 'payload', protocol: token.text, field: tokens.next()?.text ?? '' };
  }
  if (unqualifiedMeta.has(token.text)) {
    tokens.next();
    return { kind: 'meta', key: token.text };
  }
  if (token.text.startsWith('@')) return reference(tokens);
  // A key begins with a known word; a constant is known by what stands beside it.
  return types.length === 0 ? undefined : constant(tokens, types[0] ?? '');
}

/** `@name`, or `@th,16,16`. */
function reference(tokens: NftTokens): NftExpression | undefined {
  const name = tokens.next()?.text.slice(1) ?? '';
  if (!['ll', 'nh', 'th', 'ih'].includes(name) || tokens.word() !== ',') return { kind: 'setReference', name };
  tokens.next();
  const offset = tokens.number();
  const isNext = tokens.take(',');
  const length = tokens.number();
  return offset === undefined || length === undefined || !isNext
    ? undefined
    : { kind: 'rawPayload', base: name, offset, length };
}

const numeric = /^(?:0x[0-9a-f]+|\d+)$/i;
const rangeEnd = /^(?:0x[0-9a-f]+|\d+|\d+\.\d+\.\d+\.\d+|[0-9a-f:.]*:[0-9a-f:.]*|(?:\d+(?:ms|[wdhms]))+)$/i;

function constant(tokens: NftTokens, type: string): NftExpression | undefined {
  const token = tokens.peek();
  if (token === undefined || (!token.isQuoted && /^[{}(),;&|^<>=!:.]+$/.test(token.text) && !/^::/.test(token.text)))
    return undefined;
  tokens.next();
  if (token.isQuoted) {
    const to = tokens.peek(1);
    if (tokens.word() !== '-' || tokens.peek()?.isGlued !== true || to?.isQuoted !== true)
      return { kind: 'value', value: token.text };
    tokens.next();
    tokens.next();
    return { kind: 'range', from: { kind: 'value', value: token.text }, to: { kind: 'value', value: to.text } };
  }
  const { text } = token;
  // A name of an interface may look like anything.
  if (type === 'ifname') return { kind: 'value', value: text };
  const dash = text.indexOf('-', 1);
  if (dash > 0) {
    const [from, to] = [text.slice(0, dash), text.slice(dash + 1)];
    const isRange =
      type === 'time'
        ? [from, to].every((end) => secondsOf(end) !== undefined)
        : rangeEnd.test(from) && rangeEnd.test(to);
    if (isRange || type === 'dscp') return { kind: 'range', from: plain(from, type), to: plain(to, type) };
  }
  const prefix = /^([0-9a-f:.]+)\/(\d{1,3})$/i.exec(text);
  if (prefix?.[1] !== undefined)
    return { kind: 'prefix', address: { kind: 'value', value: prefix[1] }, length: Number(prefix[2]) };
  return plain(text, type);
}

function plain(text: string, type: string): NftExpression {
  if (text === 'exists') return { kind: 'value', value: true };
  if (text === 'missing') return { kind: 'value', value: false };
  if (type === 'time') return { kind: 'value', value: secondsOf(text) ?? text };
  return {
    kind: 'value',
    value: numeric.test(text) && Number.isSafeInteger(Number(text)) && !nftNamedTypes.has(type) ? Number(text) : text,
  };
}

/** `iif` and its like are printed without `meta` (src/meta.c, meta_key_is_unqualified); older versions take more so. */
const unqualifiedMeta = new Set([
  'iif',
  'oif',
  'iifname',
  'oifname',
  'iifgroup',
  'oifgroup',
  'iiftype',
  'oiftype',
  'skuid',
  'skgid',
  'mark',
  'nftrace',
  'rtclassid',
]);
const metaKeys = new Set([
  ...unqualifiedMeta,
  'length',
  'protocol',
  'priority',
  'nfproto',
  'l4proto',
  'pkttype',
  'cpu',
  'cgroup',
  'random',
  'ipsec',
  'secpath',
  'secmark',
  'iifkind',
  'oifkind',
  'ibrname',
  'obrname',
  'ibrpvid',
  'ibrvproto',
  'ibriport',
  'obriport',
  'broute',
  'ibrhwaddr',
  'sdif',
  'sdifname',
  'time',
  'day',
  'hour',
]);
const ctKeys = new Set([
  'state',
  'direction',
  'status',
  'mark',
  'secmark',
  'expiration',
  'helper',
  'label',
  'event',
  'l3proto',
  'protocol',
  'proto-src',
  'proto-dst',
  'saddr',
  'daddr',
  'packets',
  'bytes',
  'avgpkt',
  'zone',
  'id',
]);

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
/** Headers and their fields (nft(8), "Payload expressions"). */
const payloadProtocols: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries<ReadonlySet<string>>({
    ether: words('daddr saddr type'),
    vlan: words('id dei cfi pcp type'),
    arp: words('htype ptype hlen plen operation'),
    ip: words('version hdrlength dscp ecn length id frag-off ttl protocol checksum saddr daddr'),
    ip6: words('version dscp ecn flowlabel length nexthdr hoplimit saddr daddr'),
    icmp: words('type code checksum id sequence gateway mtu'),
    icmpv6: words('type code checksum parameter-problem packet-too-big id sequence max-delay mtu taddr daddr'),
    igmp: words('type mrt checksum group'),
    tcp: words('sport dport sequence ackseq doff reserved flags window checksum urgptr'),
    udp: words('sport dport length checksum'),
    udplite: words('sport dport checksum'),
    sctp: words('sport dport vtag checksum'),
    dccp: words('sport dport type'),
    th: words('sport dport'),
    ah: words('nexthdr hdrlength reserved spi sequence'),
    esp: words('spi sequence'),
    comp: words('nexthdr flags cpi'),
    gre: words('version protocol flags hdrlength routing'),
  }),
);

type Reader = (tokens: NftTokens, readStatement: ReadStatement) => NftExpression | undefined;

/** Expressions by their first word, which is taken already. */
const readers: ReadonlyMap<string, Reader | undefined> = new Map(
  Object.entries<Reader | undefined>({
    meta: (tokens) => {
      const key = tokens.name();
      return key === undefined || !metaKeys.has(key) ? undefined : { kind: 'meta', key };
    },
    ct: (tokens) => {
      const direction = tokens.takeOneOf(['original', 'reply']);
      const family = tokens.takeOneOf(['ip', 'ip6']);
      const key = tokens.name();
      return key === undefined || !ctKeys.has(key)
        ? undefined
        : present({ kind: 'ct', key: family === undefined ? key : `${family} ${key}`, direction });
    },
    fib: (tokens) => {
      const flagsOf: string[] = [];
      do {
        const flag = tokens.takeOneOf(['saddr', 'daddr', 'mark', 'iif', 'oif']);
        if (flag === undefined) return undefined;
        flagsOf.push(flag);
      } while (tokens.take('.'));
      const result = tokens.takeOneOf(['oif', 'oifname', 'type', 'check']);
      return result === undefined ? undefined : { kind: 'fib', result, flags: flagsOf };
    },
    rt: (tokens) => {
      const family = tokens.takeOneOf(['ip', 'ip6']);
      const key = tokens.takeOneOf(['classid', 'nexthop', 'mtu', 'ipsec']);
      if (key !== undefined) return present({ kind: 'rt', key, family });
      const field = tokens.takeOneOf(['nexthdr', 'hdrlength', 'type', 'seg-left']);
      return field === undefined || family !== undefined
        ? undefined
        : { kind: 'header', header: 'exthdr', name: 'rt', field };
    },
    socket: (tokens) => {
      const key = tokens.takeOneOf(['transparent', 'mark', 'wildcard', 'cgroupv2']);
      if (key === undefined || key !== 'cgroupv2') return key === undefined ? undefined : { kind: 'socket', key };
      const level = tokens.numberAfter('level');
      return level === undefined ? undefined : { kind: 'socket', key, level };
    },
    osf: (tokens) => {
      const ttl = tokens.take('ttl') ? tokens.name() : undefined;
      const key = tokens.takeOneOf(['name', 'version']);
      return key === undefined ? undefined : present({ kind: 'osf', key, ttl });
    },
    ipsec: (tokens) => {
      const direction = tokens.takeOneOf(['in', 'out']);
      const number = tokens.numberAfter('spnum');
      const family = tokens.takeOneOf(['ip', 'ip6']);
      const key = tokens.takeOneOf(['reqid', 'spi', 'saddr', 'daddr']);
      return direction === undefined || key === undefined
        ? undefined
        : present({ kind: 'ipsec', key, direction, number: number === 0 ? undefined : number, family });
    },
    tunnel: (tokens) => {
      const key = tokens.takeOneOf(['id', 'path']);
      return key === undefined ? undefined : { kind: 'tunnel', key };
    },
    numgen: (tokens) => {
      const mode = tokens.takeOneOf(['random', 'inc']);
      const modulus = tokens.numberAfter('mod');
      const offset = tokens.numberAfter('offset') ?? 0;
      return mode === undefined || modulus === undefined || modulus < 1
        ? undefined
        : { kind: 'numgen', mode, modulus, offset };
    },
    jhash: (tokens, readStatement) => {
      const of = readKey(tokens, readStatement);
      const modulus = tokens.numberAfter('mod');
      const hasSeed = tokens.word() === 'seed' && numeric.test(tokens.word(1)) && tokens.take('seed');
      const seed = hasSeed ? Number(tokens.next()?.text) : undefined;
      const offset = tokens.numberAfter('offset');
      return of === undefined || modulus === undefined
        ? undefined
        : present({ kind: 'jhash', modulus, offset, seed, of });
    },
    symhash: (tokens) => {
      const modulus = tokens.numberAfter('mod');
      const offset = tokens.numberAfter('offset');
      return modulus === undefined ? undefined : present({ kind: 'symhash', modulus, offset });
    },
    exthdr: (tokens) => {
      const name = tokens.name();
      return name === undefined ? undefined : { kind: 'header', header: 'exthdr', name };
    },
    ...Object.fromEntries(
      Object.entries({
        hbh: 'nexthdr hdrlength',
        frag: 'nexthdr reserved frag-off reserved2 more-fragments id',
        dst: 'nexthdr hdrlength',
        mh: 'nexthdr hdrlength type reserved checksum',
        rt0: 'addr',
        rt2: 'addr',
        rt4: 'last-entry flags tag sid',
        srh: 'last-entry flags tag sid',
      }).map(([name, fields]): [string, Reader] => [
        name,
        (tokens) => {
          const field = tokens.takeOneOf(fields.split(' '));
          return field === undefined ? undefined : { kind: 'header', header: 'exthdr', name, field };
        },
      ]),
    ),
    tcp: (tokens) => {
      if (!tokens.take('option')) return undefined;
      if (tokens.word().startsWith('@')) {
        const option = Number(tokens.next()?.text.slice(1));
        const offset = tokens.take(',') ? tokens.number() : undefined;
        const length = tokens.take(',') ? tokens.number() : undefined;
        return !Number.isInteger(option) || offset === undefined || length === undefined
          ? undefined
          : { kind: 'rawTcpOption', option, offset, length };
      }
      return option(tokens, 'tcp option', [
        'kind',
        'length',
        'size',
        'count',
        'left',
        'right',
        'tsval',
        'tsecr',
        'subtype',
      ]);
    },
    ip: (tokens) =>
      tokens.take('option') ? option(tokens, 'ip option', ['type', 'length', 'ptr', 'addr', 'value']) : undefined,
    sctp: (tokens) =>
      tokens.take('chunk')
        ? option(tokens, 'sctp chunk', [
            'type',
            'flags',
            'length',
            'tsn',
            'stream',
            'ssn',
            'ppid',
            'init-tag',
            'a-rwnd',
            'num-outbound-streams',
            'num-inbound-streams',
            'initial-tsn',
            'cum-tsn-ack',
            'num-gap-ack-blocks',
            'num-dup-tsns',
            'lowest-tsn',
            'seqno',
            'new-cum-tsn',
          ])
        : undefined,
  }),
);

function option(
  tokens: NftTokens,
  header: 'tcp option' | 'ip option' | 'sctp chunk',
  fields: readonly string[],
): NftExpression | undefined {
  const name = tokens.name();
  const field = tokens.takeOneOf(fields);
  return name === undefined ? undefined : present({ kind: 'header', header, name, field });
}
