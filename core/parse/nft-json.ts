/**
 * nftables objects as `nft -j` prints them (libnftables-json(5)), as far as kube-proxy writes them. What is not
 * understood stays in the model as unrecognized, with its JSON.
 */

/** The value of a packet that a match compares. */
export type NftKey =
  | { readonly kind: 'sourceAddress' | 'destinationAddress' | 'sourcePort' | 'destinationPort' | 'protocol' | 'sourceType' | 'destinationType' }
  /** `ct state`, `ct status`. */
  | { readonly kind: 'connectionState' | 'connectionStatus' }
  /** `meta mark`, or `meta mark & mask`. */
  | { readonly kind: 'mark'; readonly mask?: number }
  | { readonly kind: 'concatenation'; readonly keys: readonly NftKey[] }
  | { readonly kind: 'unrecognized'; readonly text: string };

/** What a key is compared with. */
export type NftValue =
  | { readonly kind: 'value'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'set'; readonly values: readonly NftValue[] }
  /** A named set, whose elements are elsewhere. */
  | { readonly kind: 'setReference'; readonly name: string }
  | { readonly kind: 'unrecognized'; readonly text: string };

export type NftVerdict =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export interface NftDnatTarget {
  readonly address: string;
  readonly port?: number;
}

/** One part of a rule, in order: conditions that must hold, and what is done. */
export type NftStatement =
  | { readonly kind: 'match'; readonly key: NftKey; readonly negated: boolean; readonly value: NftValue }
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  /** A verdict map with its elements in the rule: `numgen random mod 2 vmap { 0 : goto a, 1 : goto b }`. */
  | { readonly kind: 'randomVerdict'; readonly modulus: number; readonly verdicts: readonly { readonly slots: number; readonly verdict: NftVerdict }[] }
  /** A named verdict map, asked with keys: `ip daddr . meta l4proto . th dport vmap @service-ips`. */
  | { readonly kind: 'verdictMap'; readonly keys: readonly NftKey[]; readonly name: string }
  | { readonly kind: 'dnat'; readonly target: NftDnatTarget }
  | { readonly kind: 'randomDnat'; readonly modulus: number; readonly targets: readonly { readonly slots: number; readonly target: NftDnatTarget }[] }
  | { readonly kind: 'setMark'; readonly or: number }
  /** `meta mark set meta mark ^ 0x4000`: takes kube-proxy's mark away again. */
  | { readonly kind: 'clearMark'; readonly bits: number }
  | { readonly kind: 'masquerade' | 'reject' }
  | { readonly kind: 'counter'; readonly packets: number; readonly bytes: number }
  /** `update @affinity-… { ip saddr }`: remembers the client. */
  | { readonly kind: 'remember'; readonly set: string }
  | { readonly kind: 'unrecognized'; readonly text: string };

export interface NftRule {
  readonly chain: string;
  readonly comment?: string;
  readonly statements: readonly NftStatement[];
  /** The rule in nft's own words, as near as this version can print it. */
  readonly text: string;
}

/** A JSON object; nothing is known of its fields. */
type Json = { readonly [key: string]: unknown };

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The rules among the objects of a listing, in order. */
export function parseNftRules(objects: readonly unknown[]): NftRule[] {
  return objects.flatMap((object) => {
    const rule = isObject(object) ? object['rule'] : undefined;
    if (!isObject(rule) || typeof rule['chain'] !== 'string') return [];
    const expressions = Array.isArray(rule['expr']) ? (rule['expr'] as readonly unknown[]) : [];
    const statements = expressions.map(parseStatement);
    const comment = typeof rule['comment'] === 'string' ? rule['comment'] : undefined;
    return [
      {
        chain: rule['chain'],
        ...(comment === undefined ? {} : { comment }),
        statements,
        text: printNftRule(statements, comment),
      },
    ];
  });
}

/** The rule in nft's own words, without its counters. */
export function printNftRule(statements: readonly NftStatement[], comment: string | undefined): string {
  const words = statements.filter(({ kind }) => kind !== 'counter').map(printStatement);
  return [...words, ...(comment === undefined ? [] : [`comment "${comment}"`])].join(' ');
}

/** One element of a verdict map: its key as words, and its verdict. */
export interface NftMapElement {
  readonly key: readonly string[];
  readonly verdict: NftVerdict;
  readonly comment?: string;
}

