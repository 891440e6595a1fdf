/**
 * Expressions, statements and rules of nftables as `nft -j` prints them (libnftables-json(5)). What is not understood,
 * a field of a newer nft among them, stays in the model as unrecognized, with its JSON.
 */
import {
  type NftBinaryOperator,
  type NftElement,
  type NftExpression,
  type NftHeader,
  type NftNat,
  type NftUnrecognized,
  type NftVerdict,
  isNftBurstUnit,
  nftByteUnits,
  type NftLog,
  type NftMatchOperator,
  nftObjectKinds,
  type NftRule,
  type NftStatement,
} from './rule.ts';
import { present } from '../lib/present.ts';
import { isNftCount, isObject, type Json, JsonFields } from './json-fields.ts';
import { defaultReject, withProtocolNames } from './normal-form.ts';
import { parseNftStatementText } from './parse-statement.ts';

/** The rules among the objects of a listing, in order. */
export function parseNftRules(objects: readonly unknown[]): NftRule[] {
  return objects.flatMap((object) => parseNftRule(isObject(object) ? object['rule'] : undefined) ?? []);
}

const ruleFields = new Set(['family', 'table', 'chain', 'handle', 'comment', 'expr']);

/** The inside of `{"rule": …}`; undefined where it has no chain, or no statements. */
export function parseNftRule(rule: unknown): NftRule | undefined {
  if (!isObject(rule)) return undefined;
  const { chain, handle, comment, family, expr = [] } = rule;
  // What is not understood of the rule itself may be a condition: it stands before the others.
  const others = Object.entries(rule).filter(([field]) => !ruleFields.has(field));
  const isKnown =
    typeof chain === 'string' &&
    Array.isArray(expr) &&
    expr.length + others.length > 0 &&
    (handle === undefined || (typeof handle === 'number' && Number.isInteger(handle))) &&
    (comment === undefined || typeof comment === 'string');
  if (!isKnown) return undefined;
  const statements = (expr as readonly unknown[]).map((each) =>
    parseNftStatement(each, typeof family === 'string' ? family : 'inet'),
  );
  return present({
    chain,
    handle,
    comment,
    statements: others.length === 0 ? statements : [unrecognizedJson(Object.fromEntries(others)), ...statements],
  });
}

export function unrecognizedJson(json: unknown): NftUnrecognized {
  return { kind: 'unrecognized', text: JSON.stringify(json), json };
}

/** @param family of the table: what `reject` alone means depends on it */
export function parseNftStatement(json: unknown, family: string): NftStatement {
  // A statement that nft cannot say in JSON is in its text (src/json.c, stmt_print_json).
  if (typeof json === 'string') return parseNftStatementText(json, family);
  return knownStatement(json, family) ?? unrecognizedJson(json);
}

class Fields extends JsonFields {
  expression(name: string): NftExpression | undefined {
    return this.take(name, parseNftExpression);
  }
}

type StatementReader = (
  fields: Fields,
  from: { readonly family: string; readonly body: unknown },
) => NftStatement | undefined;

