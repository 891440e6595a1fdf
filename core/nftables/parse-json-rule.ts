/**
 * Expressions, statements and rules of nftables as `nft -j` prints them (libnftables-json(5)). What is not understood,
 * a field of a newer nft among them, stays in the model as unrecognized, with its JSON.
 */
import {
  type NftBinaryOperator,
  type NftElement,
  type NftExpression,
  type NftHeader,
  type NftUnrecognized,
  type NftVerdict,
  isNftBurstUnit,
  nftByteUnits,
  type NftLog,
  type NftMatchOperator,
  type NftObjectKind,
  type NftRule,
  type NftStatement,
} from './rule.ts';
import { present } from '../lib/present.ts';
import { defaultReject, withProtocolNames } from './normal-form.ts';
import { parseNftStatementText } from './parse-statement.ts';

/** A JSON object; nothing is known of its fields. */
export type Json = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the kernel could count so: 64 bits at most, of which this model keeps the first 53. */
export function isNftCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 64;
}

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

/** `fully-random`, or two words as `ip options`. */
function isKeyword(text: string): boolean {
  return /^[\w-]+(?: [\w-]+)?$/.test(text);
}

/** A field's parsed value, or the whole is not understood. */
class Fields {
  readonly #json: Json;
  readonly #used = new Set<string>();
  isUnderstood = true;

  constructor(json: Json) {
    this.#json = json;
  }

  string(name: string): string | undefined {
    return this.#take(name, (value) => (typeof value === 'string' ? value : undefined));
  }

  /** A keyword of nft. */
  word(name: string): string | undefined {
    return this.#take(name, (value) => (typeof value === 'string' && isKeyword(value) ? value : undefined));
  }

  number(name: string): number | undefined {
    return this.#take(name, (value) => (typeof value === 'number' && isNftCount(value) ? value : undefined));
  }

  flag(name: string): boolean {
    return this.#take(name, (value) => (typeof value === 'boolean' ? value : undefined)) ?? false;
  }

  /** A word or several. */
  words(name: string): readonly string[] | undefined {
    return this.#take(name, (value) => {
      const words: unknown = typeof value === 'string' ? [value] : value;
      return Array.isArray(words) && words.every((each) => typeof each === 'string' && isKeyword(each))
        ? words
        : undefined;
    });
  }

  expression(name: string): NftExpression | undefined {
    return this.#take(name, parseNftExpression);
  }

  /** Where the JSON has the field, its value is `undefined` only if it is not understood. */
  #take<Value>(name: string, parse: (value: unknown) => Value | undefined): Value | undefined {
    this.#used.add(name);
    const value = this.#json[name];
    if (value === undefined || value === null) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) this.isUnderstood = false;
    return parsed;
  }

  json(name: string): unknown {
    this.#used.add(name);
    return this.#json[name];
  }

  /** The value, unless a field was not understood or not asked for. */
  whole<Value>(value: Value | undefined): Value | undefined {
    return this.isUnderstood && Object.keys(this.#json).every((name) => this.#used.has(name)) ? value : undefined;
  }
}

