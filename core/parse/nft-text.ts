/**
 * A whole nftables ruleset as `nft list ruleset` prints it, or a table of it. It reads what kube-proxy writes in every
 * version; any other statement stays in the model as unrecognized, with its text (nft's grammar as a whole is nft's).
 */
import { RulesetError, type NftChain, type NftHook, type NftRulesetTable } from '../ruleset.ts';
import { parseNftElementsText } from './nft-elements.ts';
import { keyWords, namedProtocol, parseNftMapElements, printNftRule, withProtocolName, type NftDnatTarget, type NftKey, type NftRule, type NftStatement, type NftValue, type NftVerdict } from './nft-json.ts';
import { parseHostPort } from '../address.ts';

/** Names of priorities, nft(8) table "Standard priority names". */
const priorities: Readonly<Record<string, number>> = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 };
const hooks: readonly NftHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];

interface Block {
  /** The words before the brace. */
  readonly head: readonly string[];
  readonly line: number;
  /** Lines within it that are no blocks, and the blocks. */
  readonly lines: { readonly text: string; readonly line: number }[];
  readonly blocks: Block[];
}

/** @throws RulesetError where braces do not match: a torn listing */
export function parseNftText(text: string): NftRulesetTable[] {
  return parseBlocks(text)
    .filter(({ head }) => head[0] === 'table')
    .map(({ head, blocks }): NftRulesetTable => {
      const named = (kind: string): Block[] => blocks.filter((block) => block.head[0] === kind);
      const elements = (block: Block): unknown[] => parseNftElementsText(block.lines.map((each) => each.text).join(' '));
      return {
        family: head.length > 2 ? (head[1] ?? 'ip') : 'ip',
        name: head.at(-1) ?? '',
        chains: new Map(named('chain').map((block) => [block.head[1] ?? '', parseChain(block)])),
        maps: new Map(named('map').map((block) => [block.head[1] ?? '', parseNftMapElements(elements(block))])),
        sets: new Map(
          named('set').map((block) => [
            block.head[1] ?? '',
            elements(block).flatMap((element) => {
              const words = keyWords(element);
              return words === undefined ? [] : [withProtocolName(words)];
            }),
          ]),
        ),
      };
    });
}

/** The nested blocks: `head {` … `}`; braces within a line belong to the statement there. */
function parseBlocks(text: string): Block[] {
  const root: Block = { head: [], line: 0, lines: [], blocks: [] };
  const open: Block[] = [root];
  /** Elements may go on over lines; they are joined until their brace is closed. */
  let pending: { text: string; line: number } | undefined;
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    const number = index + 1;
    const block = open.at(-1) ?? root;
    if (pending !== undefined) {
      pending.text += ` ${line}`;
      if (isBalanced(pending.text)) {
        block.lines.push(pending);
        pending = undefined;
      }
    } else if (line === '' || line.startsWith('#')) {
      // Nothing is said.
    } else if (line === '}') {
      if (open.length === 1) throw new RulesetError(`line ${String(number)}: a brace is closed that was not opened`);
      open.pop();
    } else if (line.endsWith('{') && /^(table|chain|set|map|counter|flowtable|quota|limit|ct|synproxy|secmark)\s/.test(line)) {
      const inner: Block = { head: line.slice(0, -1).trim().split(/\s+/), line: number, lines: [], blocks: [] };
      block.blocks.push(inner);
      open.push(inner);
    } else if (isBalanced(line)) {
      block.lines.push({ text: line, line: number });
    } else {
      pending = { text: line, line: number };
    }
  });
  const last = open.at(-1);
  if (open.length > 1 || pending !== undefined) {
    throw new RulesetError(`the listing ends before "${pending?.text.slice(0, 40) ?? last?.head.join(' ') ?? ''}" of line ${String(pending?.line ?? last?.line ?? 0)} is closed: it is torn; make it anew`);
  }
  return root.blocks;
}

function isBalanced(text: string): boolean {
  const bare = text.replace(/"[^"]*"/g, '');
  return (bare.match(/\{/g) ?? []).length === (bare.match(/\}/g) ?? []).length;
}

function parseChain({ head, lines }: Block): NftChain {
  const name = head[1] ?? '';
  let base: NftChain['base'];
  const rules: NftRule[] = [];
  for (const { text } of lines) {
    const declared = /^type (\S+) hook (\S+) (?:device \S+ )?priority ([^;]+);(?: policy (\w+);)?/.exec(text);
    if (declared !== null) {
      const hook = hooks.find((each) => each === declared[2]);
      if (hook !== undefined) base = { type: declared[1] ?? '', hook, priority: priorityOf(declared[3] ?? ''), policy: declared[4] === 'drop' ? 'drop' : 'accept' };
    } else if (!/^comment "/.test(text)) {
      rules.push(parseRule(name, text));
    }
  }
  return { ...(base === undefined ? {} : { base }), rules };
}