/** By the name of the statement's object (libnftables-json(5), STATEMENTS); a name that is not here is one of `nftObjectKinds`. */
const statementReaders: ReadonlyMap<string, StatementReader> = new Map(
  Object.entries<StatementReader>({
    match: (fields) => {
      const operator = matchOperators.find((each) => each === fields.string('op'));
      const left = fields.expression('left');
      const right = fields.expression('right');
      return operator === undefined || left === undefined || right === undefined
        ? undefined
        : fields.whole({ kind: 'match', operator, left, right: withProtocolNames(left, right) });
    },
    vmap: (fields) => {
      const key = fields.expression('key');
      const data = fields.expression('data');
      return key === undefined || data === undefined
        ? undefined
        : fields.whole({ kind: 'vmap', key, data: withProtocolNames(key, data) });
    },
    counter: (fields) =>
      fields.whole(present({ kind: 'counter', packets: fields.number('packets'), bytes: fields.number('bytes') })),
    last: (fields) => fields.whole(present({ kind: 'last', used: fields.number('used') })),
    quota: (fields) => {
      const value = fields.number('val');
      const unit = fields.word('val_unit') ?? 'bytes';
      const usedUnit = fields.word('used_unit');
      return value === undefined || ![unit, usedUnit ?? 'bytes'].every((each) => nftByteUnits.has(each))
        ? undefined
        : fields.whole(
            present({ kind: 'quota', value, unit, used: fields.number('used'), usedUnit, isOver: fields.flag('inv') }),
          );
    },
    limit: (fields) => {
      const rate = fields.number('rate');
      const per = fields.word('per') ?? 'second';
      const rateUnit = fields.word('rate_unit');
      const burst = fields.number('burst');
      const burstUnit = fields.word('burst_unit');
      const isDefault = burst === (rateUnit === undefined ? 5 : 0);
      return rate === undefined || (burstUnit !== undefined && !isNftBurstUnit(burstUnit, rateUnit))
        ? undefined
        : fields.whole(
            present({
              kind: 'limit',
              rate,
              per,
              rateUnit,
              burst: isDefault ? undefined : burst,
              burstUnit: isDefault ? undefined : burstUnit,
              isOver: fields.flag('inv'),
            }),
          );
    },
    'ct count': (fields) => {
      const count = fields.number('val');
      return count === undefined
        ? undefined
        : fields.whole({ kind: 'connectionLimit', count, isOver: fields.flag('inv') });
    },
    log: (fields) => {
      const log: NftLog = present({
        kind: 'log',
        prefix: fields.string('prefix'),
        group: fields.number('group'),
        snaplen: fields.number('snaplen'),
        queueThreshold: fields.number('queue-threshold'),
        level: fields.string('level'),
        flags: fields.words('flags'),
      });
      return fields.whole(log);
    },
    mangle: (fields) => {
      const key = fields.expression('key');
      const value = fields.expression('value');
      return key === undefined || value === undefined ? undefined : fields.whole({ kind: 'mangle', key, value });
    },
    dnat: nat('dnat'),
    snat: nat('snat'),
    masquerade: nat('masquerade'),
    redirect: nat('redirect'),
    reject: (fields, { family }) => {
      const type = fields.string('type');
      const code = fields.expression('expr');
      return fields.whole(defaultReject(present({ kind: 'reject', type, code }), family));
    },
    set: setUpdate,
    map: setUpdate,
    meter: (fields, { family }) => {
      const meter = fields.string('name');
      const key = elementOf(fields.json('key'));
      const statement = parseNftStatement(fields.json('stmt'), family);
      return meter === undefined || key === undefined
        ? undefined
        : fields.whole(present({ kind: 'meter', name: meter, size: fields.number('size'), key, statement }));
    },
    notrack: (_fields, { body }) => (body === null ? { kind: 'notrack' } : undefined),
    queue: (fields) =>
      fields.whole(present({ kind: 'queue', number: fields.expression('num'), flags: fields.words('flags') ?? [] })),
    tproxy: (fields) =>
      fields.whole(
        present({
          kind: 'tproxy',
          family: fields.string('family'),
          address: fields.expression('addr'),
          port: fields.expression('port'),
        }),
      ),
    dup: copy('dup'),
    fwd: copy('fwd'),
    synproxy: (fields) =>
      fields.whole(
        present({
          kind: 'synproxy',
          mss: fields.number('mss'),
          windowScale: fields.number('wscale'),
          flags: fields.words('flags') ?? [],
        }),
      ),
    flow: (fields) => {
      const flowtable = fields.string('flowtable');
      return fields.string('op') !== 'add' || flowtable === undefined
        ? undefined
        : fields.whole({ kind: 'flow', flowtable: flowtable.replace(/^@/, '') });
    },
    reset: (_fields, { body }) => {
      const option = parseNftExpression(body);
      return option.kind === 'unrecognized' ? undefined : { kind: 'reset', option };
    },
    xt: (fields) => {
      const type = fields.string('type');
      const extension = fields.string('name');
      return type === undefined || extension === undefined
        ? undefined
        : fields.whole({ kind: 'xt', type, name: extension });
    },
  }),
);