/** Elements of a verdict map: `[{"concat": ["10.96.0.1", "tcp", 80]}, {"goto": {"target": "service-…"}}]`. */
export function parseNftMapElements(elements: readonly unknown[]): NftMapElement[] {
  return elements.flatMap((element) => {
    if (!Array.isArray(element)) return [];
    const [key, value] = element as readonly unknown[];
    const verdict = isObject(value) ? parseVerdict(value) : undefined;
    const inner = isObject(key) && isObject(key['elem']) ? key['elem'] : undefined;
    const words = keyWords(inner === undefined ? key : inner['val']);
    if (verdict === undefined || words === undefined) return [];
    const comment = inner?.['comment'];
    return [{ key: withProtocolName(words), verdict, ...(typeof comment === 'string' ? { comment } : {}) }];
  });
}

/** Numbers that nft prints where the image has no /etc/protocols. */
const protocolNames: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** The name of a protocol that was printed as a number; any other word as it is. */
export function protocolName(word: string): string {
  return protocolNames[word] ?? word;
}

/**
 * A key of one of kube-proxy's maps and sets with its protocol as a name. It is the last word but one of each key that
 * has one: `address . protocol . port`, `protocol . port`, `address . address . protocol . port`.
 */
export function withProtocolName(words: readonly string[]): readonly string[] {
  const at = words.length - 2;
  return words.map((word, index) => (index === at ? protocolName(word) : word));
}

/** A key as words: a value alone or a concatenation. */
export function keyWords(key: unknown): readonly string[] | undefined {
  if (typeof key === 'string' || typeof key === 'number') return [String(key)];
  if (isObject(key) && isObject(key['elem'])) return keyWords(key['elem']['val']);
  if (isObject(key) && isObject(key['prefix']) && typeof key['prefix']['addr'] === 'string') return [`${key['prefix']['addr']}/${String(key['prefix']['len'])}`];
  if (isObject(key) && Array.isArray(key['concat'])) {
    const words = (key['concat'] as readonly unknown[]).map(keyWords);
    return words.every((word) => word !== undefined) ? words.flat() : undefined;
  }
  return undefined;
}

function parseStatement(expression: unknown): NftStatement {
  const unrecognized: NftStatement = { kind: 'unrecognized', text: JSON.stringify(expression) };
  if (!isObject(expression)) return unrecognized;
  const verdict = parseVerdict(expression);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const [name] = Object.keys(expression);
  const body = name === undefined ? undefined : expression[name];
  switch (name) {
    case 'match':
      return isObject(body) ? parseMatch(body) : unrecognized;
    case 'vmap':
      return (isObject(body) ? parseVerdictMap(body) : undefined) ?? unrecognized;
    case 'dnat':
      return (isObject(body) ? parseDnat(body) : undefined) ?? unrecognized;
    case 'mangle':
      return (isObject(body) ? parseSetMark(body) : undefined) ?? unrecognized;
    case 'masquerade':
      return { kind: 'masquerade' };
    case 'reject':
      return { kind: 'reject' };
    case 'counter':
      return isObject(body) && typeof body['packets'] === 'number' && typeof body['bytes'] === 'number'
        ? { kind: 'counter', packets: body['packets'], bytes: body['bytes'] }
        : unrecognized;
    case 'set':
      return isObject(body) && typeof body['set'] === 'string' && (body['op'] === 'update' || body['op'] === 'add')
        ? { kind: 'remember', set: body['set'].replace(/^@/, '') }
        : unrecognized;
    default:
      return unrecognized;
  }
}

function parseVerdict(value: Json): NftVerdict | undefined {
  for (const kind of ['accept', 'drop', 'return'] as const) if (kind in value) return { kind };
  for (const kind of ['jump', 'goto'] as const) {
    const target = value[kind];
    if (isObject(target) && typeof target['target'] === 'string') return { kind, chain: target['target'] };
  }
  return undefined;
}

function parseMatch(body: Json): NftStatement {
  const operator = body['op'];
  if (operator !== '==' && operator !== '!=' && operator !== 'in') return { kind: 'unrecognized', text: JSON.stringify({ match: body }) };
  const key = parseKey(body['left']);
  const value = parseValue(body['right']);
  return { kind: 'match', key, negated: operator === '!=', value: key.kind === 'protocol' ? namedProtocol(value) : value };
}

/** The value of a protocol by its name. */
export function namedProtocol(value: NftValue): NftValue {
  if (value.kind === 'value') return { kind: 'value', text: protocolName(value.text) };
  return value.kind === 'set' ? { kind: 'set', values: value.values.map(namedProtocol) } : value;
}