/** `-100`, `dstnat`, `dstnat - 10`. */
function priorityOf(text: string): number {
  const match = /^(-?\d+|[a-z]+)(?:\s*([+-])\s*(\d+))?$/.exec(text.trim());
  const from = priorities[match?.[1] ?? ''] ?? Number(match?.[1] ?? 0);
  return from + Number(match?.[3] ?? 0) * (match?.[2] === '-' ? -1 : 1);
}

function parseRule(chain: string, line: string): NftRule {
  // `nft -a` prints handles behind a sign of comment.
  const text = line.replace(/ # handle \d+$/, '');
  const comment = / ?comment "([^"]*)"$/.exec(text)?.[1];
  const statements = new StatementReader(text.replace(/ ?comment "[^"]*"$/, '')).read();
  return { chain, ...(comment === undefined ? {} : { comment }), statements, text: printNftRule(statements, comment) };
}

class StatementReader {
  readonly #words: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#words = text.split(/\s+/).filter((word) => word !== '');
  }

  /** All statements; from one that is not understood on, the rest of the line is unrecognized, for what it means may depend on it. */
  read(): NftStatement[] {
    const statements: NftStatement[] = [];
    while (this.#at < this.#words.length) {
      const start = this.#at;
      const statement = this.#statement();
      if (statement === undefined) {
        statements.push({ kind: 'unrecognized', text: this.#words.slice(start).join(' ') });
        break;
      }
      statements.push(statement);
    }
    return statements;
  }

  #take(...expected: readonly string[]): boolean {
    if (!expected.every((word, index) => this.#words[this.#at + index] === word)) return false;
    this.#at += expected.length;
    return true;
  }

  #next(): string {
    const word = this.#words[this.#at] ?? '';
    this.#at += 1;
    return word;
  }

  #statement(): NftStatement | undefined {
    if (this.#take('counter', 'packets')) {
      const packets = Number(this.#next());
      return this.#take('bytes') ? { kind: 'counter', packets, bytes: Number(this.#next()) } : undefined;
    }
    const verdict = this.#verdict();
    if (verdict !== undefined) return { kind: 'verdict', verdict };
    if (this.#take('reject')) {
      if (this.#take('with')) this.#at = this.#words.length;
      return { kind: 'reject' };
    }
    if (this.#take('masquerade')) {
      while (['fully-random', 'random', 'persistent', 'fully-random,persistent'].includes(this.#words[this.#at] ?? '')) this.#at += 1;
      return { kind: 'masquerade' };
    }
    if (this.#take('update') || this.#take('add')) {
      const set = this.#next();
      const body = this.#braces();
      return set.startsWith('@') && body !== undefined ? { kind: 'remember', set: set.slice(1) } : undefined;
    }
    if (this.#take('meta', 'mark', 'set', 'meta', 'mark')) {
      const operator = this.#next();
      const bits = Number(this.#next());
      if (!Number.isInteger(bits)) return undefined;
      return operator === '|' ? { kind: 'setMark', or: bits } : operator === '^' ? { kind: 'clearMark', bits } : undefined;
    }
    if (this.#take('dnat', 'ip', 'to') || this.#take('dnat', 'ip6', 'to') || this.#take('dnat', 'to')) return this.#dnat();
    if (this.#take('numgen', 'random', 'mod')) {
      const modulus = Number(this.#next());
      if (!this.#take('vmap')) return undefined;
      const verdicts = slots(this.#braces())?.map(({ slots: count, text }) => ({ slots: count, verdict: verdictOf(text) }));
      return verdicts?.every((each): each is { slots: number; verdict: NftVerdict } => each.verdict !== undefined) === true ? { kind: 'randomVerdict', modulus, verdicts } : undefined;
    }
    return this.#matchOrMap();
  }

  #verdict(): NftVerdict | undefined {
    for (const kind of ['accept', 'drop', 'return'] as const) if (this.#take(kind)) return { kind };
    for (const kind of ['jump', 'goto'] as const) if (this.#take(kind)) return { kind, chain: this.#next() };
    return undefined;
  }

  #dnat(): NftStatement | undefined {
    if (this.#take('numgen', 'random', 'mod')) {
      const modulus = Number(this.#next());
      if (!this.#take('map')) return undefined;
      const targets = slots(this.#braces())?.map(({ slots: count, text }) => ({ slots: count, target: targetOf(text) }));
      return targets?.every((each): each is { slots: number; target: NftDnatTarget } => each.target !== undefined) === true ? { kind: 'randomDnat', modulus, targets } : undefined;
    }
    const target = targetOf(this.#next());
    return target === undefined ? undefined : { kind: 'dnat', target };
  }

  #matchOrMap(): NftStatement | undefined {
    const keys: NftKey[] = [];
    do {
      const key = this.#key();
      if (key === undefined) return undefined;
      keys.push(key);
    } while (this.#take('.'));
    const [first] = keys;
    if (first === undefined) return undefined;
    if (this.#take('vmap')) {
      const name = this.#next();
      return name.startsWith('@') ? { kind: 'verdictMap', keys, name: name.slice(1) } : undefined;
    }
    const key: NftKey = keys.length === 1 ? first : { kind: 'concatenation', keys };
    const negated = this.#take('!=');
    if (!negated) this.#take('==');
    const value = this.#value();
    return value === undefined ? undefined : { kind: 'match', key, negated, value: key.kind === 'protocol' ? namedProtocol(value) : value };
  }

  #key(): NftKey | undefined {
    for (const ip of ['ip', 'ip6']) {
      if (this.#take(ip, 'saddr')) return { kind: 'sourceAddress' };
      if (this.#take(ip, 'daddr')) return { kind: 'destinationAddress' };
    }
    if (this.#take('th', 'dport')) return { kind: 'destinationPort' };
    if (this.#take('th', 'sport')) return { kind: 'sourcePort' };
    if (this.#take('meta', 'l4proto')) return { kind: 'protocol' };
    if (this.#take('ct', 'state')) return { kind: 'connectionState' };
    if (this.#take('ct', 'status')) return { kind: 'connectionStatus' };
    if (this.#take('fib', 'saddr', 'type')) return { kind: 'sourceType' };
    if (this.#take('fib', 'daddr', 'type')) return { kind: 'destinationType' };
    if (this.#take('meta', 'mark')) return this.#take('&') ? { kind: 'mark', mask: Number(this.#next()) } : { kind: 'mark' };
    return undefined;
  }

  #value(): NftValue | undefined {
    if (this.#words[this.#at] === '{') {
      const body = this.#braces();
      return body === undefined ? undefined : { kind: 'set', values: body.split(',').map((each) => valueOf(each.trim())) };
    }
    const word = this.#next();
    if (word === '') return undefined;
    // `ct state established,related` is a set without braces.
    return word.includes(',') ? { kind: 'set', values: word.split(',').map(valueOf) } : valueOf(word);
  }

  /** The text between braces. */
  #braces(): string | undefined {
    if (!this.#take('{')) return undefined;
    const end = this.#words.indexOf('}', this.#at);
    if (end < 0) return undefined;
    const body = this.#words.slice(this.#at, end).join(' ');
    this.#at = end + 1;
    return body;
  }
}

function valueOf(text: string): NftValue {
  if (text.startsWith('@')) return { kind: 'setReference', name: text.slice(1) };
  if (/^0x[0-9a-f]+$/.test(text)) return { kind: 'value', text: String(Number(text)) };
  return text.includes('/') ? { kind: 'prefix', text } : { kind: 'value', text };
}

/** `0 : goto a, 1-3 : goto b`. */
function slots(body: string | undefined): { slots: number; text: string }[] | undefined {
  return body?.split(',').map((each) => {
    const [slot = '', ...rest] = each.trim().split(' : ');
    const [from = 0, to] = slot.split('-').map(Number);
    return { slots: to === undefined ? 1 : to - from + 1, text: rest.join(' : ') };
  });
}

function verdictOf(text: string): NftVerdict | undefined {
  const [kind, chain] = text.split(' ');
  if (kind === 'accept' || kind === 'drop' || kind === 'return') return { kind };
  return (kind === 'jump' || kind === 'goto') && chain !== undefined ? { kind, chain } : undefined;
}

/** `10.0.0.1 . 80`, `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`. */
function targetOf(text: string): NftDnatTarget | undefined {
  const [address = '', port] = text.split(' . ');
  if (port !== undefined) return { address, port: Number(port) };
  return parseHostPort(text) ?? (text === '' ? undefined : { address: text.replace(/^\[|\]$/g, '') });
}
