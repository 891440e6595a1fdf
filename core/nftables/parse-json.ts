/**
 * `nft -j list ruleset` (or table, or chain) as it comes: each object of "nftables" is read when it is complete, and
 * the text is not held.
 */
import { JSONParser } from '@streamparser/json';
import { present } from '../lib/present.ts';
import type { NftElement, NftExpression, NftRule } from './rule.ts';
import { nftFamilies, nftSetFlags, type NftObject, type NftRulesetTable, type NftSet } from './table.ts';
import { nftTypesOf } from './types.ts';
import type { DumpParser, DumpProblem } from '../dump/lines.ts';
import { cycleText, findNftCycle } from './cycle.ts';
import { isNftCount, isObject, type Json } from './json-fields.ts';
import {
  parseNftElements,
  parseNftExpression,
  parseNftRule,
  parseNftStatement,
  unrecognizedJson,
} from './parse-json-rule.ts';
import { elementsWithProtocolNames } from './normal-form.ts';
import { NftTableBuilder, leftOutText } from './table-builder.ts';
import * as z from 'zod';

const wordsSchema = z.union([z.string().transform((word) => [word]), z.array(z.string()).min(1)]);
const isTypes = (types: readonly string[]): boolean => types.every((type) => /^\w+$/.test(type));
const keywordSchema = z.string().regex(/^\w+$/);
const ownerSchema = z.looseObject({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  handle: z.int().optional(),
  comment: z.string().optional(),
});
const flagsSchema = wordsSchema.refine((flags) => flags.every((flag) => /^[\w-]+$/.test(flag)));
const tableSchema = z.looseObject({
  family: z.string(),
  name: z.string(),
  handle: z.int().optional(),
  comment: z.string().optional(),
  flags: flagsSchema.optional(),
});
const chainSchema = ownerSchema.extend({
  type: keywordSchema.optional(),
  hook: keywordSchema.optional(),
  prio: z.int().optional(),
  policy: z.enum(['accept', 'drop']).optional(),
  dev: wordsSchema.optional(),
  flags: flagsSchema.optional(),
});
const setSchema = ownerSchema.extend({
  type: z.union([wordsSchema.refine(isTypes), z.strictObject({ typeof: z.unknown() })]),
  map: z
    .union([
      wordsSchema.transform((types) => types.flatMap((type) => type.split(' . '))).refine(isTypes),
      z.strictObject({ typeof: z.unknown() }),
    ])
    .optional(),
  flags: wordsSchema.refine((flags) => flags.every((flag) => nftSetFlags.has(flag))).optional(),
  timeout: z.int().nonnegative().optional(),
  'gc-interval': z.int().nonnegative().optional(),
  size: z.int().nonnegative().optional(),
  policy: z.string().optional(),
  'auto-merge': z.boolean().optional(),
  elem: z.array(z.unknown()).optional(),
  stmt: z.array(z.unknown()).optional(),
});
const flowtableSchema = ownerSchema.extend({
  hook: keywordSchema,
  prio: z.int(),
  dev: wordsSchema.optional(),
  flags: flagsSchema.optional(),
  counter: z.unknown().optional(),
});
const tableFields = new Set(Object.keys(tableSchema.shape));
const chainFields = new Set(Object.keys(chainSchema.shape));
const setFields = new Set(Object.keys(setSchema.shape));
const flowtableFields = new Set(Object.keys(flowtableSchema.shape));
const hasOnly = (body: Json, fields: ReadonlySet<string>): boolean =>
  Object.keys(body).every((field) => fields.has(field));

const countSchema = z.number().refine(isNftCount);
/** What objects hold (libnftables-json(5), "COUNTER" and so on). */
const objectSchemas: ReadonlyMap<NftObject['kind'], z.ZodType<NftObject['fields']>> = new Map<
  NftObject['kind'],
  z.ZodType<NftObject['fields']>
