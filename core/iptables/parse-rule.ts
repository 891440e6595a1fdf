/**
 * Rules as `iptables -S` and `iptables-save` print them, with counters (`-v -S`, `-c`) or without, and as people write
 * them: `-A KUBE-SVC-X ! -s 10.244.0.0/16 -p tcp -m comment --comment "a b" -c 3 180 -j KUBE-MARK-MASQ`
 */
import type { IptablesMatch, IptablesOption, IptablesRule, KeptOption } from './rule.ts';
import type { Counters } from '../net/counters.ts';
import { implicitModule, matchGrammar, targetGrammar, type ModuleGrammar, type OptionGrammar } from './modules.ts';
import { readTarget } from './parse-target.ts';

/**
 * Parses one line.
 * @returns undefined for a line that is not a rule (a chain's declaration, a comment, COMMIT). Of a rule no word is lost:
 *   what is not understood is kept as an option of the module that it stands behind, and a line that ends within a
 *   quote has an option `truncated`
 */
export function parseIptablesRule(line: string): IptablesRule | undefined {
  // iptables-save -c puts the counters first, -v -S behind the rule's matches.
  const saved = line.startsWith('[') ? readSavedCounters(line) : undefined;
  const words = splitWords(line, saved?.end ?? 0);
  const command = words.texts[0];
  if ((command !== '-A' && command !== '--append') || words.quoted[0] === true) return undefined;
  const chain = words.texts[1];
  if (chain === undefined || words.truncatedAt === 1) return undefined;
  return new RuleReader(words, chain, saved?.counters).read();
}

/**
 * A parser of lines of which many are the same but for their counters, as several nodes have them of one Service: what is
 * the same is parsed once, and shared. Each line gives a rule of its own.
 */
export function sharingParser(): typeof parseIptablesRule {
  const known = new Map<string, IptablesRule | undefined>();
  return (line) => {
    const { text, counters } = apartFromCounters(line);
    let rule = known.get(text);
    if (rule === undefined && !known.has(text)) {
      rule = parseIptablesRule(text);
      known.set(text, rule);
      if (counters === undefined) return rule;
    }
    if (rule === undefined) return undefined;
    if (counters === undefined) return { ...rule };
    // Counters that are there twice are for the whole line to judge.
    return rule.counters === undefined ? { ...rule, counters } : parseIptablesRule(line);
  };
}

/** The line without its counters, where it surely is one that iptables printed with them; otherwise the line as it is. */
function apartFromCounters(line: string): { readonly text: string; readonly counters?: Counters } {
  if (line.startsWith('[')) {
    const saved = readSavedCounters(line);
    return saved === undefined ? { text: line } : { text: line.slice(saved.end), counters: saved.counters };
  }
  const at = line.lastIndexOf(' -c ');
  const match = at < 0 || line.includes('#') || line.includes('\\') ? null : printedCounters.exec(line.slice(at));
  if (match === null) return { text: line };
  const before = line.slice(0, at);
  // Within quotes it would be a part of a comment.
  if (before.split('"').length % 2 === 0) return { text: line };
  const [whole, packets = '', bytes = ''] = match;
  const counters = readCounters(packets, bytes);
  return counters === undefined ? { text: line } : { text: before + line.slice(at + whole.length), counters };
}

/** Behind it stands the target, or nothing: no word that an option before could take. */
const printedCounters = /^ -c (\d+) (\d+)(?= -[jg] |$)/;

interface Words {
  /** Without quotes and escapes. */
  readonly texts: readonly string[];
  /** A word in quotes is never an option. */
  readonly quoted: readonly boolean[];
  /** As printed; a truncated word from its quote on. */
  readonly raws: readonly string[];
  /** The place of a last word whose quote is not closed; -1 where there is none. */
  readonly truncatedAt: number;
}

/** What is being read of a match or a target. */
interface Opened {
  readonly grammar: ModuleGrammar | undefined;
  readonly options: IptablesOption[];
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** What every rule may have, whatever its modules are. */
const ownOptions: ReadonlySet<string> = new Set([
  '-s',
  '--source',
  '--src',
  '-d',
  '--destination',
  '--dst',
  '-i',
  '--in-interface',
  '-o',
  '--out-interface',
  '-p',
  '--protocol',
  '--proto',
  '-f',
  '--fragment',
  '--fragments',
  '-m',
  '--match',
  '-j',
  '--jump',
  '-g',
  '--goto',
  '-c',
  '--set-counters',
]);

/** Reads the words of one rule from left to right. */
class RuleReader {
  readonly #words: Words;
  readonly #rule: Mutable<IptablesRule>;
  readonly #matches: IptablesMatch[] = [];
  /** Modules and the target so far; an option belongs to the last one that knows it (getopt's order in xtables_merge_options). */
  readonly #opened: Opened[] = [];
  #target: { readonly name: string; readonly options: IptablesOption[] } | undefined;
  #unrecognized: IptablesOption[] | undefined;
  #refused: string | undefined;
  #at = 2;

