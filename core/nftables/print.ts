/** Rules, sets and tables of nftables in nft's own words: what `nft list` would print, and `nft -f` reads. */
import { byKind, type ByKind } from '../lib/by-kind.ts';
import type {
  NftElement,
  NftExpression,
  NftVerdict,
  NftLimit,
  NftNat,
  NftQuota,
  NftRule,
  NftStatement,
} from './rule.ts';
import type { NftChain, NftFlowtable, NftObject, NftRulesetTable, NftSet } from './table.ts';
import { oncePer } from '../lib/once-per.ts';
import { nftNamedTypes, nftTypesOf } from './types.ts';

/** As printNftRule prints it: each walk that meets the rule has the same text, and that of many endpoints is long. */
export const nftRuleText = oncePer((rule: NftRule): string => printNftRule(rule));

/** The rule on one line, without its counters' values; what is not understood as it was printed. */
export function printNftRule(
  rule: Pick<NftRule, 'statements' | 'comment'>,
  options: { readonly withCounters?: boolean } = {},
): string {
  const statements =
    options.withCounters === true ? rule.statements : rule.statements.filter(({ kind }) => kind !== 'counter');
  return [
    ...statements.map(printNftStatement),
    ...(rule.comment === undefined ? [] : [`comment "${rule.comment}"`]),
  ].join(' ');
}

export function printNftVerdict(verdict: NftVerdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}

export function printNftStatement(statement: NftStatement): string {
  return byKind(statements, 'kind', statement);
}

const statements: ByKind<'kind', NftStatement, [], string> = {
  match: (statement) => printMatch(statement),
  verdict: ({ verdict }) => printNftVerdict(verdict),
  vmap: ({ key, data }) => `${printNftExpression(key)} vmap ${printData(key, data)}`,
  counter: ({ packets, bytes }) => words('counter', option('packets', packets), option('bytes', bytes)),
  object: ({ object, name }) => `${objectWords.get(object) ?? `${object} name`} ${printName(name)}`,
  quota: (quota) => `quota ${printQuota(quota)}`,
  limit: (limit) => `limit rate ${printLimit(limit)}`,
  connectionLimit: ({ isOver, count }) => words('ct count', isOver ? 'over' : '', String(count)),
  last: ({ used }) => (used === undefined ? 'last' : `last used ${String(used)}ms`),
  log: ({ prefix, group, snaplen, queueThreshold, level, flags = [] }) =>
    words(
      'log',
      quoted('prefix', prefix),
      option('group', group),
      option('snaplen', snaplen),
      option('queue-threshold', queueThreshold),
      option('level', level),
      ...flags.map((flag) => `flags ${flag}`),
    ),
  mangle: ({ key, value }) => `${printNftExpression(key)} set ${printValue(value, nftTypesOf(key))}`,
  nat: (nat) => printNat(nat),
  reject: ({ type, code }) =>
    words('reject', type === undefined ? '' : `with ${type}`, code === undefined ? '' : printNftExpression(code)),
  setUpdate: ({ operation, set, element, statements: own }) => `${operation} @${set} { ${printUpdate(element, own)} }`,
  meter: ({ name, size, key, statement }) =>
    words('meter', name, option('size', size), `{ ${printUpdate(key, [statement])} }`),
  notrack: () => 'notrack',
  queue: ({ flags, number }) =>
    words(
      'queue',
      flags.length === 0 ? '' : `flags ${flags.join(',')}`,
      number === undefined ? '' : `to ${printNftExpression(number)}`,
    ),
  tproxy: (tproxy) => words('tproxy', tproxy.family ?? '', 'to', printTarget(tproxy)),
  dup: (dup) => printCopy(dup),
  fwd: (fwd) => printCopy(fwd),
  synproxy: ({ mss, windowScale, flags }) =>
    words('synproxy', option('mss', mss), option('wscale', windowScale), ...flags),
  flow: ({ flowtable }) => `flow add @${flowtable}`,
  reset: (reset) => `reset ${printNftExpression(reset.option)}`,
  xt: ({ type, name }) => (type === 'extension' ? `# xt_${name}` : `xt ${type} "${name}"`),
  unrecognized: ({ text }) => text,
};