>([
  ['counter', z.strictObject({ packets: countSchema, bytes: countSchema })],
  ['quota', z.strictObject({ bytes: countSchema, used: countSchema.optional(), inv: z.boolean().optional() })],
  [
    'limit',
    z.strictObject({
      rate: countSchema,
      per: keywordSchema.optional(),
      burst: countSchema.optional(),
      rate_unit: keywordSchema.optional(),
      burst_unit: keywordSchema.optional(),
      inv: z.boolean().optional(),
    }),
  ],
  ['ct helper', z.strictObject({ type: z.string(), protocol: keywordSchema, l3proto: keywordSchema.optional() })],
  [
    'ct timeout',
    z.strictObject({
      protocol: keywordSchema,
      l3proto: keywordSchema.optional(),
      policy: z.record(z.string(), countSchema),
    }),
  ],
  [
    'ct expectation',
    z.strictObject({
      protocol: keywordSchema,
      dport: countSchema,
      timeout: countSchema,
      size: countSchema,
      l3proto: keywordSchema.optional(),
    }),
  ],
  [
    'synproxy',
    z.strictObject({
      mss: countSchema.optional(),
      wscale: countSchema.optional(),
      flags: z.union([z.string(), z.array(z.string())]).optional(),
    }),
  ],
  ['secmark', z.strictObject({ context: z.string() })],
]);

export class NftJsonParser implements DumpParser<NftRulesetTable[]> {
  readonly #tables = new Map<string, NftTableBuilder>();
  /** Tables that are left out, for something of them is there twice, or they cannot be followed. */
  readonly #truncated = new Set<string>();
  readonly #problems: DumpProblem[] = [];
  /** The line of each rule, from 1. */
  readonly #ruleLines = new WeakMap<NftRule, number>();
  readonly #json: JSONParser;
  #isDone = false;
  #isBroken = false;
  /** The table that an object was last read of: it is not whole where the JSON breaks behind it. */
  #last: string | undefined;
  #line = 1;