function knownStatement(json: unknown, family: string): NftStatement | undefined {
  if (!isObject(json)) return undefined;
  const verdict = parseVerdict(json);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const entries = Object.entries(json);
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) return undefined;
  const [name, body] = entry;
  const isEmpty = body === null;
  const fields = new Fields(isObject(body) ? body : {});
  if (!isEmpty && !isObject(body)) return objectStatement(name, body);
  switch (name) {
    case 'match': {
      const operator = matchOperators.find((each) => each === fields.string('op'));
      const left = fields.expression('left');
      const right = fields.expression('right');
      return operator === undefined || left === undefined || right === undefined
        ? undefined
        : fields.whole({ kind: 'match', operator, left, right: withProtocolNames(left, right) });
    }
    case 'vmap': {
      const key = fields.expression('key');
      const data = fields.expression('data');
      return key === undefined || data === undefined
        ? undefined
        : fields.whole({ kind: 'vmap', key, data: withProtocolNames(key, data) });
    }
    case 'counter':
      return fields.whole(
        present({ kind: 'counter', packets: fields.number('packets'), bytes: fields.number('bytes') }),
      );
    case 'last':
      return fields.whole(present({ kind: 'last', used: fields.number('used') }));
    case 'quota': {
      const value = fields.number('val');
      const unit = fields.word('val_unit') ?? 'bytes';
      const usedUnit = fields.word('used_unit');
      return value === undefined || ![unit, usedUnit ?? 'bytes'].every((each) => nftByteUnits.has(each))
        ? undefined
        : fields.whole(
            present({ kind: 'quota', value, unit, used: fields.number('used'), usedUnit, isOver: fields.flag('inv') }),
          );
    }
    case 'limit': {
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
    }
    case 'ct count': {
      const count = fields.number('val');
      return count === undefined
        ? undefined
        : fields.whole({ kind: 'connectionLimit', count, isOver: fields.flag('inv') });
    }
    case 'log': {
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
    }
    case 'mangle': {
      const key = fields.expression('key');
      const value = fields.expression('value');
      return key === undefined || value === undefined ? undefined : fields.whole({ kind: 'mangle', key, value });
    }
    case 'dnat':
    case 'snat':
    case 'masquerade':
    case 'redirect':
      return fields.whole(
        present({
          kind: 'nat',
          type: name,
          family: fields.string('family'),
          address: fields.expression('addr'),
          port: fields.expression('port'),
          flags: fields.words('flags'),
          typeFlags: fields.words('type_flags'),
        }),
      );
    case 'reject': {
      const type = fields.string('type');
      const code = fields.expression('expr');
      return fields.whole(defaultReject(present({ kind: 'reject', type, code }), family));
    }
    case 'set':
    case 'map':
      return setUpdate(fields, family);
    case 'meter': {
      const meter = fields.string('name');
      const key = elementOf(fields.json('key'));
      const statement = parseNftStatement(fields.json('stmt'), family);
      return meter === undefined || key === undefined
        ? undefined
        : fields.whole(present({ kind: 'meter', name: meter, size: fields.number('size'), key, statement }));
    }
    case 'notrack':
      return isEmpty ? { kind: 'notrack' } : undefined;
    case 'queue':
      return fields.whole(
        present({ kind: 'queue', number: fields.expression('num'), flags: fields.words('flags') ?? [] }),
      );
    case 'tproxy':
      return fields.whole(
        present({
          kind: 'tproxy',
          family: fields.string('family'),
          address: fields.expression('addr'),
          port: fields.expression('port'),
        }),
      );
    case 'dup':
    case 'fwd':
      return fields.whole(
        present({
          kind: name,
          family: fields.string('family'),
          address: fields.expression('addr'),
          device: fields.expression('dev'),
        }),
      );
    case 'synproxy':
      return fields.whole(
        present({
          kind: 'synproxy',
          mss: fields.number('mss'),
          windowScale: fields.number('wscale'),
          flags: fields.words('flags') ?? [],
        }),
      );
    case 'flow': {
      const flowtable = fields.string('flowtable');
      return fields.string('op') !== 'add' || flowtable === undefined
        ? undefined
        : fields.whole({ kind: 'flow', flowtable: flowtable.replace(/^@/, '') });
    }
    case 'reset': {
      const option = parseNftExpression(body);
      return option.kind === 'unrecognized' ? undefined : { kind: 'reset', option };
    }
    case 'xt': {
      const type = fields.string('type');
      const extension = fields.string('name');
      return type === undefined || extension === undefined
        ? undefined
        : fields.whole({ kind: 'xt', type, name: extension });
    }
    default:
      return objectStatement(name, body);
  }
}

const matchOperators: readonly NftMatchOperator[] = ['==', '!=', '<', '>', '<=', '>=', 'in', '!'];
const objectKinds: readonly NftObjectKind[] = [
  'counter',
  'quota',
  'limit',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'synproxy',
  'secmark',
  'tunnel',
];