function printCopy({ kind, family, address, device }: Extract<NftStatement, { kind: 'dup' | 'fwd' }>): string {
  const deviceText = device === undefined ? undefined : printValue(device, ['ifname']);
  const target =
    address === undefined
      ? deviceText
      : words(printNftExpression(address), deviceText === undefined ? '' : `device ${deviceText}`);
  return words(kind, family ?? '', 'to', target ?? '');
}

/** How a rule asks for an object of the table, where it is not `counter name`. */
const objectWords = new Map(
  Object.entries({
    'ct helper': 'ct helper set',
    'ct timeout': 'ct timeout set',
    'ct expectation': 'ct expectation set',
    secmark: 'meta secmark set',
  }),
);

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function option(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : `${name} ${String(value)}`;
}

function quoted(name: string, value: string | undefined): string {
  return value === undefined ? '' : `${name} "${value}"`;
}

function printName(name: NftExpression): string {
  return name.kind === 'value' ? `"${String(name.value)}"` : printNftExpression(name);
}

function printMatch({ operator, left, right }: Extract<NftStatement, { kind: 'match' }>): string {
  const types = nftTypesOf(left);
  const [key, mask] = left.kind === 'binary' && left.operator === '&' ? left.operands : [];
  // src/json.c gives a mask of flags as a list; only this form of the text has one.
  if (
    key !== undefined &&
    mask !== undefined &&
    types[0] === 'tcp_flag' &&
    (operator === '==' || operator === '!=') &&
    (mask.kind === 'list' || (mask.kind === 'value' && typeof mask.value === 'string')) &&
    right.kind !== 'value'
  ) {
    return words(
      printNftExpression(key),
      operator === '!=' ? '!=' : '',
      `${printValue(right, types)} / ${printValue(mask, types)}`,
    );
  }
  if (key !== undefined && mask?.kind === 'list') {
    const flags =
      right.kind === 'list'
        ? `(${right.items.map((item) => printValue(item, types)).join(' | ')})`
        : printValue(right, types);
    return `${printNftExpression(key)} & (${mask.items.map((item) => printValue(item, types)).join(' | ')}) ${operator} ${flags}`;
  }
  // Without an operator, flags are asked for one of them.
  const isFlags =
    types.length === 1 &&
    ['ct_state', 'ct_status', 'ct_label', 'ct_event', 'tcp_flag'].includes(types[0] ?? '') &&
    left.kind !== 'binary';
  const isSet = right.kind === 'set' || right.kind === 'setReference';
  const sign =
    operator === 'in' ? '' : operator === '==' && (isSet || !(isFlags || left.kind === 'binary')) ? '' : operator;
  return words(printNftExpression(left), sign, printValue(right, types));
}

function printData(key: NftExpression, data: NftExpression): string {
  return data.kind === 'set' ? printSet(data.elements, nftTypesOf(key)) : printNftExpression(data);
}

function printSet(elements: readonly NftElement[], types: readonly string[]): string {
  return `{ ${elements.map((element) => printElement(element, types, [''])).join(', ')} }`;
}

function printElement(element: NftElement, types: readonly string[], dataTypes: readonly string[]): string {
  const { key, value, timeout, expires, comment, statements = [] } = element;
  const left = words(
    printValue(key, types),
    ...statements.map(printNftStatement),
    timeout === undefined ? '' : `timeout ${String(timeout)}s`,
    expires === undefined ? '' : `expires ${String(expires)}s`,
    quoted('comment', comment),
  );
  return value === undefined ? left : `${left} : ${printValue(value, dataTypes)}`;
}

/** Of a rule that fills a set: its statements stand behind the time-out, unlike those of an element that is listed. */
function printUpdate({ value, ...key }: NftElement, statements: readonly NftStatement[]): string {
  return words(
    printElement(key, [''], ['']),
    ...statements.map(printNftStatement),
    value === undefined ? '' : `: ${printNftExpression(value)}`,
  );
}

export function printNftExpression(expression: NftExpression): string {
  return printValue(expression, ['']);
}

/** @param types of the key beside which it stands: they say how a number is written, and whether a name has quotes */
function printValue(expression: NftExpression, types: readonly string[]): string {
  return byKind(expressions, 'kind', expression, types);
}