function parseKey(left: unknown): NftKey {
  const unrecognized: NftKey = { kind: 'unrecognized', text: JSON.stringify(left) };
  if (!isObject(left)) return unrecognized;
  const { payload, meta, fib, ct, concat } = left;
  if (Array.isArray(concat)) return { kind: 'concatenation', keys: (concat as readonly unknown[]).map(parseKey) };
  if (isObject(ct) && ct['key'] === 'state') return { kind: 'connectionState' };
  if (isObject(ct) && ct['key'] === 'status') return { kind: 'connectionStatus' };
  if (Array.isArray(left['&'])) {
    const [inner, mask] = left['&'] as readonly unknown[];
    if (parseKey(inner).kind === 'mark' && typeof mask === 'number') return { kind: 'mark', mask };
  }
  if (isObject(payload)) {
    const field = payload['field'];
    if (field === 'saddr') return { kind: 'sourceAddress' };
    if (field === 'daddr') return { kind: 'destinationAddress' };
    if (field === 'sport') return { kind: 'sourcePort' };
    if (field === 'dport') return { kind: 'destinationPort' };
  }
  if (isObject(meta)) {
    if (meta['key'] === 'l4proto') return { kind: 'protocol' };
    if (meta['key'] === 'mark') return { kind: 'mark' };
  }
  if (isObject(fib) && fib['result'] === 'type') {
    const flags = Array.isArray(fib['flags']) ? (fib['flags'] as readonly unknown[]) : [fib['flags']];
    if (flags.length === 1 && flags[0] === 'saddr') return { kind: 'sourceType' };
    if (flags.length === 1 && flags[0] === 'daddr') return { kind: 'destinationType' };
  }
  return unrecognized;
}

function parseValue(right: unknown): NftValue {
  if (typeof right === 'string') return right.startsWith('@') ? { kind: 'setReference', name: right.slice(1) } : { kind: 'value', text: right };
  if (typeof right === 'number') return { kind: 'value', text: String(right) };
  if (isObject(right)) {
    const { prefix, set } = right;
    if (isObject(prefix) && typeof prefix['addr'] === 'string' && typeof prefix['len'] === 'number') {
      return { kind: 'prefix', text: `${prefix['addr']}/${String(prefix['len'])}` };
    }
    if (Array.isArray(set)) return { kind: 'set', values: (set as readonly unknown[]).map(parseValue) };
  }
  return { kind: 'unrecognized', text: JSON.stringify(right) };
}

/** `numgen random mod N`, the only generator that kube-proxy uses: each number is as likely as every other. */
function randomModulus(key: unknown): number | undefined {
  const numgen = isObject(key) ? key['numgen'] : undefined;
  if (!isObject(numgen) || numgen['mode'] !== 'random' || (numgen['offset'] !== undefined && numgen['offset'] !== 0)) return undefined;
  return typeof numgen['mod'] === 'number' ? numgen['mod'] : undefined;
}

/** The elements `[slot, value]` of an anonymous map; a slot may be a range of numbers. */
function slotElements(data: unknown): { readonly slots: number; readonly value: unknown }[] | undefined {
  const set = isObject(data) ? data['set'] : undefined;
  if (!Array.isArray(set)) return undefined;
  const elements: { slots: number; value: unknown }[] = [];
  for (const element of set as readonly unknown[]) {
    if (!Array.isArray(element)) return undefined;
    const [slot, value] = element as readonly unknown[];
    const range = isObject(slot) && Array.isArray(slot['range']) ? (slot['range'] as readonly unknown[]).map(Number) : undefined;
    const [from, to] = range ?? [0, 0];
    elements.push({ slots: range === undefined || from === undefined || to === undefined ? 1 : to - from + 1, value });
  }
  return elements;
}

function parseVerdictMap(body: Json): NftStatement | undefined {
  const { key, data } = body;
  if (typeof data === 'string' && data.startsWith('@')) {
    const keys = isObject(key) && Array.isArray(key['concat']) ? (key['concat'] as readonly unknown[]) : [key];
    return { kind: 'verdictMap', keys: keys.map(parseKey), name: data.slice(1) };
  }
  const modulus = randomModulus(key);
  const elements = slotElements(data);
  if (modulus === undefined || elements === undefined) return undefined;
  const verdicts = elements.map(({ slots, value }) => ({ slots, verdict: isObject(value) ? parseVerdict(value) : undefined }));
  if (!verdicts.every((each): each is { slots: number; verdict: NftVerdict } => each.verdict !== undefined)) return undefined;
  return { kind: 'randomVerdict', modulus, verdicts };
}

