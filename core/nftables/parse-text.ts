/**
 * A ruleset as `nft list ruleset` (or table, or chain) prints it, of nft 0.9 to 1.1, with -a, -n, -s and -y or without,
 * line by line. A table that is truncated is left out and reported; the others are read.
 */
import { nftObjectKinds, type NftElement, type NftRule } from './rule.ts';
import { printNftStatement } from './print.ts';
import {
  nftSetFlags,
  type NftBase,
  type NftFlowtable,
  type NftObject,
  type NftRulesetTable,
  type NftSet,
} from './table.ts';
import { nftTypesOf } from './types.ts';
import { DumpLines, type DumpParser, type DumpProblem } from '../dump/lines.ts';
import { cycleText, findNftCycle } from './cycle.ts';
import { NftElementLines } from './element-lines.ts';
import { readKey, secondsOf } from './parse-expression.ts';
import { present } from '../lib/present.ts';
import { elementsWithProtocolNames } from './normal-form.ts';
import { parseNftRuleText, readElementStatement } from './parse-statement.ts';
import { NftTableBuilder, leftOutText } from './table-builder.ts';
import { objectFields } from './parse-object.ts';
import { NftTokens } from './tokens.ts';
import { priorities } from '../net/netfilter.ts';

const blockKinds = ['chain', 'set', 'map', ...nftObjectKinds, 'flowtable'] as const;
type BlockKind = (typeof blockKinds)[number] | 'unknown';

interface Block {
  readonly kind: BlockKind;
  readonly head: string;
  readonly name: string;
  readonly handle: number | undefined;
  /** The line of its head, from 1. */
  readonly line: number;
  /** Of an unknown block: how deep its own blocks are. */
  depth: number;
  /** Of a set or map: those that are not understood. */
  readonly lines: string[];
  base?: NftBase;
  comment?: string;
  flags?: readonly string[];
  readonly set: { -readonly [Key in keyof NftSet]?: NftSet[Key] };
  elements: NftElementLines | undefined;
}

/** What nft writes to its standard error where it lacks an extension of iptables; a line of the listing goes on behind it. */
const xtWarning = /# Warning: XT (?:target|match) (\S+) not found$/;

export class NftTextParser implements DumpParser<NftRulesetTable[]> {
  readonly #tables = new Map<string, NftRulesetTable>();
  /** Of all tables that have begun, those that are left out too. */
  readonly #names = new Set<string>();
  readonly #problems: DumpProblem[] = [];
  /** The line of each rule, from 1. */
  readonly #ruleLines = new WeakMap<NftRule, number>();
  readonly #lines: DumpLines;
  #table: NftTableBuilder | undefined;
  #block: Block | undefined;
  /** A statement whose braces go on over lines. */
  #pending: string | undefined;
  /** The rest of a truncated table is passed over. */
  #isSkipping = false;
  #isOutsideReported = false;
  /** The beginning of a line in which a warning of nft's fell, for both its outputs went to one file. */
  #interrupted = '';
  #firstWarning: DumpProblem | undefined;