const expressions: ByKind<'kind', NftExpression, [types: readonly string[]], string> = {
  value: ({ value }, [type = '']) => printConstant(value, type),
  prefix: ({ address, length }, types) => `${printValue(address, types)}/${String(length)}`,
  range: ({ from, to }, types) => `${printValue(from, types)}-${printValue(to, types)}`,
  set: ({ elements }, types) => printSet(elements, types),
  setReference: ({ name }) => `@${name}`,
  list: ({ items }, types) => items.map((item) => printValue(item, types)).join(','),
  concatenation: ({ parts }, types) => parts.map((part, index) => printValue(part, [types[index] ?? ''])).join(' . '),
  payload: ({ protocol, field }) => `${protocol} ${field}`,
  rawPayload: ({ base, offset, length }) => `@${base},${String(offset)},${String(length)}`,
  header: ({ header, name, field }) =>
    words(header === 'exthdr' ? (field === undefined ? 'exthdr' : '') : header, name, field ?? ''),
  rawTcpOption: (raw) => `tcp option @${String(raw.option)},${String(raw.offset)},${String(raw.length)}`,
  meta: ({ key }) => (unqualified.has(key) ? key : `meta ${key}`),
  ct: ({ direction, key }) => words('ct', direction ?? '', key),
  fib: ({ flags, result }) => `fib ${flags.join(' . ')} ${result}`,
  rt: ({ family, key }) => words('rt', family ?? '', key),
  socket: ({ key, level }) => words('socket', key, option('level', level)),
  osf: ({ ttl, key }) => words('osf', option('ttl', ttl), key),
  ipsec: ({ direction, number, family, key }) => words('ipsec', direction, option('spnum', number), family ?? '', key),
  tunnel: ({ key }) => `tunnel ${key}`,
  numgen: ({ mode, modulus, offset }) =>
    words(`numgen ${mode} mod ${String(modulus)}`, offset === 0 ? '' : `offset ${String(offset)}`),
  jhash: ({ of, modulus, seed, offset }) =>
    words(
      'jhash',
      printNftExpression(of),
      `mod ${String(modulus)}`,
      seed === undefined ? '' : `seed 0x${seed.toString(16)}`,
      option('offset', offset),
    ),
  symhash: ({ modulus, offset }) => words(`symhash mod ${String(modulus)}`, option('offset', offset)),
  map: ({ key, data }) => `${printNftExpression(key)} map ${printData(key, data)}`,
  binary: (binary, types) => printBinary(binary, types),
  verdict: ({ verdict }) => printNftVerdict(verdict),
  unrecognized: ({ text }) => text,
};

const unqualified = new Set(['iif', 'oif', 'iifname', 'oifname', 'iifgroup', 'oifgroup']);
const quotedTypes = new Set(['ifname', 'iface_index', 'devgroup', 'day', 'hour', 'ct_label']);
const tightness = new Map(Object.entries({ '|': 0, '^': 1, '&': 2, '<<': 3, '>>': 3 }));

function printBinary(expression: Extract<NftExpression, { kind: 'binary' }>, types: readonly string[]): string {
  const known = nftTypesOf(expression);
  const own = known[0] === '' || known[0] === undefined ? types : known;
  const operands = expression.operands.map((operand, index) => {
    const text =
      operand.kind === 'list'
        ? operand.items.map((item) => printValue(item, own)).join(' | ')
        : printValue(operand, own);
    const isLooser =
      operand.kind === 'list' ||
      (operand.kind === 'binary' &&
        ((tightness.get(operand.operator) ?? 0) < (tightness.get(expression.operator) ?? 0) ||
          (index > 0 && operand.operator !== expression.operator)));
    return isLooser ? `(${text})` : text;
  });
  return operands.join(` ${expression.operator} `);
}

function printConstant(value: string | number | boolean, type: string): string {
  if (typeof value === 'boolean') return value ? 'exists' : 'missing';
  if (typeof value === 'number') {
    if (type === 'mark' || type === 'tcp_flag') return `0x${value.toString(16).padStart(type === 'mark' ? 8 : 1, '0')}`;
    return type === 'time' ? `${String(value)}s` : String(value);
  }
  const isNumber = /^\d+$/.test(value);
  if (quotedTypes.has(type) && (!nftNamedTypes.has(type) || !isNumber) && value !== '*') return `"${value}"`;
  return type !== '' || /^[a-z0-9:./_*-]+$/i.test(value) ? bare(value, type) : `"${value}"`;
}