function nat(type: NftNat['type']): StatementReader {
  return (fields) =>
    fields.whole(
      present({
        kind: 'nat',
        type,
        family: fields.string('family'),
        address: fields.expression('addr'),
        port: fields.expression('port'),
        flags: fields.words('flags'),
        typeFlags: fields.words('type_flags'),
      }),
    );
}

function copy(kind: 'dup' | 'fwd'): StatementReader {
  return (fields) =>
    fields.whole(
      present({
        kind,
        family: fields.string('family'),
        address: fields.expression('addr'),
        device: fields.expression('dev'),
      }),
    );
}

function knownStatement(json: unknown, family: string): NftStatement | undefined {
  if (!isObject(json)) return undefined;
  const verdict = parseVerdict(json);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const entry = onlyEntry(json);
  if (entry === undefined) return undefined;
  const [name, body] = entry;
  const read = body === null || isObject(body) ? statementReaders.get(name) : undefined;
  return read === undefined
    ? objectStatement(name, body)
    : read(new Fields(isObject(body) ? body : {}), { family, body });
}

/** The name and the inside of an object that has nothing else. */
function onlyEntry(json: Json): [name: string, body: unknown] | undefined {
  const [entry, ...others] = Object.entries(json);
  return others.length === 0 ? entry : undefined;
}

const matchOperators: readonly NftMatchOperator[] = ['==', '!=', '<', '>', '<=', '>=', 'in', '!'];

/** `{"counter": "name"}`; the name may be a map's answer. */
function objectStatement(name: string, body: unknown): NftStatement | undefined {
  const object = nftObjectKinds.find((kind) => kind === name);
  if (object === undefined || body === null) return undefined;
  const expression = parseNftExpression(body);
  return expression.kind === 'unrecognized' || expression.kind === 'list'
    ? undefined
    : { kind: 'object', object, name: expression };
}

function setUpdate(fields: Fields, { family }: { readonly family: string }): NftStatement | undefined {
  const operation = (['add', 'update', 'delete'] as const).find((each) => each === fields.string('op'));
  const set = (fields.string('set') ?? fields.string('map'))?.replace(/^@/, '');
  const element = elementOf(fields.json('elem'));
  const data = fields.expression('data');
  const statements = fields.json('stmt') ?? [];
  if (operation === undefined || set === undefined || set === '' || element === undefined || !Array.isArray(statements))
    return undefined;
  return fields.whole({
    kind: 'setUpdate',
    operation,
    set,
    element: data === undefined ? element : { ...element, value: data },
    statements: (statements as readonly unknown[]).map((each) => parseNftStatement(each, family)),
  });
}

function parseVerdict(json: Json): NftVerdict | undefined {
  if (Object.keys(json).length !== 1) return undefined;
  for (const kind of ['accept', 'drop', 'return', 'continue'] as const) if (json[kind] === null) return { kind };
  for (const kind of ['jump', 'goto'] as const) {
    const target = json[kind];
    if (isObject(target) && typeof target['target'] === 'string' && Object.keys(target).length === 1)
      return { kind, chain: target['target'] };
  }
  return undefined;
}

export function parseNftExpression(json: unknown): NftExpression {
  if (typeof json === 'string')
    return json.startsWith('@') ? { kind: 'setReference', name: json.slice(1) } : { kind: 'value', value: json };
  if (typeof json === 'number' || typeof json === 'boolean') return { kind: 'value', value: json };
  if (Array.isArray(json)) {
    const items = (json as readonly unknown[]).map(parseNftExpression);
    return items.some(({ kind }) => kind === 'unrecognized') ? unrecognizedJson(json) : { kind: 'list', items };
  }
  return (isObject(json) ? knownExpression(json) : undefined) ?? unrecognizedJson(json);
}

type ExpressionReader = (fields: Fields) => NftExpression | undefined;