  constructor() {
    this.#lines = new DumpLines(
      (text, line) => {
        const warning = xtWarning.exec(text);
        if (warning === null) {
          this.#line(this.#interrupted + text, line);
          this.#interrupted = '';
          return;
        }
        this.#interrupted += text.slice(0, warning.index);
        this.#firstWarning ??= {
          line,
          isNote: true,
          lacksTargets: true,
          message: `this nft cannot print the matches and targets of iptables (${warning[1] ?? ''}); add what iptables-save prints`,
        };
      },
      (problem) => {
        if (this.#table === undefined) this.#problems.push(problem);
        else this.#leaveTableOut(problem.line, problem.message);
      },
    );
  }

  push(chunk: Uint8Array | string): void {
    this.#lines.push(chunk);
  }

  end(): { readonly result: NftRulesetTable[]; readonly problems: readonly DumpProblem[] } {
    const { lines } = this.#lines.end();
    if (this.#table !== undefined)
      this.#leaveTableOut(
        lines,
        `the listing ends before ${this.#block === undefined ? 'the table' : this.#block.head} is closed`,
      );
    return {
      result: [...this.#tables.values()],
      problems: [...this.#problems, ...(this.#firstWarning === undefined ? [] : [this.#firstWarning])],
    };
  }

  #line(raw: string, line: number): void {
    const text = raw.trim();
    const table = /^table\s+(?:(ip|ip6|inet|arp|bridge|netdev)\s+)?(\S+)\s*\{(?:\s*#\s*(.*))?$/.exec(raw);
    if (table !== null) {
      if (this.#table !== undefined)
        this.#leaveTableOut(
          line,
          `another table begins before ${this.#block === undefined ? 'this one' : this.#block.head} is closed`,
        );
      this.#isSkipping = false;
      this.#isOutsideReported = false;
      this.#table = new NftTableBuilder(table[1] ?? 'ip', table[2] ?? '');
      this.#table.handle = handleOf(table[3]);
      const name = `${this.#table.family} ${this.#table.name}`;
      if (this.#names.has(name))
        this.#leaveTableOut(
          line,
          'it is listed a second time, and both are left out, for they need not be of one moment',
        );
      this.#names.add(name);
      return;
    }
    if (this.#isSkipping || text === '') return;
    if (this.#table === undefined) this.#outside(text, line);
    else if (this.#block === undefined) this.#inTable(this.#table, text, line);
    else this.#inBlock(this.#table, this.#block, text, line);
  }

  #outside(text: string, line: number): void {
    // "# Warning: table ip nat is managed by iptables-nft, do not touch!"
    if (text.startsWith('#') || this.#isOutsideReported) return;
    this.#isOutsideReported = true;
    this.#problems.push({
      line,
      message:
        text === '}'
          ? 'a brace is closed that was not opened'
          : `this line is in no table, as nft prints none, and is left out: ${text.slice(0, 80)}`,
    });
  }

  /** One sentence for a table; what is left of it is passed over. */
  #leaveTableOut(line: number, why: string): void {
    const table = this.#table;
    if (table === undefined) return;
    const name = `${table.family} ${table.name}`;
    this.#problems.push({ line, table: name, message: leftOutText(why, name) });
    this.#tables.delete(name);
    this.#table = undefined;
    this.#block = undefined;
    this.#pending = undefined;
    this.#isSkipping = true;
  }

  /** Something is kept as it stands, and reported: the packet path may depend on it. */
  #notUnderstood(line: number, what: string, text: string): void {
    this.#problems.push({ line, message: `${what} is not understood, and kept as it stands: ${text.slice(0, 80)}` });
  }

  /** What is not understood of a table, by itself. */
  #keep(table: NftTableBuilder, line: number, text: string): void {
    table.addUnrecognized({ kind: 'unrecognized', text });
    this.#notUnderstood(line, `a part of table ${table.family} ${table.name}`, text.replaceAll(/\s+/g, ' '));
  }

  #inTable(table: NftTableBuilder, text: string, line: number): void {
    if (text === '}') {
      const built = table.build();
      const cycle = findNftCycle(built, (rule) => this.#ruleLines.get(rule) ?? 0);
      if (cycle !== undefined) {
        this.#leaveTableOut(cycle.line, cycleText(cycle));
        // Its end has been read: what follows is of another table.
        this.#isSkipping = false;
        return;
      }
      this.#tables.set(`${table.family} ${table.name}`, built);
      this.#table = undefined;
      return;
    }
    const head = /^([^{]*?)\s*\{(?:\s*#\s*(handle \d+))?$/.exec(text);
    if (head?.[1] !== undefined) {
      const kind = blockKinds.find((each) => head[1]?.startsWith(`${each} `) === true);
      const name = kind === undefined ? '' : head[1].slice(kind.length + 1).trim();
      this.#block = {
        kind: kind === undefined || /\s/.test(name) ? 'unknown' : kind,
        head: head[1],
        name,
        handle: handleOf(head[2]),
        line,
        depth: 0,
        lines: [],
        set: {},
        elements: undefined,
      };
      return;
    }
    const comment = /^comment "([^"]*)"$/.exec(text);
    const flags = /^flags ([\w,]+);?$/.exec(text);
    if (comment?.[1] !== undefined && table.comment === undefined) table.comment = comment[1];
    else if (flags?.[1] !== undefined && table.flags === undefined) table.flags = flags[1].split(',');
    else if (!isBalanced(text)) this.#leaveTableOut(line, `a line of it is broken (${text.slice(0, 40)})`);
    else if (!text.startsWith('#')) this.#keep(table, line, text);
  }

  #inBlock(table: NftTableBuilder, block: Block, text: string, line: number): void {
    if (block.kind === 'unknown') {
      if (text === '}' && block.depth === 0) {
        this.#close(table, block, line);
        return;
      }
      block.depth += text.endsWith('{') ? 1 : text === '}' ? -1 : 0;
      block.lines.push(text);
      return;
    }
    // A string of nft has no quotes in it, and ends on its line.
    if (text.split('"').length % 2 === 0) {
      this.#leaveTableOut(line, `a quote of ${block.head} is not closed (${text.slice(0, 40)})`);
      return;
    }
    if (block.elements !== undefined && !block.elements.isClosed) {
      if (text === '}' || isHead(text)) this.#leaveTableOut(line, `the elements of ${block.head} are not closed`);
      else this.#elements(table, block, block.elements, text, line);
      return;
    }
    if (this.#pending !== undefined) {
      if (text === '}' || isHead(text)) {
        this.#leaveTableOut(line, `a line of ${block.head} is broken (${this.#pending.slice(0, 40)})`);
        return;
      }
      this.#pending += ` ${text}`;
      if (!isBalanced(this.#pending)) return;
      const whole = this.#pending;
      this.#pending = undefined;
      this.#inside(table, block, whole, line);
      return;
    }
    if (text === '}') this.#close(table, block, line);
    else this.#inside(table, block, text, line);
  }

  #inside(table: NftTableBuilder, block: Block, text: string, line: number): void {
    const elements = block.kind === 'set' || block.kind === 'map' ? /^elements = \{(.*)$/.exec(text) : null;
    if (elements !== null && block.elements === undefined) {
      block.elements = new NftElementLines(block.set.type ?? [], block.set.data ?? []);
      this.#elements(table, block, block.elements, elements[1] ?? '', line);
      return;
    }
    if (isHead(text)) {
      this.#leaveTableOut(line, `${text.slice(0, 60)} begins before ${block.head} is closed`);
      return;
    }
    if (!isBalanced(text)) {
      if (text.startsWith('}') || countOf(text, '}') > countOf(text, '{'))
        this.#leaveTableOut(line, `a line of ${block.head} is broken (${text.slice(0, 40)})`);
      else this.#pending = text;
      return;
    }
    switch (block.kind) {
      case 'chain':
        this.#chainLine(table, block, text, line);
        break;
      case 'set':
      case 'map':
        if (!setLine(block.set, text.replace(/;$/, ''), block.kind === 'map'))
          this.#keepOfSet(table, block, text, line);
        break;
      default:
        block.lines.push(text);
    }
  }

  #elements(table: NftTableBuilder, block: Block, elements: NftElementLines, text: string, line: number): void {
    const before = elements.elements.length;
    const behind = elements.add(text);
    if (behind !== '') this.#keepOfSet(table, block, behind, line);
    for (const { key } of elements.elements.slice(before))
      if (key.kind === 'unrecognized')
        this.#notUnderstood(line, `an element of ${block.head} of table ${table.family} ${table.name}`, key.text);
  }

  #keepOfSet(table: NftTableBuilder, block: Block, text: string, line: number): void {
    block.lines.push(text);
    this.#notUnderstood(line, `a line of ${block.head} of table ${table.family} ${table.name}`, text);
  }

  #chainLine(table: NftTableBuilder, block: Block, text: string, line: number): void {
    const base = baseOf(text, table.family);
    const comment = /^comment "([^"]*)"$/.exec(text);
    const flags = /^flags ([\w,]+);?$/.exec(text);
    if (base !== undefined && block.base === undefined) block.base = base;
    else if (comment?.[1] !== undefined && block.comment === undefined) block.comment = comment[1];
    else if (flags?.[1] !== undefined && block.flags === undefined) block.flags = flags[1].split(',');
    else {
      const rule = parseNftRuleText(text, block.name, table.family);
      this.#ruleLines.set(rule, line);
      table.addRule(rule);
    }
  }

  #close(table: NftTableBuilder, block: Block, line: number): void {
    if (!this.#add(table, block)) this.#leaveTableOut(line, `${block.head} is there a second time`);
    this.#block = undefined;
  }

  /** @returns false where the table has such a thing of that name already */
  #add(table: NftTableBuilder, block: Block): boolean {
    const { kind, name, handle, base, comment, flags, lines } = block;
    const unrecognized = (): true => {
      this.#keep(table, block.line, [`${block.head} {`, ...lines.map((each) => `\t${each}`), '}'].join('\n'));
      return true;
    };
    switch (kind) {
      case 'unknown':
        return unrecognized();
      case 'chain':
        return table.addChain(name, present({ base, handle, comment, flags }));
      case 'set':
      case 'map': {
        const { type = [], data, ...rest } = block.set;
        const elements: readonly NftElement[] = block.elements?.elements ?? [];
        if (block.set.type === undefined)
          this.#notUnderstood(
            block.line,
            `${block.head} of table ${table.family} ${table.name}, which has no type,`,
            block.head,
          );
        const unknown = lines.length > 0 ? lines : undefined;
        return table.addSet(
          present({
            ...rest,
            name,
            type,
            data: kind === 'map' ? (data ?? []) : undefined,
            flags: rest.flags ?? [],
            handle,
            elements: elementsWithProtocolNames(type, elements),
            unrecognized: unknown,
          }),
        );
      }
      case 'flowtable': {
        const flowtable = flowtableOf(name, handle, lines, table.family);
        return flowtable === undefined ? unrecognized() : table.addFlowtable(flowtable);
      }
      default: {
        const comments = lines.flatMap((each) => /^comment "([^"]*)"$/.exec(each)?.[1] ?? []);
        const fields =
          comments.length > 1
            ? undefined
            : objectFields(
                kind,
                lines.filter((each) => !/^comment "[^"]*"$/.test(each)),
              );
        return fields === undefined
          ? unrecognized()
          : table.addObject(
              present({ kind: kind satisfies NftObject['kind'], name, handle, comment: comments[0], fields }),
            );
      }
    }
  }
}