/** Text with blanks has quotes in every place: `osf name "Linux"`, `meta time "2024-01-01 00:00:00"`. */
function bare(value: string, type: string): string {
  return type === 'time' || !/^[a-z0-9:./_*-]+$/i.test(value) ? `"${value}"` : value;
}

function printQuota({ value, unit, used, usedUnit, isOver }: NftQuota): string {
  return words(
    isOver ? 'over' : '',
    `${String(value)} ${unit}`,
    used === undefined ? '' : `used ${String(used)} ${usedUnit ?? 'bytes'}`,
  );
}

function printLimit({ rate, per, rateUnit, burst, burstUnit, isOver }: NftLimit): string {
  return words(
    isOver ? 'over' : '',
    rateUnit === undefined ? `${String(rate)}/${per}` : `${String(rate)} ${rateUnit}/${per}`,
    burst === undefined ? '' : `burst ${String(burst)} ${burstUnit ?? 'packets'}`,
  );
}

function printNat(nat: NftNat): string {
  const isPrefix = nat.typeFlags?.includes('prefix') === true;
  const type =
    nat.typeFlags?.includes('concat') === true
      ? 'addr . port'
      : isPrefix
        ? 'prefix'
        : nat.typeFlags?.includes('interval') === true
          ? 'interval'
          : '';
  const target = printTarget(nat);
  const flags = (nat.flags ?? []).filter((flag) => !isPrefix || flag !== 'netmap');
  return words(nat.type, nat.family ?? '', type, target === '' ? '' : `to ${target}`, flags.join(','));
}

function printTarget({ address, port }: { readonly address?: NftExpression; readonly port?: NftExpression }): string {
  const portText = port === undefined ? '' : `:${printNftExpression(port)}`;
  if (address === undefined) return portText;
  const needsBrackets = port !== undefined && (address.kind === 'value' || address.kind === 'range');
  return `${needsBrackets ? bracketed(address) : printNftExpression(address)}${portText}`;
}

function bracketed(address: NftExpression): string {
  if (address.kind === 'range') return `${bracketed(address.from)}-${bracketed(address.to)}`;
  const text = printNftExpression(address);
  return text.includes(':') ? `[${text}]` : text;
}

/** The whole table, as `nft -f` reads it. */
export function printNftTable(table: NftRulesetTable): string {
  const lines = [
    ...(table.comment === undefined ? [] : [`comment "${table.comment}"`]),
    ...(table.flags === undefined ? [] : [`flags ${table.flags.join(',')}`]),
    ...table.objects.flatMap(printObject),
    ...[...table.sets.values(), ...table.maps.values()].flatMap(printNftSet),
    ...table.flowtables.flatMap(printFlowtable),
    ...[...table.chains].flatMap(([name, chain]) => printChain(name, chain)),
    ...table.unrecognized.flatMap(({ text }) => text.split('\n')),
  ];
  return [`table ${table.family} ${table.name} {`, ...lines.map((line) => `\t${line}`), '}', ''].join('\n');
}

function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `\t${line}`), '}'];
}

function printChain(name: string, { base, comment, flags, rules }: NftChain): string[] {
  const device =
    base?.devices === undefined
      ? ''
      : base.devices.length === 1
        ? ` device "${base.devices[0] ?? ''}"`
        : ` devices = { ${base.devices.map((each) => `"${each}"`).join(', ')} }`;
  return block(`chain ${name}`, [
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...(base === undefined
      ? []
      : [`type ${base.type} hook ${base.hook}${device} priority ${String(base.priority)}; policy ${base.policy};`]),
    ...(flags === undefined ? [] : [`flags ${flags.join(',')}`]),
    ...rules.map((rule) => printNftRule(rule, { withCounters: true })),
  ]);
}

function isDataInterval({ isDataInterval: isFlagged, elements }: NftSet): boolean {
  return (
    isFlagged === true ||
    elements.some(
      ({ value }) => value !== undefined && 'kind' in value && (value.kind === 'range' || value.kind === 'prefix'),
    )
  );
}

