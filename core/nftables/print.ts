/** Rules, sets and tables of nftables in nft's own words: what `nft list` would print, and `nft -f` reads. */
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
  switch (statement.kind) {
    case 'match':
      return printMatch(statement);
    case 'verdict':
      return printNftVerdict(statement.verdict);
    case 'vmap':
      return `${printNftExpression(statement.key)} vmap ${printData(statement.key, statement.data)}`;
    case 'counter':
      return words('counter', option('packets', statement.packets), option('bytes', statement.bytes));
    case 'object':
      return `${objectWords.get(statement.object) ?? `${statement.object} name`} ${printName(statement.name)}`;
    case 'quota':
      return `quota ${printQuota(statement)}`;
    case 'limit':
      return `limit rate ${printLimit(statement)}`;
    case 'connectionLimit':
      return words('ct count', statement.isOver ? 'over' : '', String(statement.count));
    case 'last':
      return statement.used === undefined ? 'last' : `last used ${String(statement.used)}ms`;
    case 'log':
      return words(
        'log',
        quoted('prefix', statement.prefix),
        option('group', statement.group),
        option('snaplen', statement.snaplen),
        option('queue-threshold', statement.queueThreshold),
        option('level', statement.level),
        ...(statement.flags ?? []).map((flag) => `flags ${flag}`),
      );
    case 'mangle':
      return `${printNftExpression(statement.key)} set ${printValue(statement.value, nftTypesOf(statement.key))}`;
    case 'nat':
      return printNat(statement);
    case 'reject':
      return words(
        'reject',
        statement.type === undefined ? '' : `with ${statement.type}`,
        statement.code === undefined ? '' : printNftExpression(statement.code),
      );
    case 'setUpdate':
      return `${statement.operation} @${statement.set} { ${printUpdate(statement.element, statement.statements)} }`;
    case 'meter':
      return words(
        'meter',
        statement.name,
        option('size', statement.size),
        `{ ${printUpdate(statement.key, [statement.statement])} }`,
      );
    case 'notrack':
      return 'notrack';
    case 'queue':
      return words(
        'queue',
        statement.flags.length === 0 ? '' : `flags ${statement.flags.join(',')}`,
        statement.number === undefined ? '' : `to ${printNftExpression(statement.number)}`,
      );
    case 'tproxy':
      return words('tproxy', statement.family ?? '', 'to', printTarget(statement));
    case 'dup':
    case 'fwd': {
      const device = statement.device === undefined ? undefined : printValue(statement.device, ['ifname']);
      const target =
        statement.address === undefined
          ? device
          : words(printNftExpression(statement.address), device === undefined ? '' : `device ${device}`);
      return words(statement.kind, statement.family ?? '', 'to', target ?? '');
    }
    case 'synproxy':
      return words(
        'synproxy',
        option('mss', statement.mss),
        option('wscale', statement.windowScale),
        ...statement.flags,
      );
    case 'flow':
      return `flow add @${statement.flowtable}`;
    case 'reset':
      return `reset ${printNftExpression(statement.option)}`;
    case 'xt':
      return statement.type === 'extension' ? `# xt_${statement.name}` : `xt ${statement.type} "${statement.name}"`;
    case 'unrecognized':
      return statement.text;
  }
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
  const [type = ''] = types;
  switch (expression.kind) {
    case 'value':
      return printConstant(expression.value, type);
    case 'prefix':
      return `${printValue(expression.address, types)}/${String(expression.length)}`;
    case 'range':
      return `${printValue(expression.from, types)}-${printValue(expression.to, types)}`;
    case 'set':
      return printSet(expression.elements, types);
    case 'setReference':
      return `@${expression.name}`;
    case 'list':
      return expression.items.map((item) => printValue(item, types)).join(',');
    case 'concatenation':
      return expression.parts.map((part, index) => printValue(part, [types[index] ?? ''])).join(' . ');
    case 'payload':
      return `${expression.protocol} ${expression.field}`;
    case 'rawPayload':
      return `@${expression.base},${String(expression.offset)},${String(expression.length)}`;
    case 'header':
      return words(
        expression.header === 'exthdr' ? (expression.field === undefined ? 'exthdr' : '') : expression.header,
        expression.name,
        expression.field ?? '',
      );
    case 'rawTcpOption':
      return `tcp option @${String(expression.option)},${String(expression.offset)},${String(expression.length)}`;
    case 'meta':
      return unqualified.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return words('ct', expression.direction ?? '', expression.key);
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'rt':
      return words('rt', expression.family ?? '', expression.key);
    case 'socket':
      return words('socket', expression.key, option('level', expression.level));
    case 'osf':
      return words('osf', option('ttl', expression.ttl), expression.key);
    case 'ipsec':
      return words(
        'ipsec',
        expression.direction,
        option('spnum', expression.number),
        expression.family ?? '',
        expression.key,
      );
    case 'tunnel':
      return `tunnel ${expression.key}`;
    case 'numgen':
      return words(
        `numgen ${expression.mode} mod ${String(expression.modulus)}`,
        expression.offset === 0 ? '' : `offset ${String(expression.offset)}`,
      );
    case 'jhash':
      return words(
        'jhash',
        printNftExpression(expression.of),
        `mod ${String(expression.modulus)}`,
        expression.seed === undefined ? '' : `seed 0x${expression.seed.toString(16)}`,
        option('offset', expression.offset),
      );
    case 'symhash':
      return words(`symhash mod ${String(expression.modulus)}`, option('offset', expression.offset));
    case 'map':
      return `${printNftExpression(expression.key)} map ${printData(expression.key, expression.data)}`;
    case 'binary':
      return printBinary(expression, types);
    case 'verdict':
      return printNftVerdict(expression.verdict);
    case 'unrecognized':
      return expression.text;
  }
}

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

function isDataInterval({ isDataInterval: isTold, elements }: NftSet): boolean {
  return (
    isTold === true ||
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