function handleOf(comment: string | undefined): number | undefined {
  const handle = /\bhandle (\d+)/.exec(comment ?? '')?.[1];
  return handle === undefined ? undefined : Number(handle);
}

function isHead(text: string): boolean {
  return /^(?:chain|set|map|counter|quota|limit|ct helper|ct timeout|ct expectation|synproxy|secmark|tunnel|flowtable) [^\s{]+ \{(?:\s*#.*)?$/.test(
    text,
  );
}

function countOf(text: string, sign: string): number {
  let count = 0;
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && character === sign) count += 1;
  }
  return count;
}

function isBalanced(text: string): boolean {
  return text.includes('{') || text.includes('}') ? countOf(text, '{') === countOf(text, '}') : true;
}

/** `type nat hook prerouting device "eth0" priority dstnat - 5; policy accept;` */
function baseOf(text: string, family: string): NftBase | undefined {
  const match =
    /^type (\S+) hook (\S+) (?:device "?([^"\s]+)"? |devices = \{ ([^}]*) \} )?priority ([^;]+);(?: policy (\w+);)?$/.exec(
      text,
    );
  const priority = nftPriorityOf(match?.[5] ?? '', family);
  const policy = match?.[6] ?? 'accept';
  if (
    match?.[1] === undefined ||
    match[2] === undefined ||
    priority === undefined ||
    (policy !== 'accept' && policy !== 'drop')
  )
    return undefined;
  const devices =
    match[3] === undefined ? match[4]?.split(',').map((each) => each.trim().replaceAll('"', '')) : [match[3]];
  return present({ type: match[1], hook: match[2], priority, policy, devices });
}