function printNftSet(set: NftSet): string[] {
  const { data, typeOf, dataTypeOf } = set;
  const type = typeOf === undefined ? `type ${set.type.join(' . ')}` : `typeof ${printNftExpression(typeOf)}`;
  const dataText =
    typeOf === undefined || dataTypeOf === undefined ? data?.join(' . ') : printNftExpression(dataTypeOf);
  return block(`${data === undefined ? 'set' : 'map'} ${set.name}`, [
    ...(set.type.length === 0 && typeOf === undefined
      ? []
      : [
          dataText === undefined || dataText === ''
            ? type
            : `${type} : ${isDataInterval(set) ? 'interval ' : ''}${dataText}`,
        ]),
    ...(set.comment === undefined ? [] : [`comment "${set.comment}"`]),
    ...(set.size === undefined ? [] : [`size ${String(set.size)}`]),
    ...(set.policy === undefined ? [] : [`policy ${set.policy}`]),
    ...(set.flags.length === 0 ? [] : [`flags ${set.flags.join(',')}`]),
    ...(set.timeout === undefined ? [] : [`timeout ${String(set.timeout)}s`]),
    ...(set.gcInterval === undefined ? [] : [`gc-interval ${String(set.gcInterval)}s`]),
    ...(set.autoMerge === true ? ['auto-merge'] : []),
    ...(set.statements ?? []).map(printNftStatement),
    ...(set.unrecognized ?? []),
    ...(set.elements.length === 0
      ? []
      : [
          `elements = { ${set.elements.map((element) => printElement(element, set.type, data ?? [''])).join(',\n\t\t\t     ')} }`,
        ]),
  ]);
}

/** One element of the set, as `nft list` shows it. */
export function printNftElement(set: Pick<NftSet, 'type' | 'data'>, element: NftElement): string {
  return printElement(element, set.type, set.data ?? ['']);
}

function printObject({ kind, name, comment, fields }: NftObject): string[] {
  const lines = Object.entries(fields)
    .map(([field, value]) => printField(kind, field, value, fields))
    .filter((line) => line !== '');
  const joined = kind === 'counter' || kind === 'quota' || kind === 'limit' ? [lines.join(' ')] : lines;
  return block(`${kind} ${name}`, [
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...joined.filter((line) => line !== ''),
  ]);
}

function printField(kind: string, field: string, value: unknown, fields: NftObject['fields']): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  switch (`${kind} ${field}`) {
    case 'quota bytes':
      return `${fields['inv'] === true ? 'over ' : ''}${text} bytes`;
    case 'quota used':
      return `used ${text} bytes`;
    case 'limit rate': {
      const unit = fields['rate_unit'];
      const per = fields['per'];
      return `rate ${fields['inv'] === true ? 'over ' : ''}${text}${typeof unit === 'string' ? ` ${unit}` : ''}/${typeof per === 'string' ? per : 'second'}`;
    }
    case 'limit burst': {
      const unit = fields['burst_unit'];
      return `burst ${text} ${typeof unit === 'string' ? unit : 'packets'}`;
    }
    case 'quota inv':
    case 'limit inv':
    case 'limit per':
    case 'limit rate_unit':
    case 'limit burst_unit':
    case 'ct helper protocol':
      return '';
    case 'ct helper type': {
      const protocol = fields['protocol'];
      return `type "${text}" protocol ${typeof protocol === 'string' ? protocol : 'tcp'}`;
    }
    case 'ct timeout policy':
      return `policy = { ${
        typeof value === 'object' && value !== null
          ? Object.entries(value)
              .map(([state, seconds]) => `${state} : ${String(seconds)}`)
              .join(', ')
          : ''
      } }`;
    case 'ct expectation timeout':
      return `timeout ${text}ms`;
    case 'synproxy flags':
      return Array.isArray(value) ? value.join(' ') : text;
    default:
      return `${field} ${text}`;
  }
}

function printFlowtable({ name, hook, priority, devices, flags, hasCounter }: NftFlowtable): string[] {
  return block(`flowtable ${name}`, [
    `hook ${hook} priority ${String(priority)}`,
    `devices = { ${devices.map((device) => `"${device}"`).join(', ')} }`,
    ...(flags === undefined ? [] : [`flags ${flags.join(',')}`]),
    ...(hasCounter === true ? ['counter'] : []),
  ]);
}