/** By the name of the expression's object (libnftables-json(5), EXPRESSIONS), but for those whose inside is a list: see `compound`. */
const expressionReaders: ReadonlyMap<string, ExpressionReader> = new Map(
  Object.entries<ExpressionReader>({
    prefix: (fields) => {
      const address = fields.expression('addr');
      const length = fields.number('len');
      return address?.kind !== 'value' || !/^[0-9a-f.:]+$/i.test(String(address.value)) || length === undefined
        ? undefined
        : fields.whole({ kind: 'prefix', address, length });
    },
    payload: (fields) => {
      const base = fields.word('base');
      const [offset, length, protocol, field] = [
        fields.number('offset'),
        fields.number('len'),
        fields.word('protocol'),
        fields.word('field'),
      ];
      if (protocol !== undefined && field !== undefined)
        return base === undefined ? fields.whole({ kind: 'payload', protocol, field }) : undefined;
      return base === undefined || offset === undefined || length === undefined
        ? undefined
        : fields.whole({ kind: 'rawPayload', base, offset, length });
    },
    'tcp option': (fields) => {
      const [option, offset, length] = [fields.number('base'), fields.number('offset'), fields.number('len')];
      if (option !== undefined && offset !== undefined && length !== undefined)
        return fields.whole({ kind: 'rawTcpOption', option, offset, length });
      return header('tcp option')(fields);
    },
    exthdr: header('exthdr'),
    'ip option': header('ip option'),
    'sctp chunk': header('sctp chunk'),
    'dccp option': header('dccp option'),
    meta: (fields) => {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole({ kind: 'meta', key });
    },
    ct: (fields) => {
      const [key, family] = [fields.word('key'), fields.word('family')];
      // The family is a field of its own in older versions, and part of the key in newer ones (`ip saddr`).
      return key === undefined
        ? undefined
        : fields.whole(
            present({
              kind: 'ct',
              key: family === undefined ? key : `${family} ${key}`,
              direction: fields.word('dir'),
            }),
          );
    },
    fib: (fields) => {
      const [result, flags] = [fields.word('result'), fields.words('flags')];
      return result === undefined || flags === undefined ? undefined : fields.whole({ kind: 'fib', result, flags });
    },
    rt: (fields) => {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole(present({ kind: 'rt', key, family: fields.word('family') }));
    },
    socket: (fields) => {
      const key = fields.word('key');
      return key === undefined
        ? undefined
        : fields.whole(present({ kind: 'socket', key, level: fields.number('level') }));
    },
    osf: (fields) => {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole(present({ kind: 'osf', key, ttl: fields.word('ttl') }));
    },
    ipsec: (fields) => {
      const [key, direction, number] = [fields.word('key'), fields.word('dir'), fields.number('spnum')];
      return key === undefined || direction === undefined
        ? undefined
        : fields.whole(
            present({
              kind: 'ipsec',
              key,
              direction,
              number: number === 0 ? undefined : number,
              family: fields.word('family'),
            }),
          );
    },
    tunnel: (fields) => {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole({ kind: 'tunnel', key });
    },
    numgen: (fields) => {
      const mode = (['random', 'inc'] as const).find((each) => each === fields.word('mode'));
      const modulus = fields.number('mod');
      const offset = fields.number('offset') ?? 0;
      return mode === undefined || modulus === undefined || modulus < 1
        ? undefined
        : fields.whole({ kind: 'numgen', mode, modulus, offset });
    },
    jhash: (fields) => {
      const modulus = fields.number('mod');
      const of = fields.expression('expr');
      return modulus === undefined || of === undefined
        ? undefined
        : fields.whole(
            present({ kind: 'jhash', modulus, offset: fields.number('offset'), seed: fields.number('seed'), of }),
          );
    },
    symhash: (fields) => {
      const modulus = fields.number('mod');
      return modulus === undefined
        ? undefined
        : fields.whole(present({ kind: 'symhash', modulus, offset: fields.number('offset') }));
    },
    map: (fields) => {
      const key = fields.expression('key');
      const data = fields.expression('data');
      return key === undefined || data === undefined
        ? undefined
        : fields.whole({ kind: 'map', key, data: withProtocolNames(key, data) });
    },
  }),
);