  constructor() {
    this.#json = new JSONParser({ paths: ['$', '$.nftables.*'], keepStack: false });
    this.#json.onValue = ({ value, stack }) => {
      if (stack.length > 1) {
        this.#object(value);
      } else if (isObject(value) && Array.isArray(value['nftables'])) {
        this.#isDone = true;
      } else {
        this.#notAListing();
      }
    };
    this.#json.onError = (error) => {
      this.#broken(error.message);
    };
  }

  push(chunk: Uint8Array | string): void {
    // Line by line, so that a break has the number of its line.
    for (let from = 0; from < chunk.length;) {
      const newline = typeof chunk === 'string' ? chunk.indexOf('\n', from) : chunk.indexOf(10, from);
      const end = newline < 0 ? chunk.length : newline + 1;
      this.#piece(typeof chunk === 'string' ? chunk.slice(from, end) : chunk.subarray(from, end));
      if (newline >= 0 && !this.#isBroken) this.#line += 1;
      from = end;
    }
  }

  /** The objects of a listing, where its JSON was read already. */
  objects(all: readonly unknown[]): void {
    this.#isDone = true;
    for (const each of all) this.#object(each);
  }

  #piece(chunk: Uint8Array | string): void {
    if (this.#isBroken) return;
    // nft prints a newline behind the last brace; a document has ended there.
    if (this.#json.isEnded) {
      if (!isBlank(chunk)) this.#broken('something follows the end of the JSON');
      return;
    }
    this.#write(chunk);
  }

  end(): { readonly result: NftRulesetTable[]; readonly problems: readonly DumpProblem[] } {
    if (!this.#isBroken && !this.#isDone) {
      if (!this.#json.isEnded) this.#broken('it ends before its last brace');
      else this.#notAListing();
    }
    const result = [...this.#tables.values()].flatMap((builder) => {
      const table = builder.build();
      const cycle = findNftCycle(table, (rule) => this.#ruleLines.get(rule) ?? 0);
      if (cycle === undefined) return [table];
      this.#tear(table.family, table.name, cycle.line, cycleText(cycle));
      return [];
    });
    return { result, problems: this.#problems };
  }

  #write(chunk: Uint8Array | string): void {
    try {
      this.#json.write(chunk);
    } catch (error) {
      // Nested deeper than this program's stack, which no tool prints.
      if (!(error instanceof RangeError)) throw error;
      this.#broken('it is nested too deeply');
    }
  }

  #notAListing(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#problems.push({
      line: this.#line,
      message: 'the JSON is not that of nft -j list ruleset: it has no list "nftables"',
    });
  }

  #broken(why: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const table = this.#last;
    if (table !== undefined) this.#tables.delete(table);
    const left =
      table === undefined ? '' : `; table ${table} may not be whole and is left out, and so is all that came after`;
    this.#problems.push(
      present({
        line: this.#line,
        table,
        message: `the JSON of nft cannot be read any further (${why})${left}: the dump may be truncated; capture it again`,
      }),
    );
  }

  #tableOf(family: string, name: string): NftTableBuilder {
    const key = `${family} ${name}`;
    this.#last = key;
    const table = this.#tables.get(key) ?? new NftTableBuilder(family, name);
    this.#tables.set(key, table);
    return table;
  }

  /** One sentence for a table; what is left of it is passed over. */
  #tear(family: string, name: string, line: number, why: string): void {
    const table = `${family} ${name}`;
    this.#tables.delete(table);
    this.#truncated.add(table);
    this.#problems.push({ line, table, message: leftOutText(why, table) });
  }

  #object(value: unknown): void {
    const [entry, ...more] = isObject(value) ? Object.entries(value) : [];
    const [kind, body] = entry ?? [];
    if (kind === 'metainfo' && more.length === 0) return;
    const family = isObject(body) ? body['family'] : undefined;
    const owner = isObject(body) ? (kind === 'table' ? body['name'] : body['table']) : undefined;
    if (
      kind === undefined ||
      !isObject(body) ||
      typeof family !== 'string' ||
      !nftFamilies.has(family) ||
      typeof owner !== 'string'
    ) {
      this.#problems.push({
        line: this.#line,
        message: `an object of the listing is of no known table and is left out: ${JSON.stringify(value).slice(0, 120)}`,
      });
      return;
    }
    if (this.#truncated.has(`${family} ${owner}`)) return;
    const table = this.#tableOf(family, owner);
    const isNew = more.length > 0 ? undefined : this.#add(table, kind, body, family);
    if (isNew === undefined) {
      table.addUnrecognized(unrecognizedJson(value));
      this.#problems.push({
        line: this.#line,
        message: `a part of table ${family} ${owner} is not understood, and kept as it stands: ${JSON.stringify(value).slice(0, 80)}`,
      });
    } else if (!isNew)
      this.#tear(
        family,
        owner,
        this.#line,
        kind === 'table'
          ? 'it is listed a second time, and both are left out, for they need not be of one moment'
          : `${kind} ${String(body['name'])} is there a second time`,
      );
  }

  /** @returns false where the table has such a thing of that name already; undefined where it is not understood */
  #add(table: NftTableBuilder, kind: string, body: Json, family: string): boolean | undefined {
    switch (kind) {
      case 'table': {
        const parsed = tableSchema.safeParse(body);
        if (!parsed.success || !hasOnly(body, tableFields)) return undefined;
        const { handle, comment, flags } = parsed.data;
        if (!table.declare()) return false;
        Object.assign(table, present({ handle, comment, flags }));
        return true;
      }
      case 'rule': {
        const rule = parseNftRule(body);
        if (rule === undefined) return undefined;
        this.#ruleLines.set(rule, this.#line);
        table.addRule(rule);
        return true;
      }
      case 'chain':
        return addChain(table, body);
      case 'set':
      case 'map': {
        const set = parseNftSet(body, family);
        return set === undefined || (kind === 'map') !== (set.data !== undefined) ? undefined : table.addSet(set);
      }
      case 'flowtable': {
        const parsed = flowtableSchema.safeParse(body);
        if (!parsed.success || !hasOnly(body, flowtableFields)) return undefined;
        const { name, handle, hook, prio, dev, flags, counter } = parsed.data;
        return table.addFlowtable(
          present({
            name,
            handle,
            hook,
            priority: prio,
            devices: dev ?? [],
            flags,
            hasCounter: counter === undefined ? undefined : true,
          }),
        );
      }
      default: {
        const [known, schema] = [...objectSchemas].find(([each]) => each === kind) ?? [];
        const parsed = ownerSchema.safeParse(body);
        const fields = schema?.safeParse(
          Object.fromEntries(Object.entries(body).filter(([field]) => !Object.hasOwn(ownerSchema.shape, field))),
        );
        if (known === undefined || !parsed.success || fields?.success !== true) return undefined;
        const { name, handle, comment } = parsed.data;
        return table.addObject(present({ kind: known, name, handle, comment, fields: fields.data }));
      }
    }
  }
}

