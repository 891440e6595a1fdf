/**
 * Rules as `iptables -S` and `iptables-save` print them, with counters (`-v -S`, `-c`) or without.
 * `-A KUBE-SVC-X -s 10.0.0.1/32 -p tcp -m comment --comment "a b" -c 3 180 -j KUBE-SEP-Y`
 */

/** One condition of a rule. Conditions of a rule are ANDed. */
export type IptablesMatch =
  | { readonly kind: 'source' | 'destination'; readonly prefix: string; readonly negated: boolean }
  | { readonly kind: 'protocol'; readonly protocol: string; readonly negated: boolean }
  | { readonly kind: 'sourcePort' | 'destinationPort'; readonly from: number; readonly to: number; readonly negated: boolean }
  | { readonly kind: 'inInterface' | 'outInterface'; readonly name: string; readonly negated: boolean }
  | { readonly kind: 'random'; readonly probability: number; readonly negated: boolean }
  | { readonly kind: 'mark'; readonly value: number; readonly mask: number; readonly negated: boolean }
  | { readonly kind: 'addressType'; readonly end: 'source' | 'destination'; readonly type: string; readonly negated: boolean }
  | { readonly kind: 'connectionState'; readonly states: readonly string[]; readonly negated: boolean }
  | { readonly kind: 'recent'; readonly list: string; readonly action: 'check' | 'set'; readonly negated: boolean }
  /** A match that this version does not know, as it was printed. */
  | { readonly kind: 'unrecognized'; readonly text: string };

/** Targets that end the walk, or the chain, and need no more words. */
type PlainTarget = 'ACCEPT' | 'DROP' | 'RETURN' | 'MASQUERADE';

/** What a rule does with a packet that it matches. */
export type IptablesTarget =
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: PlainTarget }
  | { readonly kind: 'REJECT'; readonly with: string | undefined }
  | { readonly kind: 'DNAT'; readonly to: string }
  /** The packet's mark becomes (mark and not clear) xor value. */
  | { readonly kind: 'MARK'; readonly value: number; readonly clear: number }
  /** A target that this version does not know, as it was printed. */
  | { readonly kind: 'unrecognized'; readonly text: string };

export interface IptablesRule {
  readonly chain: string;
  /** `-A CHAIN …` without counters. */
  readonly text: string;
  readonly counters?: { readonly packets: number; readonly bytes: number };
  readonly comment?: string;
  readonly matches: readonly IptablesMatch[];
  /** A rule without a target only counts. */
  readonly target?: IptablesTarget;
}

const plainTargets: readonly PlainTarget[] = ['ACCEPT', 'DROP', 'RETURN', 'MASQUERADE'];
/** Extension targets that kube-proxy, CNI plugins and firewalls write and that are no chains. */
const extensionTargets = new Set([
  'REJECT', 'DNAT', 'MARK', 'SNAT', 'REDIRECT', 'LOG', 'NFLOG', 'CONNMARK', 'CT', 'NOTRACK', 'TPROXY', 'TCPMSS', 'NETMAP', 'SET', 'QUEUE',
  'NFQUEUE', 'CLASSIFY', 'DSCP', 'TOS', 'TTL', 'HL', 'AUDIT', 'CHECKSUM', 'TRACE', 'SECMARK', 'CONNSECMARK', 'IDLETIMER', 'LED', 'RATEEST', 'SYNPROXY', 'TEE', 'HMARK', 'CLUSTERIP', 'ECN', 'DNPT', 'SNPT',
]);

/**
 * Parses one line.
 * @returns undefined for a line that is no rule (a chain's declaration, a comment, COMMIT); what is not understood in
 *   a rule is kept in it as `unrecognized`
 */
export function parseIptablesRule(line: string): IptablesRule | undefined {
  // iptables-save -c puts the counters first, -v -S behind the rule's matches.
  const saved = /^\[(\d+):(\d+)\] (.*)$/.exec(line);
  const words = splitWords(saved?.[3] ?? line);
  const chain = words[1]?.text;
  if (words[0]?.text !== '-A' || chain === undefined) return undefined;
  const matches: IptablesMatch[] = [];
  let counters = saved === null ? undefined : { packets: Number(saved[1]), bytes: Number(saved[2]) };
  let comment: string | undefined;
  let target: IptablesTarget | undefined;
  const kept: string[] = ['-A', chain];
  let negated = false;
  let recent: { list: string; action: 'check' | 'set' | undefined; negated: boolean } | undefined;

  for (let index = 2; index < words.length; ) {
    const word = words[index]?.text ?? '';
    // The values of an option: every word up to the next option.
    let end = index + 1;
    while (end < words.length && !isOption(words[end])) end += 1;
    const values = words.slice(index + 1, end).map(({ text }) => text);
    const raw = words.slice(index, end).map((each) => each.raw);
    index = end;
    if (word === '-c' || word === '--set-counters') {
      counters = { packets: Number(values[0]), bytes: Number(values[1]) };
      continue;
    }
    kept.push(...raw);
    if (word === '!') {
      negated = true;
      continue;
    }
    if (word === '-m' || word === '--match') continue;
    if (word === '--comment') {
      comment = values[0];
      continue;
    }
    if (word === '-j' || word === '-g') {
      // The target's own options follow it to the end of the line (counters excepted).
      const rest = words.slice(index).map((each) => each.raw);
      const counterAt = rest.findIndex((each) => each === '-c');
      if (counterAt >= 0) {
        counters = { packets: Number(rest[counterAt + 1]), bytes: Number(rest[counterAt + 2]) };
        rest.splice(counterAt, 3);
      }
      kept.push(...rest);
      target = parseTarget(word, values[0] ?? '', rest);
      break;
    }
    if (word === '--rcheck' || word === '--update' || word === '--set') {
      recent = { list: recent?.list ?? '', action: word === '--set' ? 'set' : 'check', negated };
    } else if (word === '--name' && recent !== undefined) {
      recent = { ...recent, list: values[0] ?? '' };
    } else if (recent !== undefined && ['--seconds', '--reap', '--mask', '--rsource', '--rdest', '--hitcount'].includes(word)) {
      // They say how long and for whom an entry of the list counts.
    } else {
      const match = parseMatch(word, values, negated);
      if (match !== undefined) matches.push(match === 'unrecognized' ? { kind: 'unrecognized', text: `${negated ? '! ' : ''}${raw.join(' ')}` } : match);
    }
    negated = false;
  }
  if (recent?.action !== undefined) matches.push({ kind: 'recent', list: recent.list, action: recent.action, negated: recent.negated });
  return {
    chain,
    text: kept.join(' '),
    ...(counters === undefined || !Number.isFinite(counters.packets) || !Number.isFinite(counters.bytes) ? {} : { counters }),
    ...(comment === undefined ? {} : { comment }),
    matches,
    ...(target === undefined ? {} : { target }),
  };
}