function parseDnat(body: Json): NftStatement | undefined {
  const { addr, port } = body;
  const map = isObject(addr) ? addr['map'] : undefined;
  if (isObject(map)) {
    const modulus = randomModulus(map['key']);
    const elements = slotElements(map['data']);
    if (modulus === undefined || elements === undefined) return undefined;
    const targets = elements.map(({ slots, value }) => ({ slots, target: targetOf(keyWords(value)) }));
    if (!targets.every((each): each is { slots: number; target: NftDnatTarget } => each.target !== undefined)) return undefined;
    return { kind: 'randomDnat', modulus, targets };
  }
  const target = targetOf(typeof addr === 'string' && typeof port === 'number' ? [addr, String(port)] : keyWords(addr));
  return target === undefined ? undefined : { kind: 'dnat', target };
}

function targetOf(words: readonly string[] | undefined): NftDnatTarget | undefined {
  const [address, port] = words ?? [];
  if (address === undefined) return undefined;
  return port === undefined ? { address } : { address, port: Number(port) };
}

/** `meta mark set meta mark | 0x4000`, and `^` for taking it away. */
function parseSetMark(body: Json): NftStatement | undefined {
  const { key, value } = body;
  if (parseKey(key).kind !== 'mark' || !isObject(value)) return undefined;
  for (const [operator, kind] of [['|', 'setMark'], ['^', 'clearMark']] as const) {
    const operands = value[operator];
    if (!Array.isArray(operands)) continue;
    const [left, right] = operands as readonly unknown[];
    if (parseKey(left).kind !== 'mark' || typeof right !== 'number') return undefined;
    return kind === 'setMark' ? { kind, or: right } : { kind, bits: right };
  }
  return undefined;
}

const keyText: Readonly<Record<Exclude<NftKey['kind'], 'unrecognized' | 'concatenation'>, string>> = {
  sourceAddress: 'ip saddr',
  destinationAddress: 'ip daddr',
  sourcePort: 'th sport',
  destinationPort: 'th dport',
  protocol: 'meta l4proto',
  mark: 'meta mark',
  connectionState: 'ct state',
  connectionStatus: 'ct status',
  sourceType: 'fib saddr type',
  destinationType: 'fib daddr type',
};

function printKey(key: NftKey): string {
  if (key.kind === 'unrecognized') return key.text;
  if (key.kind === 'concatenation') return key.keys.map(printKey).join(' . ');
  return key.kind === 'mark' && key.mask !== undefined ? `meta mark & 0x${key.mask.toString(16)}` : keyText[key.kind];
}

function printValue(value: NftValue): string {
  switch (value.kind) {
    case 'set':
      return `{ ${value.values.map(printValue).join(', ')} }`;
    case 'setReference':
      return `@${value.name}`;
    default:
      return value.text;
  }
}

export function printVerdict(verdict: NftVerdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}

function printTarget({ address, port }: NftDnatTarget): string {
  return port === undefined ? address : `${address} . ${String(port)}`;
}

/** A map's slots, one after the other: `0 : a, 1 : b`, or `0-3 : a` for several. */
function printSlots(elements: readonly { readonly slots: number; readonly text: string }[]): string {
  let next = 0;
  return elements
    .map(({ slots, text }) => {
      const from = next;
      next += slots;
      return `${slots === 1 ? String(from) : `${String(from)}-${String(next - 1)}`} : ${text}`;
    })
    .join(', ');
}

function printStatement(statement: NftStatement): string {
  switch (statement.kind) {
    case 'match':
      return `${printKey(statement.key)} ${statement.negated ? '!= ' : ''}${printValue(statement.value)}`;
    case 'verdict':
      return printVerdict(statement.verdict);
    case 'randomVerdict':
      return `numgen random mod ${String(statement.modulus)} vmap { ${printSlots(statement.verdicts.map(({ slots, verdict }) => ({ slots, text: printVerdict(verdict) })))} }`;
    case 'verdictMap':
      return `${statement.keys.map(printKey).join(' . ')} vmap @${statement.name}`;
    case 'dnat':
      return `dnat to ${statement.target.port === undefined ? statement.target.address : `${statement.target.address}:${String(statement.target.port)}`}`;
    case 'randomDnat':
      return `dnat to numgen random mod ${String(statement.modulus)} map { ${printSlots(statement.targets.map(({ slots, target }) => ({ slots, text: printTarget(target) })))} }`;
    case 'setMark':
      return `meta mark set meta mark | 0x${statement.or.toString(16)}`;
    case 'clearMark':
      return `meta mark set meta mark ^ 0x${statement.bits.toString(16)}`;
    case 'masquerade':
    case 'reject':
      return statement.kind;
    case 'counter':
      return `counter packets ${String(statement.packets)} bytes ${String(statement.bytes)}`;
    case 'remember':
      return `update @${statement.set} { ip saddr }`;
    case 'unrecognized':
      return statement.text;
  }
}