/** `{"counter": "name"}`; the name may be a map's answer. */
function objectStatement(name: string, body: unknown): NftStatement | undefined {
  const object = objectKinds.find((kind) => kind === name);
  if (object === undefined || body === null) return undefined;
  const expression = parseNftExpression(body);
  return expression.kind === 'unrecognized' || expression.kind === 'list'
    ? undefined
    : { kind: 'object', object, name: expression };
}

function setUpdate(fields: Fields, family: string): NftStatement | undefined {
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

function knownExpression(json: Json): NftExpression | undefined {
  const verdict = parseVerdict(json);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const entries = Object.entries(json);
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) return undefined;
  const [name, body] = entry;
  if (Array.isArray(body)) return compound(name, body);
  if (!isObject(body)) return undefined;
  const fields = new Fields(body);
  switch (name) {
    case 'prefix': {
      const address = fields.expression('addr');
      const length = fields.number('len');
      return address?.kind !== 'value' || !/^[0-9a-f.:]+$/i.test(String(address.value)) || length === undefined
        ? undefined
        : fields.whole({ kind: 'prefix', address, length });
    }
    case 'payload': {
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
    }
    case 'tcp option': {
      const [option, offset, length] = [fields.number('base'), fields.number('offset'), fields.number('len')];
      if (option !== undefined && offset !== undefined && length !== undefined)
        return fields.whole({ kind: 'rawTcpOption', option, offset, length });
      return header(name, fields);
    }
    case 'exthdr':
    case 'ip option':
    case 'sctp chunk':
    case 'dccp option':
      return header(name, fields);
    case 'meta': {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole({ kind: 'meta', key });
    }
    case 'ct': {
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
    }
    case 'fib': {
      const [result, flags] = [fields.word('result'), fields.words('flags')];
      return result === undefined || flags === undefined ? undefined : fields.whole({ kind: 'fib', result, flags });
    }
    case 'rt': {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole(present({ kind: 'rt', key, family: fields.word('family') }));
    }
    case 'socket': {
      const key = fields.word('key');
      return key === undefined
        ? undefined
        : fields.whole(present({ kind: 'socket', key, level: fields.number('level') }));
    }
    case 'osf': {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole(present({ kind: 'osf', key, ttl: fields.word('ttl') }));
    }
    case 'ipsec': {
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
    }
    case 'tunnel': {
      const key = fields.word('key');
      return key === undefined ? undefined : fields.whole({ kind: 'tunnel', key });
    }
    case 'numgen': {
      const mode = (['random', 'inc'] as const).find((each) => each === fields.word('mode'));
      const modulus = fields.number('mod');
      const offset = fields.number('offset') ?? 0;
      return mode === undefined || modulus === undefined || modulus < 1
        ? undefined
        : fields.whole({ kind: 'numgen', mode, modulus, offset });
    }
    case 'jhash': {
      const modulus = fields.number('mod');
      const of = fields.expression('expr');
      return modulus === undefined || of === undefined
        ? undefined
        : fields.whole(
            present({ kind: 'jhash', modulus, offset: fields.number('offset'), seed: fields.number('seed'), of }),
          );
    }
    case 'symhash': {
      const modulus = fields.number('mod');
      return modulus === undefined
        ? undefined
        : fields.whole(present({ kind: 'symhash', modulus, offset: fields.number('offset') }));
    }
    case 'map': {
      const key = fields.expression('key');
      const data = fields.expression('data');
      return key === undefined || data === undefined
        ? undefined
        : fields.whole({ kind: 'map', key, data: withProtocolNames(key, data) });
    }
    default:
      return undefined;
  }
}

function header(kind: NftHeader, fields: Fields): NftExpression | undefined {
  const name = fields.word('name');
  const field = fields.word('field');
  const offset = fields.number('offset');
  return name === undefined
    ? undefined
    : fields.whole(present({ kind: 'header', header: kind, name, field, offset: offset === 0 ? undefined : offset }));
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

/** What can be looked up: a verdict is what a map leads to, and a set holds no sets. */
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