function parseMatch(option: string, values: readonly string[], negated: boolean): IptablesMatch | 'unrecognized' | undefined {
  const value = values[0] ?? '';
  switch (option) {
    case '-s':
      return { kind: 'source', prefix: value, negated };
    case '-d':
      return { kind: 'destination', prefix: value, negated };
    case '-p':
      return { kind: 'protocol', protocol: value.toLowerCase(), negated };
    case '-i':
      return { kind: 'inInterface', name: value, negated };
    case '-o':
      return { kind: 'outInterface', name: value, negated };
    case '--dport':
    case '--sport': {
      const [from, to] = value.split(':').map(Number);
      if (from === undefined || !Number.isInteger(from)) return 'unrecognized';
      return { kind: option === '--dport' ? 'destinationPort' : 'sourcePort', from, to: to ?? from, negated };
    }
    case '--mode':
      // `--mode random` is completed by --probability; nth counts packets, which nobody can foretell.
      return value === 'random' ? undefined : 'unrecognized';
    case '--probability':
      return { kind: 'random', probability: Number(value), negated };
    case '--mark': {
      const [mark, mask] = value.split('/').map(Number);
      if (mark === undefined || !Number.isInteger(mark)) return 'unrecognized';
      return { kind: 'mark', value: mark, mask: mask ?? 0xffffffff, negated };
    }
    case '--dst-type':
      return { kind: 'addressType', end: 'destination', type: value, negated };
    case '--src-type':
      return { kind: 'addressType', end: 'source', type: value, negated };
    case '--ctstate':
      return { kind: 'connectionState', states: value.split(','), negated };
    default:
      return 'unrecognized';
  }
}

function parseTarget(option: string, name: string, rest: readonly string[]): IptablesTarget {
  const valueOf = (flag: string): string | undefined => {
    const at = rest.indexOf(flag);
    return at < 0 ? undefined : rest[at + 1];
  };
  const text = [option, name, ...rest].join(' ');
  if (option === '-g') return { kind: 'goto', chain: name };
  const plain = plainTargets.find((each) => each === name);
  if (plain !== undefined) return { kind: plain };
  if (name === 'REJECT') return { kind: 'REJECT', with: valueOf('--reject-with') };
  if (name === 'DNAT') {
    const to = valueOf('--to-destination');
    return to === undefined ? { kind: 'unrecognized', text } : { kind: 'DNAT', to };
  }
  if (name === 'MARK') {
    // --set-xmark value/mask: zero the bits of mask, then xor value (iptables-extensions(8)).
    const [value, mask] = (valueOf('--set-xmark') ?? '').split('/').map(Number);
    if (value !== undefined && mask !== undefined && Number.isInteger(value) && Number.isInteger(mask)) return { kind: 'MARK', value, clear: mask };
    const or = Number(valueOf('--or-mark'));
    if (Number.isInteger(or)) return { kind: 'MARK', value: or, clear: or };
    return { kind: 'unrecognized', text };
  }
  if (extensionTargets.has(name)) return { kind: 'unrecognized', text };
  return rest.length === 0 ? { kind: 'jump', chain: name } : { kind: 'unrecognized', text };
}

interface Word {
  /** Without quotes and escapes. */
  readonly text: string;
  /** As it was printed. */
  readonly raw: string;
}

/** An option, or the sign of negation; a quoted word is never one. */
function isOption(word: Word | undefined): boolean {
  if (word === undefined) return false;
  return word.raw === '!' || /^--?[a-zA-Z]/.test(word.raw);
}

/** Splits at blanks; a word in double quotes may hold blanks, and \" and \\ (xtables' xtables_save_string). */
function splitWords(line: string): Word[] {
  const words: Word[] = [];
  const pattern = /"((?:[^"\\]|\\.)*)"?|[^\s"]+/g;
  for (const match of line.matchAll(pattern)) {
    const raw = match[0];
    words.push({ raw, text: match[1] === undefined ? raw : match[1].replace(/\\(.)/g, '$1') });
  }
  return words;
}