function addChain(table: NftTableBuilder, body: Json): boolean | undefined {
  const parsed = chainSchema.safeParse(body);
  if (!parsed.success || !hasOnly(body, chainFields)) return undefined;
  const { name, handle, comment, flags, type, hook, prio, policy, dev } = parsed.data;
  const base =
    type === undefined || hook === undefined || prio === undefined
      ? undefined
      : present({ type, hook, priority: prio, policy: policy ?? 'accept', devices: dev });
  // Half a hook is none, and the hook that the chain is registered at is not to be guessed.
  if (base === undefined && [type, hook, prio, policy, dev].some((each) => each !== undefined)) return undefined;
  return table.addChain(name, present({ base, handle, comment, flags }));
}

/** The inside of `{"set": …}` or `{"map": …}`; undefined where a field of it is not understood. */
function parseNftSet(body: unknown, family: string): NftSet | undefined {
  const parsed = setSchema.safeParse(body);
  if (!parsed.success || !isObject(body) || !hasOnly(body, setFields)) return undefined;
  const { name, type, map, flags, timeout, size, policy, comment, handle, elem, stmt } = parsed.data;
  const typeOf = Array.isArray(type) ? undefined : parseNftExpression(type.typeof);
  const types = Array.isArray(type) ? type : typeOf === undefined ? [] : nftTypesOf(typeOf);
  const dataTypeOf = map === undefined || Array.isArray(map) ? undefined : parseNftExpression(map.typeof);
  const data = Array.isArray(map) ? map : dataTypeOf === undefined ? undefined : nftTypesOf(dataTypeOf);
  return present({
    name,
    type: types,
    typeOf,
    data,
    dataTypeOf,
    flags: flags ?? [],
    timeout,
    gcInterval: parsed.data['gc-interval'],
    size,
    policy,
    autoMerge: parsed.data['auto-merge'],
    comment,
    handle,
    statements: stmt?.map((each) => parseNftStatement(each, family)),
    elements: elementsWithProtocolNames(
      types,
      (elem ?? []).map((each): NftElement => {
        const element = parseNftElements([each])?.[0];
        return element === undefined || !isOfTypes(types, element.key)
          ? { key: unrecognizedJson(each) satisfies NftExpression }
          : element;
      }),
    ),
  });
}

/** Names of interfaces have no ranges and no prefixes: `eth*` is a name. */
function isOfTypes(types: readonly string[], key: NftExpression): boolean {
  if (key.kind === 'concatenation') return key.parts.every((part, index) => isOfTypes([types[index] ?? ''], part));
  return types[0] !== 'ifname' || (key.kind !== 'range' && key.kind !== 'prefix');
}

function isBlank(chunk: Uint8Array | string): boolean {
  return typeof chunk === 'string'
    ? chunk.trim() === ''
    : chunk.every((byte) => byte === 10 || byte === 13 || byte === 32 || byte === 9);
}
