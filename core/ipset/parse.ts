/**
 * `ipset save` (`create NAME TYPE …` and `add NAME ELEMENT …`) and `ipset list` (`Name:`, `Type:`, `Header:`,
 * `Members:`), as ipset(8) prints them: lib/session.c of ipset, list_create and list_adt.
 */
import type { IpSet, IpSetElement } from './set.ts';
import { DumpLines, type DumpParser, type DumpProblem } from '../dump/lines.ts';
import { plural } from '../lib/plural.ts';

/** Options of `create` that have a value; the others are words of their own (counters, comment, skbinfo, forceadd). */
const createOptionsWithValue = new Set([
  'family',
  'hashsize',
  'maxelem',
  'bucketsize',
  'initval',
  'timeout',
  'netmask',
  'bitmask',
  'range',
  'size',
  'markmask',
  'probes',
  'resize',
  'gc',
]);

/** Options of an element that have a value and no field of their own. */
const otherOptionsWithValue = new Set(['skbmark', 'skbprio', 'skbqueue']);

interface OpenSet {
  readonly name: string;
  readonly line: number;
  type: string;
  options: readonly string[];
  readonly elements: IpSetElement[];
  /** Of `ipset list`: what its lines had so far. */
  listed?: { hasMembers: boolean; entries?: number };
}

/** All sets of a text. */
export function parseIpset(text: string): ReturnType<IpsetDump['end']> {
  const dump = new IpsetDump();
  dump.push(text);
  return dump.end();
}

/** Reads either form, which the line itself shows. A line of neither is a problem, and the rest is still read. */
export class IpsetDump implements DumpParser<readonly IpSet[]> {
  readonly #lines: DumpLines;
  readonly #problems: DumpProblem[] = [];
  readonly #sets = new Map<string, OpenSet>();
  /** The set of `ipset list` whose lines are being read. */
  #listing: OpenSet | undefined;
  /** Names that are left out of the result: their later lines are part of the same problem. */
  readonly #left = new Set<string>();
  /** Inside of a listed set that is left out, until its closing empty line. */
  #skipping = false;