function knownExpression(json: Json): NftExpression | undefined {
  const verdict = parseVerdict(json);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const entry = onlyEntry(json);
  if (entry === undefined) return undefined;
  const [name, body] = entry;
  if (Array.isArray(body)) return compound(name, body);
  return isObject(body) ? expressionReaders.get(name)?.(new Fields(body)) : undefined;
}

function header(kind: NftHeader): ExpressionReader {
  return (fields) => {
    const name = fields.word('name');
    const field = fields.word('field');
    const offset = fields.number('offset');
    return name === undefined
      ? undefined
      : fields.whole(present({ kind: 'header', header: kind, name, field, offset: offset === 0 ? undefined : offset }));
  };
}

const binaryOperators: readonly NftBinaryOperator[] = ['|', '&', '^', '<<', '>>'];

function compound(name: string, body: readonly unknown[]): NftExpression | undefined {
  if (name === 'set') {
    const elements = parseNftElements(body);
    return elements === undefined ? undefined : { kind: 'set', elements };
  }
  const parts = body.map(parseNftExpression);
  if (parts.some(({ kind }) => kind === 'unrecognized')) return undefined;
  if (name === 'concat') return { kind: 'concatenation', parts };
  const [from, to] = parts;
  if (name === 'range')
    return parts.length === 2 && from !== undefined && to !== undefined && !parts.some(isNothing)
      ? { kind: 'range', from, to }
      : undefined;
  const operator = binaryOperators.find((each) => each === name);
  return operator === undefined || parts.length < 2 ? undefined : { kind: 'binary', operator, operands: parts };
}

function isNothing(expression: NftExpression): boolean {
  return expression.kind === 'value' && expression.value === '';
}

/** Elements of a set, or `[key, value]` of a map; undefined where one of them is not understood. */
export function parseNftElements(json: unknown): NftElement[] | undefined {
  if (!Array.isArray(json)) return undefined;
  const elements: NftElement[] = [];
  for (const each of json as readonly unknown[]) {
    const element = elementOf(each);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return elements;
}

/** What can be looked up: a verdict is a value of a map, and a set holds no sets. */
function isKey(key: NftExpression): boolean {
  switch (key.kind) {
    case 'unrecognized':
    case 'verdict':
    case 'set':
    case 'setReference':
      return false;
    case 'concatenation':
      return key.parts.every(isKey);
    case 'binary':
      return key.operands.every(isKey);
    case 'range':
      return isKey(key.from) && isKey(key.to);
    case 'prefix':
      return isKey(key.address);
    default:
      return true;
  }
}

function elementOf(json: unknown): NftElement | undefined {
  if (Array.isArray(json)) {
    const [key, value] = json as readonly unknown[];
    const element = json.length === 2 ? elementOf(key) : undefined;
    const parsed = parseNftExpression(value);
    return element === undefined || parsed.kind === 'unrecognized' ? undefined : { ...element, value: parsed };
  }
  const inner = isObject(json) && Object.keys(json).length === 1 ? json['elem'] : undefined;
  if (!isObject(inner)) {
    const key = parseNftExpression(json);
    return isKey(key) ? { key } : undefined;
  }
  const { val, timeout, expires, comment, ...others } = inner;
  const key = parseNftExpression(val);
  if (
    [timeout, expires].some((each) => each !== undefined && (typeof each !== 'number' || !isNftCount(each))) ||
    (comment !== undefined && typeof comment !== 'string')
  )
    return undefined;
  const statements = Object.entries(others).map(([name, body]) => parseNftStatement({ [name]: body }, 'inet'));
  if (!isKey(key) || statements.some(({ kind }) => kind === 'unrecognized')) return undefined;
  return {
    key,
    ...(typeof timeout === 'number' ? { timeout } : {}),
    ...(typeof expires === 'number' ? { expires } : {}),
    ...(typeof comment === 'string' ? { comment } : {}),
    ...(statements.length === 0 ? {} : { statements }),
  };
}