/** Names of priorities (nft(8), "Standard priority names"). */
const namedPriorities = new Map(
  Object.entries({
    raw: priorities.raw,
    mangle: priorities.mangle,
    dstnat: priorities.destinationNat,
    filter: priorities.filter,
    security: priorities.security,
    srcnat: priorities.sourceNat,
  }),
);
const bridgePriorities = new Map(Object.entries({ dstnat: -300, filter: -200, out: 100, srcnat: 300 }));

/** `-100`, `dstnat`, `dstnat - 10`. */
export function nftPriorityOf(text: string, family: string): number | undefined {
  const match = /^(?:(-?\d+)|([a-z]+)(?: ([+-]) (\d+))?)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, number, name = '', sign, distance = 0] = match;
  const from =
    number === undefined ? (family === 'bridge' ? bridgePriorities : namedPriorities).get(name) : Number(number);
  return from === undefined ? undefined : from + Number(distance) * (sign === '-' ? -1 : 1);
}

/** `type inet_service : interval ipv4_addr` is a map to ranges of addresses. */
function withoutInterval(types: string): string {
  return types.replace(/^interval /, '');
}

/** @returns whether the line is understood, and the first of its kind: a second one would take the first one's place */
function setLine(set: Block['set'], text: string, isMap: boolean): boolean {
  const [word = ''] = text.split(' ', 1);
  const rest = text.slice(word.length + 1);
  switch (word) {
    case 'type': {
      const [key = '', data, ...more] = rest.split(/\s+:\s+/);
      if (
        set.type !== undefined ||
        (data !== undefined) !== isMap ||
        more.length > 0 ||
        ![key, withoutInterval(data ?? 'verdict')].every((types) => /^\w+(?: \. \w+)*$/.test(types))
      )
        return false;
      set.type = key.split(' . ');
      if (data === undefined) return true;
      set.data = withoutInterval(data).split(' . ');
      if (data !== withoutInterval(data)) set.isDataInterval = true;
      return true;
    }
    case 'typeof': {
      const [key = '', data, ...more] = rest.split(/\s+:\s+/);
      const typeOf = wholeKey(key);
      const dataTypeOf = data === undefined || data === 'verdict' ? undefined : wholeKey(withoutInterval(data));
      if (
        set.type !== undefined ||
        (data !== undefined) !== isMap ||
        more.length > 0 ||
        typeOf === undefined ||
        (data !== undefined && data !== 'verdict' && dataTypeOf === undefined)
      )
        return false;
      set.typeOf = typeOf;
      set.type = nftTypesOf(typeOf);
      if (data === 'verdict') set.data = ['verdict'];
      if (dataTypeOf === undefined) return true;
      if (data !== undefined && data !== withoutInterval(data)) set.isDataInterval = true;
      set.dataTypeOf = dataTypeOf;
      set.data = nftTypesOf(dataTypeOf);
      return true;
    }
    case 'flags': {
      const flags = rest.split(/, ?/);
      return (
        set.flags === undefined &&
        flags.every((flag) => nftSetFlags.has(flag)) &&
        assign(flags, (known) => (set.flags = known))
      );
    }
    case 'timeout':
      return set.timeout === undefined && assign(secondsOf(rest), (seconds) => (set.timeout = seconds));
    case 'gc-interval':
      return set.gcInterval === undefined && assign(secondsOf(rest), (seconds) => (set.gcInterval = seconds));
    case 'size':
      // Newer versions print how many elements there are: `size 65535 # count 3`.
      return (
        set.size === undefined &&
        assign(/^(\d{1,10})(?: # count \d+)?$/.exec(rest)?.[1], (size) => (set.size = Number(size)))
      );
    case 'policy':
      return (
        set.policy === undefined &&
        assign(/^(?:memory|performance)$/.exec(rest)?.[0], (policy) => (set.policy = policy))
      );
    case 'auto-merge':
      return set.autoMerge === undefined && rest === '' && assign(true, (autoMerge) => (set.autoMerge = autoMerge));
    case 'comment':
      return set.comment === undefined && assign(/^"([^"]*)"$/.exec(rest)?.[1], (comment) => (set.comment = comment));
    default: {
      const tokens = new NftTokens(text);
      const statement = readElementStatement(tokens);
      if (statement === undefined || !tokens.isDone || printNftStatement(statement) === '') return false;
      set.statements = [...(set.statements ?? []), statement];
      return true;
    }
  }
}

function assign<Value>(value: Value | undefined, give: (value: Value) => void): boolean {
  if (value === undefined) return false;
  give(value);
  return true;
}

function wholeKey(text: string): NftSet['typeOf'] {
  const tokens = new NftTokens(text);
  const key = readKey(tokens, readElementStatement);
  return tokens.isDone ? key : undefined;
}

function flowtableOf(
  name: string,
  handle: number | undefined,
  lines: readonly string[],
  family: string,
): NftFlowtable | undefined {
  let hook: string | undefined;
  let priority: number | undefined;
  let devices: readonly string[] | undefined;
  let flags: readonly string[] | undefined;
  let hasCounter: boolean | undefined;
  for (const line of lines) {
    const hooked = /^hook (\S+) priority ([^;]+);?$/.exec(line);
    const named = /^devices = \{ ([^}]*) \};?$/.exec(line);
    const flagged = /^flags ([\w,]+);?$/.exec(line);
    // A second one would take the first one's place.
    if (hooked !== null && hook === undefined) {
      hook = hooked[1];
      priority = nftPriorityOf(hooked[2] ?? '', family);
    } else if (named !== null && devices === undefined)
      devices = (named[1] ?? '').split(',').map((each) => each.trim().replaceAll('"', ''));
    else if (flagged !== null && flags === undefined) flags = flagged[1]?.split(',');
    else if (line === 'counter') hasCounter = true;
    else return undefined;
  }
  return hook === undefined || priority === undefined
    ? undefined
    : present({ name, handle, hook, priority, devices: devices ?? [], flags, hasCounter });
}