  constructor() {
    this.#lines = new DumpLines(
      (text, line) => this.#read(text.trim(), line),
      (problem) => this.#problems.push(problem),
    );
  }

  push(chunk: Uint8Array | string): void {
    this.#lines.push(chunk);
  }

  end(): { readonly result: readonly IpSet[]; readonly problems: readonly DumpProblem[] } {
    const { lines } = this.#lines.end();
    this.#closeListing(lines);
    return { result: [...this.#sets.values()].map(finish), problems: this.#problems };
  }

  #read(text: string, line: number): void {
    if (text === '') {
      this.#closeListing(line);
      this.#skipping = false;
      return;
    }
    const name = /^Name: (\S+)$/.exec(text)?.[1];
    if (name !== undefined) {
      this.#closeListing(line);
      this.#skipping = false;
      const set = this.#open(name, '', [], line);
      if (set === undefined) this.#skipping = true;
      else this.#listing = Object.assign(set, { listed: { hasMembers: false } });
    } else if (this.#listing !== undefined) this.#readListing(this.#listing, text, line);
    else if (!this.#skipping) this.#readSave(text, line);
  }

  #readSave(text: string, line: number): void {
    const [command = '', name = '', subject = ''] = text.split(/\s+/, 3);
    if (command === 'create' && subject !== '') {
      this.#open(name, subject, createOptions(afterWords(text, 3)), line);
    } else if (command === 'add' && subject !== '') {
      const set = this.#sets.get(name);
      if (set !== undefined) this.#addElement(set, subject, afterWords(text, 3), line);
      else if (!this.#left.has(name))
        this.#problem(
          line,
          `no create line before it makes the set ${name}: the dump begins too late; capture it again with ipset save`,
        );
    } else {
      this.#problem(line, `is not a line of ipset save or ipset list: ${excerpt(text)}`);
    }
  }

  #readListing(set: OpenSet, text: string, line: number): void {
    const listed = set.listed ?? { hasMembers: false };
    if (listed.hasMembers) {
      const [element = ''] = text.split(/\s+/, 1);
      this.#addElement(set, element, afterWords(text, 1), line);
      return;
    }
    const [, key = '', value = ''] = /^([A-Z][A-Za-z ]*):\s*(.*)$/.exec(text) ?? [];
    if (key === 'Type' && value !== '') set.type = value;
    else if (key === 'Header') set.options = createOptions(value);
    else if (key === 'Members') listed.hasMembers = true;
    else if (key === 'Number of entries' && /^\d+$/.test(value)) listed.entries = Number(value);
    else if (key !== 'Revision' && key !== 'Size in memory' && key !== 'References')
      this.#problem(line, `is not a line of ipset save or ipset list: ${excerpt(text)}`);
  }

  /** What a listed set lacks, it lacks because the dump was cut or made without its members: it is not taken for empty. */
  #closeListing(line: number): void {
    const set = this.#listing;
    this.#listing = undefined;
    if (set?.listed === undefined) return;
    const { hasMembers, entries } = set.listed;
    const mayExpire = set.options.some((option) => option.startsWith('timeout '));
    if (set.type === '')
      this.#leave(
        set.name,
        line,
        `the set ${set.name} of line ${set.line} has no Type: the dump is truncated; capture it again`,
      );
    else if (!hasMembers)
      this.#leave(
        set.name,
        line,
        `the set ${set.name} of line ${set.line} is listed without its members; use ipset save, or ipset list without -terse`,
      );
    else if (entries !== undefined && entries > set.elements.length && !mayExpire) {
      this.#leave(
        set.name,
        line,
        `the set ${set.name} of line ${set.line} has ${plural(entries, 'entry', 'entries')}, of which ${set.elements.length} could be read: the dump is truncated; capture it again`,
      );
    }
  }

  #leave(name: string, line: number, message: string): void {
    this.#sets.delete(name);
    this.#left.add(name);
    this.#problems.push({ line, table: `set ${name}`, message });
  }

  #open(name: string, type: string, options: readonly string[], line: number): OpenSet | undefined {
    const earlier = this.#sets.get(name);
    if (earlier !== undefined) {
      this.#problem(
        line,
        `the set ${name} is there already, from line ${earlier.line}: the text holds two dumps; give one`,
      );
      return undefined;
    }
    const set: OpenSet = { name, type, options, elements: [], line };
    this.#sets.set(name, set);
    return set;
  }

  #addElement(set: OpenSet, element: string, options: string, line: number): void {
    const read = parseElement(element, options);
    if (read === undefined)
      this.#problem(
        line,
        `the element ${element} of the set ${set.name} has options that cannot be separated: ${excerpt(options)}`,
      );
    // The element is in the set all the same.
    set.elements.push(
      read ?? { parts: element.split(','), isException: /\bnomatch\b/.test(options), others: [options] },
    );
  }

  #problem(line: number, message: string): void {
    this.#problems.push({ line, message });
  }
}