  constructor(words: Words, chain: string, counters: Counters | undefined) {
    this.#words = words;
    this.#rule = { chain, matches: this.#matches };
    if (counters !== undefined) this.#rule.counters = counters;
  }

  read(): IptablesRule {
    const { texts, quoted, raws, truncatedAt } = this.#words;
    const end = truncatedAt < 0 ? texts.length : truncatedAt;
    while (this.#at < end) {
      // Nothing that iptables prints begins so outside of quotes.
      if (quoted[this.#at] === false && texts[this.#at]?.charCodeAt(0) === hash && truncatedAt < 0) {
        this.#rule.remark = raws.slice(this.#at).join(' ');
        break;
      }
      const negated =
        texts[this.#at] === '!' &&
        quoted[this.#at] === false &&
        this.#at + 1 < end &&
        isOption(this.#words, this.#at + 1) &&
        texts[this.#at + 1] !== '!';
      if (negated) this.#at += 1;
      this.#option(negated);
    }
    if (this.#target !== undefined) {
      const options: KeptOption[] = [];
      for (const option of this.#target.options) if (option.kind === 'kept') options.push(option);
      this.#rule.target = readTarget(this.#target.name, options);
    }
    if (truncatedAt >= 0) this.#keepUnrecognized({ kind: 'truncated', text: raws[truncatedAt] ?? '', negated: false });
    const refused =
      this.#refused ??
      this.#badAddress('-s', this.#rule.source?.prefix) ??
      this.#badAddress('-d', this.#rule.destination?.prefix);
    if (refused !== undefined) this.#rule.refused = refused;
    // A list that grew has room for more, and there are thousands of rules.
    this.#rule.matches = this.#matches.map(({ module, options }) => ({ module, options: options.slice() }));
    return this.#rule;
  }

  /** Takes one option with its words. */
  #option(negated: boolean): void {
    const start = this.#at;
    const word = this.#words.texts[start] ?? '';
    const isPlain = this.#words.quoted[start] === false && word.charCodeAt(0) === hyphen;
    if (isPlain) {
      // --proto is also an option of policy, and of that where it is loaded.
      const isLong = word.charCodeAt(1) === hyphen;
      if (isLong && this.#moduleOption(word, negated)) return;
      this.#at = start;
      if (this.#ownOption(word, negated)) return;
      this.#at = start;
    }
    this.#at += 1;
    const option: KeptOption = {
      kind: 'kept',
      name: this.#words.raws[start] ?? word,
      values: this.#wordsToNextOption(),
      negated,
    };
    const last = this.#opened.at(-1);
    if (last !== undefined && isPlain && !ownOptions.has(word)) {
      last.options.push(option);
      return;
    }
    this.#keepUnrecognized(option);
    this.#refused ??=
      isPlain && ownOptions.has(word)
        ? option.values.some((value) => value.includes(','))
          ? `${word} has several addresses, of which iptables makes one rule each`
          : `${word} lacks its value, or is there twice`
        : `the word ${option.name} is not an option`;
  }

  /** A name is one that iptables asks DNS for, as it loads the rule; anything else must be an address. */
  #badAddress(option: string, prefix: string | undefined): string | undefined {
    return prefix === undefined || prefix.includes(':') || ipv4Prefix.test(prefix) || hostName.test(prefix)
      ? undefined
      : `${prefix} behind ${option} is not an address`;
  }

  /** The options of every rule; false where this is none of them, is there twice, or lacks its words. */
  #ownOption(word: string, negatedBefore: boolean): boolean {
    const rule = this.#rule;
    switch (word) {
      case '-m':
      case '--match': {
        const module = negatedBefore ? undefined : this.#take();
        if (module === undefined || module === '') return false;
        this.#openMatch(module);
        return true;
      }
      case '-s':
      case '--source':
      case '--src': {
        const source = rule.source === undefined ? this.#takeNegatable(negatedBefore) : undefined;
        // Several addresses stand for several rules; no dump has them.
        if (source === undefined || source.text.includes(',')) return false;
        rule.source = { prefix: source.text, negated: source.negated };
        return true;
      }
      case '-d':
      case '--destination':
      case '--dst': {
        const destination = rule.destination === undefined ? this.#takeNegatable(negatedBefore) : undefined;
        if (destination === undefined || destination.text.includes(',')) return false;
        rule.destination = { prefix: destination.text, negated: destination.negated };
        return true;
      }
      case '-i':
      case '--in-interface': {
        const name = rule.inInterface === undefined ? this.#takeNegatable(negatedBefore) : undefined;
        if (name === undefined) return false;
        rule.inInterface = { name: name.text, negated: name.negated };
        return true;
      }
      case '-o':
      case '--out-interface': {
        const name = rule.outInterface === undefined ? this.#takeNegatable(negatedBefore) : undefined;
        if (name === undefined) return false;
        rule.outInterface = { name: name.text, negated: name.negated };
        return true;
      }
      case '-p':
      case '--protocol':
      case '--proto': {
        const protocol = rule.protocol === undefined ? this.#takeNegatable(negatedBefore) : undefined;
        if (protocol === undefined) return false;
        rule.protocol = { protocol: protocol.text.toLowerCase(), negated: protocol.negated };
        return true;
      }
      case '-f':
      case '--fragment':
      case '--fragments':
        if (rule.fragment !== undefined) return false;
        this.#at += 1;
        rule.fragment = { negated: negatedBefore };
        return true;
      case '-j':
      case '--jump': {
        const name =
          this.#target !== undefined || rule.target !== undefined || negatedBefore ? undefined : this.#take();
        if (name === undefined || name === '') return false;
        const options: IptablesOption[] = [];
        this.#target = { name, options };
        this.#opened.push({ grammar: targetGrammar(name), options });
        return true;
      }
      case '-g':
      case '--goto': {
        const chain =
          this.#target !== undefined || rule.target !== undefined || negatedBefore ? undefined : this.#take();
        if (chain === undefined || chain === '') return false;
        rule.target = { kind: 'goto', chain };
        return true;
      }
      case '-c':
      case '--set-counters': {
        if (rule.counters !== undefined || negatedBefore) return false;
        const packets = this.#take();
        this.#at -= 1;
        const bytes = packets === undefined ? undefined : this.#take();
        const counters = packets === undefined || bytes === undefined ? undefined : readCounters(packets, bytes);
        if (counters === undefined) return false;
        rule.counters = counters;
        return true;
      }
      default:
        return false;
    }
  }

  /** An option of a module or the target, or of the module that the protocol implies. */
  #moduleOption(word: string, negatedBefore: boolean): boolean {
    for (let index = this.#opened.length - 1; index >= 0; index -= 1) {
      const opened = this.#opened[index];
      const grammar = opened?.grammar?.get(word);
      if (opened !== undefined && grammar !== undefined) return this.#readOption(opened, word, grammar, negatedBefore);
    }
    const { protocol } = this.#rule;
    const module = protocol === undefined || protocol.negated ? undefined : implicitModule(protocol.protocol);
    const grammar = module === undefined ? undefined : matchGrammar(module)?.get(word);
    if (module === undefined || grammar === undefined) return false;
    const options: IptablesOption[] = [];
    if (!this.#readOption({ grammar: undefined, options }, word, grammar, negatedBefore)) return false;
    this.#openMatch(module, options);
    return true;
  }

  #openMatch(module: string, options: IptablesOption[] = []): void {
    this.#matches.push({ module, options });
    this.#opened.push({ grammar: matchGrammar(module), options });
  }

  #readOption({ options }: Opened, word: string, grammar: OptionGrammar, negatedBefore: boolean): boolean {
    if (grammar.words === 'any') {
      this.#at += 1;
      options.push({ kind: 'kept', name: word, values: this.#wordsToNextOption(), negated: negatedBefore });
      return true;
    }
    const negated = negatedBefore || (grammar.words > 0 && this.#takeNegation());
    const from = this.#at + 1;
    const to = from + grammar.words;
    if (to > this.#end()) return false;
    this.#at = to;
    const read = grammar.read?.(this.#words.texts, from, negated);
    const value = this.#words.texts[from] ?? '';
    // Names of ports and octal numbers are taken by iptables, which prints none.
    if (
      grammar.read !== undefined &&
      read === undefined &&
      !(grammar.isPort === true ? /^(?:[a-z]|0\d)/i : /^0\d/).test(value)
    )
      this.#refused ??= `${value} is not a value of ${word}`;
    options.push(read ?? { kind: 'kept', name: word, values: this.#words.raws.slice(from, to), negated });
    return true;
  }

  /** `--dport ! 80`, as it was written before iptables 1.4.3. */
  #takeNegation(): boolean {
    const next = this.#at + 1;
    if (this.#words.texts[next] !== '!' || this.#words.quoted[next] === true) return false;
    this.#at = next;
    return true;
  }

  /** The word behind the one at hand; undefined where there is none. */
  #take(): string | undefined {
    const next = this.#at + 1;
    if (next >= this.#end()) return undefined;
    this.#at = next + 1;
    return this.#words.texts[next];
  }

  #takeNegatable(negatedBefore: boolean): { readonly text: string; readonly negated: boolean } | undefined {
    const negated = negatedBefore || this.#takeNegation();
    const text = this.#take();
    return text === undefined ? undefined : { text, negated };
  }

  /** A truncated word is none that an option may take. */
  #end(): number {
    return this.#words.truncatedAt < 0 ? this.#words.texts.length : this.#words.truncatedAt;
  }

  #wordsToNextOption(): string[] {
    const values: string[] = [];
    const end = this.#end();
    while (this.#at < end && !isOption(this.#words, this.#at)) {
      values.push(this.#words.raws[this.#at] ?? '');
      this.#at += 1;
    }
    return values;
  }

  /** Words that belong to no module stand before all modules, so that none takes them for its own when they are printed. */
  #keepUnrecognized(option: IptablesOption): void {
    if (this.#unrecognized === undefined) {
      this.#unrecognized = [];
      this.#matches.unshift({ module: '', options: this.#unrecognized });
    }
    this.#unrecognized.push(option);
  }
}

const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const ipv4Prefix = new RegExp(`^${octet}(?:\\.${octet}){3}(?:/(?:3[0-2]|[12]?\\d|${octet}(?:\\.${octet}){3}))?$`);
const hostName = /^[A-Za-z][\w.-]*(?:\/[\d.]+)?$/;

/** An option, or the sign of negation. */
function isOption({ texts, quoted }: Words, at: number): boolean {
  const text = texts[at] ?? '';
  if (quoted[at] === true) return false;
  return (
    text === '!' ||
    (text.charCodeAt(0) === hyphen && !(text.charCodeAt(1) <= nine && text.charCodeAt(1) >= zero) && text.length > 1)
  );
}

/** `[30:1800] -A …`; undefined where it is not of that form. */
function readSavedCounters(line: string): { readonly counters: Counters; readonly end: number } | undefined {
  const colon = line.indexOf(':');
  const end = line.indexOf(']');
  if (colon < 0 || end < colon) return undefined;
  const counters = readCounters(line.slice(1, colon), line.slice(colon + 1, end));
  return counters === undefined ? undefined : { counters, end: end + 1 };
}

/** undefined where either is not a number that can be held exactly. */
export function readCounters(packetsText: string, bytesText: string): Counters | undefined {
  const packets = readCounter(packetsText);
  const bytes = readCounter(bytesText);
  return packets === undefined || bytes === undefined ? undefined : { packets, bytes };
}

function readCounter(text: string): number | undefined {
  if (text.length === 0 || text.length > 16) return undefined;
  let value = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - zero;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

const space = 0x20;
const tab = 0x09;
const quote = 0x22;
const backslash = 0x5c;
const hyphen = 0x2d;
const hash = 0x23;
const zero = 0x30;
const nine = 0x39;

/**
 * Splits at blanks. A word may begin a quote anywhere and ends with it; within it \ takes the next character as it is
 * (iptables/xshared.c add_param_to_argv).
 */
function splitWords(line: string, from: number): Words {
  const texts: string[] = [];
  const quoted: boolean[] = [];
  const raws: string[] = [];
  const { length } = line;
  let at = from;
  while (at < length) {
    let code = line.charCodeAt(at);
    if (code === space || code === tab) {
      at += 1;
      continue;
    }
    const start = at;
    while (at < length && (code = line.charCodeAt(at)) !== space && code !== tab && code !== quote) at += 1;
    let text = line.slice(start, at);
    if (at === length || code !== quote) {
      texts.push(text);
      raws.push(text);
      quoted.push(false);
      continue;
    }
    at += 1;
    let piece = at;
    while (at < length && (code = line.charCodeAt(at)) !== quote) {
      if (code === backslash) {
        text += line.slice(piece, at);
        piece = at + 1;
        at += 1;
      }
      at += 1;
    }
    if (at >= length) {
      texts.push(text);
      raws.push(line.slice(start));
      quoted.push(true);
      return { texts, quoted, raws, truncatedAt: texts.length - 1 };
    }
    text += line.slice(piece, at);
    at += 1;
    texts.push(text);
    raws.push(line.slice(start, at));
    quoted.push(true);
  }
  return { texts, quoted, raws, truncatedAt: -1 };
}