/** As `ipset save` prints sets, and `ipset restore` reads them. */
export function printIpsetSave(sets: readonly IpSet[]): string {
  return sets
    .flatMap(({ name, type, options, elements }) => [
      ['create', name, type, ...options].join(' '),
      ...elements.map((element) => ['add', name, element.parts.join(','), ...elementOptions(element)].join(' ')),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

/** In the order of ipset's own IPSET_ADD arguments (lib/ipset_hash_netiface.c has them all). */
function elementOptions({ timeout, isException, counters, comment, others }: IpSetElement): string[] {
  const before = others.filter((option) => option === 'wildcard');
  const after = others.filter((option) => option !== 'wildcard');
  return [
    ...(timeout === undefined ? [] : [`timeout ${timeout}`]),
    ...(isException ? ['nomatch'] : []),
    ...before,
    ...(counters === undefined ? [] : [`packets ${counters.packets} bytes ${counters.bytes}`]),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...after,
  ];
}

function finish({ name, type, options, elements }: OpenSet): IpSet {
  const family = familyOfSet(type, options);
  return { name, type, ...(family === undefined ? {} : { family }), options, elements };
}

/** hash:ip and its like are inet where they do not say otherwise; bitmap:ip is IPv4 always; ports, MACs and lists have none. */
function familyOfSet(type: string, options: readonly string[]): 'IPv4' | 'IPv6' | undefined {
  if (options.includes('family inet6')) return 'IPv6';
  if (options.includes('family inet')) return 'IPv4';
  return /\b(ip|net)\b/.test(type) ? 'IPv4' : undefined;
}

function createOptions(text: string): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const options: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const value = createOptionsWithValue.has(word) ? words[index + 1] : undefined;
    if (value !== undefined) index += 1;
    options.push(value === undefined ? word : `${word} ${value}`);
  }
  return options;
}

interface ElementOptions {
  readonly isException: boolean;
  readonly timeout?: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly others: readonly string[];
}

/** undefined where a comment does not end, or a number is none. */
function parseElement(element: string, options: string): IpSetElement | undefined {
  const commentAt = /(?:^|\s)comment "/.exec(options);
  const before = commentAt === null ? options : options.slice(0, commentAt.index);
  const plain = readOptions(before, true);
  if (plain === undefined) return undefined;
  const comment = commentAt === null ? undefined : readComment(options.slice(commentAt.index + commentAt[0].length));
  if (commentAt !== null && comment === undefined) return undefined;
  const timeout = plain.timeout ?? comment?.rest.timeout;
  const packets = plain.packets ?? comment?.rest.packets;
  const bytes = plain.bytes ?? comment?.rest.bytes;
  return {
    parts: element.split(','),
    isException: plain.isException || comment?.rest.isException === true,
    ...(timeout === undefined ? {} : { timeout }),
    ...(comment === undefined ? {} : { comment: comment.text }),
    ...(packets === undefined && bytes === undefined ? {} : { counters: { packets: packets ?? 0, bytes: bytes ?? 0 } }),
    others: [...plain.others, ...(comment?.rest.others ?? [])],
  };
}

/**
 * The kernel keeps a quotation mark in a comment, and ipset prints it as it is: the comment ends at the last mark
 * that has only known options behind it.
 */
function readComment(text: string): { readonly text: string; readonly rest: ElementOptions } | undefined {
  for (let end = text.lastIndexOf('"'); end >= 0; end = end === 0 ? -1 : text.lastIndexOf('"', end - 1)) {
    const rest = readOptions(text.slice(end + 1), false);
    if (rest !== undefined) return { text: text.slice(0, end), rest };
  }
  return undefined;
}

/** @param allowUnknown keeps a word that is not an option among the others; else the whole is undefined */
function readOptions(text: string, allowUnknown: boolean): ElementOptions | undefined {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const numbers: { timeout?: number; packets?: number; bytes?: number } = {};
  const others: string[] = [];
  let isException = false;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const value = words[index + 1];
    if (word === 'timeout' || word === 'packets' || word === 'bytes') {
      if (value === undefined || !/^\d+$/.test(value)) return undefined;
      numbers[word] = Number(value);
      index += 1;
    } else if (word === 'nomatch') isException = true;
    else if (otherOptionsWithValue.has(word) && value !== undefined) {
      others.push(`${word} ${value}`);
      index += 1;
    } else if (word === 'wildcard' || allowUnknown) others.push(word);
    else return undefined;
  }
  return { isException, ...numbers, others };
}

/** What stands behind the first words of a line. */
function afterWords(text: string, count: number): string {
  let rest = text;
  for (let word = 0; word < count; word += 1) rest = rest.replace(/^\S+\s*/, '');
  return rest;
}

function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
