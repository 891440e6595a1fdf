/** One rule of iptables in plain words: each kind of condition and target (iptables(8), iptables-extensions(8)). */
import type {
  IptablesMatch,
  IptablesOption,
  IptablesRule,
  IptablesTarget,
  KeptOption,
  PortRange,
} from '../iptables/rule.ts';
import { printMatch, printNatRange, printTarget } from '../iptables/print.ts';
import { tcpFlagBits } from '../iptables/modules.ts';
import { chainText, notKnown, withPod, type Explained, type Names, type Standing } from './explained.ts';
import { setPurpose } from './chain-purpose.ts';
import { list, percent, sentenceOf, Subject } from './sentence.ts';

export function explainIptablesRule(rule: IptablesRule, names: Names, { noun, isFirst }: Standing): Explained {
  const about = new About(noun, names);
  about.rule(rule);
  const effects = [...about.before, ...about.target(rule.target)];
  return { sentence: sentenceOf(about.subject.text(isFirst), effects), lines: [], unknown: about.unknown };
}

/** What has been found of one rule so far. */
class About {
  readonly subject: Subject;
  /** What the rule's conditions do by themselves, as to remember the client. */
  readonly before: string[] = [];
  readonly unknown: string[] = [];
  readonly #names: Names;

  constructor(noun: Subject['noun'], names: Names) {
    this.subject = new Subject(noun);
    this.#names = names;
  }

  rule({ source, destination, inInterface, outInterface, protocol, fragment, matches }: IptablesRule): void {
    const { subject } = this;
    const { conditions } = subject;
    if (protocol !== undefined) {
      if (protocol.negated) conditions.push(`that are not of protocol ${protocol.protocol}`);
      else subject.protocol = protocol.protocol.toUpperCase();
    }
    if (source !== undefined) subject.place(`from ${source.negated ? 'outside of ' : ''}${hostText(source.prefix)}`);
    if (destination !== undefined)
      subject.place(`to ${destination.negated ? 'anything but ' : ''}${hostText(destination.prefix)}`, 'address');
    if (inInterface !== undefined)
      conditions.push(`that ${inInterface.negated ? 'do not come' : 'come'} in by ${interfaceText(inInterface.name)}`);
    if (outInterface !== undefined)
      conditions.push(`that ${outInterface.negated ? 'do not leave' : 'leave'} by ${interfaceText(outInterface.name)}`);
    if (fragment !== undefined)
      conditions.push(fragment.negated ? 'that are no later fragments' : 'that are later fragments');
    for (const match of matches) this.#match(match);
  }

  #match(match: IptablesMatch): void {
    const { module, options } = match;
    const { conditions } = this.subject;
    switch (module) {
      case 'comment':
        return;
      case 'statistic':
        this.#statistic(options, match);
        return;
      case 'recent':
        this.#recent(options, match);
        return;
      case 'addrtype':
        for (const option of options)
          if (option.kind !== 'addressType' && option.kind !== 'limitInterface') this.#unknownMatch(match);
        this.#addressTypes(options);
        return;
    }
    const kept = options.filter((option) => option.kind === 'kept');
    if (kept.length > 0 && kept.length === options.length) {
      const words = keptWords.get(module)?.(kept);
      if (words === undefined) this.#unknownMatch(match);
      else if (module === 'nfacct') this.before.push(words);
      else conditions.push(words);
      return;
    }
    for (const option of options) {
      const words = this.#option(option, module);
      if (words === undefined) {
        this.#unknownMatch(match);
        return;
      }
      if (words !== '') conditions.push(words);
    }
    if (options.length === 0 && !transportModules.has(module)) this.#unknownMatch(match);
  }

  #unknownMatch(match: IptablesMatch): void {
    const truncated = match.options.flatMap((option) => (option.kind === 'truncated' ? [option.text] : []));
    const text = [printMatch(match).trim(), ...truncated].filter((each) => each !== '').join(' ');
    if (this.unknown.includes(text)) return;
    this.unknown.push(text);
    this.subject.conditions.push(`that fulfil a condition (${notKnown(text)})`);
  }

  /** Undefined for an option that its module does not explain; '' where another sentence has it. */
  #option(option: IptablesOption, module: string): string | undefined {
    switch (option.kind) {
      case 'sourcePort':
        return option.negated
          ? `whose source port is not ${portText(option)}`
          : `whose source port is ${portText(option)}`;
      case 'destinationPort':
        if (option.negated) return `to any port but ${portText(option)}`;
        this.subject.place(this.subject.portText(portText(option)));
        return '';
      case 'multiport':
        return `whose ${option.end === 'either' ? 'source or destination' : option.end} port is ${option.negated ? 'none of' : 'one of'} ${option.ranges.map(portText).join(', ')}`;
      case 'tcpFlags':
        return tcpFlagsText(option.mask, option.set, option.negated);
      case 'mark':
        return markText(module === 'connmark' ? 'connection mark' : 'mark', option);
      case 'connectionState':
        return `whose connection is ${option.negated ? 'not ' : ''}${list(
          option.states.map((state) => stateWords.get(state) ?? state),
          'or',
        )}`;
      case 'connectionStatus':
        return `whose connection has ${option.negated ? 'not ' : ''}the status ${list(option.statuses, 'or')}`;
      case 'connectionProtocol':
        return `whose connection is ${option.negated ? 'not ' : ''}of protocol ${option.protocol}`;
      case 'connectionAddress':
        return `whose connection's ${option.direction} ${option.end} is ${option.negated ? 'not ' : ''}${hostText(option.prefix)}`;
      case 'connectionPort':
        return `whose connection's ${option.direction} ${option.end} port is ${option.negated ? 'not ' : ''}${portText(option)}`;
      case 'direction':
        return `that go in the ${option.direction} direction of their connection${option.negated ? ' are left out' : ''}`;
      case 'matchSet':
        return this.#inSet(option);
      case 'addressRange':
        this.subject.place(
          `${option.end === 'source' ? 'from' : 'to'} ${option.negated ? 'outside of ' : ''}${option.from} to ${option.to}`,
          option.end === 'source' ? undefined : 'address',
        );
        return '';
      case 'kept':
        // Options of sets that change how an element is looked at, and no answer for most.
        return module === 'set' && !option.negated
          ? `(${option.name}${option.values.map((value) => ` ${value}`).join('')})`
          : undefined;
      default:
        return undefined;
    }
  }

  #inSet({ set, flags, negated }: IptablesOption & { readonly kind: 'matchSet' }): string {
    const type = this.#names.ipSet(set)?.type.split(':')[1]?.split(',') ?? [];
    const parts = flags.map(
      (flag, index) =>
        `${flag === 'src' ? 'source' : 'destination'} ${partWords.get(type[index] ?? '') ?? (index === 0 ? 'address' : index === 1 && flag === flags[0] ? 'port' : 'address')}`,
    );
    const purpose = setPurpose(set);
    return `whose ${list(parts, 'and')} ${parts.length > 1 ? 'are' : 'is'} ${negated ? 'not ' : ''}in set ${set}${purpose === undefined ? '' : ` (${purpose})`}`;
  }

  #addressTypes(options: readonly IptablesOption[]): void {
    const limit = options.find((option) => option.kind === 'limitInterface');
    const ofInterface =
      limit === undefined ? '' : ` of the interface by which they ${limit.side === 'in' ? 'come' : 'leave'}`;
    for (const option of options) {
      if (option.kind !== 'addressType') continue;
      const types = option.types.map((type) => type.toUpperCase());
      const own = types.length === 1 && types[0] === 'LOCAL';
      const words = own
        ? `${option.negated ? 'an address that is not one of this node' : 'an address of this node'}`
        : `an address that is ${option.negated ? 'not ' : ''}of type ${list(types, 'or')}`;
      if (option.end === 'source' && own)
        this.subject.place(option.negated ? 'from elsewhere than this node' : 'from this node itself');
      else if (option.end === 'source') this.subject.place(`from ${words}${ofInterface}`);
      else this.subject.place(`to ${words}${ofInterface}`, own ? 'ownAddress' : 'address');
    }
  }

  #statistic(options: readonly IptablesOption[], match: IptablesMatch): void {
    const probability = options.find((option) => option.kind === 'probability');
    const every = options.find((option) => option.kind === 'every');
    if (probability !== undefined) {
      const share = probability.of2To31 / 2 ** 31;
      this.subject.share = `${percent(probability.negated ? 1 - share : share)} (drawn at random)`;
    } else if (every !== undefined) {
      this.subject.share = every.negated
        ? `all but one of each ${String(every.count)}`
        : `one of each ${String(every.count)}`;
    } else this.#unknownMatch(match);
  }

  #recent(options: readonly IptablesOption[], match: IptablesMatch): void {
    const action = options.find((option) => option.kind === 'recent');
    const name = options.find((option) => option.kind === 'recentList')?.name ?? 'DEFAULT';
    const kept = new Map(
      options.flatMap((option) =>
        option.kind === 'kept' && !option.negated ? [[option.name, option.values[0] ?? '']] : [],
      ),
    );
    if (
      action === undefined ||
      options.some((option) => option.kind === 'kept' && (option.negated || !recentOptions.has(option.name)))
    ) {
      this.#unknownMatch(match);
      return;
    }
    const who = kept.has('--rdest') ? 'destination' : 'client';
    const seconds = kept.get('--seconds');
    const hits = kept.get('--hitcount');
    const since = `${hits === undefined ? '' : ` at least ${hits === '1' ? 'once' : `${hits} times`}`}${seconds === undefined ? '' : ` within the last ${seconds === '1' ? 'second' : `${seconds} seconds`}`}`;
    switch (action.action) {
      case 'set':
        if (action.negated) this.subject.conditions.push(`of no ${who} at all (${printMatch(match).trim()})`);
        else this.before.push(`have their ${who} remembered in the list ${name}`);
        return;
      case 'rcheck':
      case 'update':
        this.subject.conditions.push(`whose ${who} is ${action.negated ? 'not ' : ''}in the list ${name}${since}`);
        if (action.action === 'update') this.before.push('refresh that entry');
        return;
      case 'remove':
        this.subject.conditions.push(`whose ${who} is ${action.negated ? 'not ' : ''}in the list ${name}`);
        this.before.push('take it out of the list');
        return;
    }
  }

  target(target: IptablesTarget | undefined): string[] {
    if (target === undefined) return ['are counted, and go on with the next rule'];
    const { noun } = this.subject;
    switch (target.kind) {
      case 'jump':
        return [`go to ${chainText(target.chain, this.#names)}`];
      case 'goto':
        return [`go to ${chainText(target.chain, this.#names)}, and do not come back to this chain`];
      case 'ACCEPT':
        return [noun === 'connections' ? 'are left as they are: no further rule of this table is evaluated' : 'pass'];
      case 'DROP':
        return ['are dropped: the client gets no answer'];
      case 'RETURN':
        return ['go back to the chain that they came from'];
      case 'QUEUE':
        return ['are given to a program that decides about them'];
      case 'NOTRACK':
      case 'CT':
        return ['are not tracked by conntrack, so that no nat rule sees them'];
      case 'TRACE':
        return ['are traced: the kernel logs each rule that they meet'];
      case 'REJECT':
        return [`are refused: the client gets ${target.with ?? 'icmp-port-unreachable'}`];
      case 'DNAT': {
        const to = target.to.map((range) =>
          range.addresses === undefined || range.addresses.from !== range.addresses.to
            ? printNatRange(range)
            : withPod(printNatRange(range), range.addresses.from, this.#names),
        );
        return [`get another destination (DNAT): ${list(to, 'or')}${flagsText(target.flags)}`];
      }
      case 'SNAT':
        return [`get another source (SNAT): ${list(target.to.map(printNatRange), 'or')}${flagsText(target.flags)}`];
      case 'MASQUERADE':
        return [
          `get the address of the interface by which they leave as their source (masquerade)${target.ports === undefined ? '' : `, with a port of ${portText(target.ports)}`}${flagsText(target.flags)}`,
        ];
      case 'REDIRECT':
        return [
          `are sent to this node itself${target.ports === undefined ? '' : `, port ${portText(target.ports)}`}${flagsText(target.flags)}`,
        ];
      case 'NETMAP':
        return [`get the network part of ${target.to} in their address`];
      case 'MARK':
        return [markEffect('mark', target.value, target.clear)];
      case 'CONNMARK':
        if (target.action === 'set') return [markEffect('connection mark', target.value, target.clear)];
        return [
          target.action === 'save'
            ? 'have their mark kept as the mark of the connection'
            : 'get back the mark of their connection',
        ];
      case 'extension': {
        const words = extensionWords.get(target.name)?.(target.options);
        if (words !== undefined) return [words];
        const text = printTarget(target).trim();
        this.unknown.push(text);
        return [`are given to a target (${notKnown(text)})`];
      }
    }
  }
}

const transportModules = new Set(['tcp', 'udp', 'udplite', 'sctp', 'dccp']);
const partWords = new Map([
  ['ip', 'address'],
  ['net', 'address'],
  ['port', 'port'],
  ['mac', 'hardware address'],
  ['mark', 'mark'],
  ['iface', 'interface'],
]);
const recentOptions = new Set(['--seconds', '--reap', '--hitcount', '--rttl', '--mask', '--rsource', '--rdest']);

/** xt_conntrack.h. */
const stateWords: ReadonlyMap<string, string> = new Map([
  ['NEW', 'new'],
  ['ESTABLISHED', 'established'],
  ['RELATED', 'related to another one'],
  ['INVALID', 'invalid'],
  ['UNTRACKED', 'untracked'],
  ['SNAT', 'one with a rewritten source'],
  ['DNAT', 'one with a rewritten destination'],
]);

/** What modules ask whose options are kept by their words. */
const keptWords: ReadonlyMap<string, (options: readonly KeptOption[]) => string | undefined> = new Map([
  ['nfacct', (options: readonly KeptOption[]) => only(options, '--nfacct-name', (name) => `are counted as ${name}`)],
  [
    'limit',
    (options) => {
      const rate = valueOf(options, '--limit');
      return rate === undefined ? undefined : `as long as they are no more than ${rate}`;
    },
  ],
  [
    'owner',
    (options) => {
      const words = options.map(({ name, values, negated }) =>
        `${negated ? 'not ' : ''}${name.replace(/^--/, '').replace('-owner', '')} ${values.join(' ')}`.trim(),
      );
      return `that a program of ${list(words, 'and')} sends`;
    },
  ],
  [
    'physdev',
    (options) => {
      const words = options.map(
        ({ name, values, negated }) =>
          `${negated ? 'do not ' : ''}${name.endsWith('out') ? 'leave by' : name.endsWith('in') ? 'come in by' : 'pass'} ${values.length === 0 ? 'a port of a bridge' : `port ${values.join(' ')} of a bridge`}`,
      );
      return `that ${list(words, 'and')}`;
    },
  ],
  ['icmp', (options) => typed(options, '--icmp-type', 'ICMP')],
  ['icmp6', (options) => typed(options, '--icmpv6-type', 'ICMPv6')],
  ['icmpv6', (options) => typed(options, '--icmpv6-type', 'ICMPv6')],
  ['pkttype', (options) => typed(options, '--pkt-type', 'link')],
  ['length', (options) => typed(options, '--length', 'a length of bytes, and')],
  ['mac', (options) => only(options, '--mac-source', (address) => `from the hardware address ${address}`)],
  [
    'socket',
    (options) =>
      `for which a program of this node has a${options.some(({ name }) => name === '--transparent') ? ' transparent' : ''} socket`,
  ],
  [
    'rpfilter',
    (options) =>
      options.some(({ name }) => name === '--invert')
        ? 'that come by another interface than the answer would take'
        : 'that come by the interface that the answer would take',
  ],
  [
    'connlimit',
    (options) => {
      const above = valueOf(options, '--connlimit-above');
      const upto = valueOf(options, '--connlimit-upto');
      return above === undefined && upto === undefined
        ? undefined
        : `whose client has ${above === undefined ? `at most ${upto ?? ''}` : `more than ${above}`} connections`;
    },
  ],
  [
    'hashlimit',
    (options) => {
      const above = valueOf(options, '--hashlimit-above');
      const upto = valueOf(options, '--hashlimit-upto') ?? valueOf(options, '--hashlimit');
      return above === undefined && upto === undefined
        ? undefined
        : above === undefined
          ? `as long as they are no more than ${upto ?? ''}`
          : `beyond ${above}`;
    },
  ],
]);

/** Targets that change nothing of what rules ask for; what they do beside. */
const extensionWords: ReadonlyMap<string, (options: readonly KeptOption[]) => string | undefined> = new Map([
  [
    'LOG',
    (options: readonly KeptOption[]) =>
      `are written to the kernel's log${prefixOf(options, '--log-prefix')}, and go on with the next rule`,
  ],
  [
    'NFLOG',
    (options) => `are given to a logging program${prefixOf(options, '--nflog-prefix')}, and go on with the next rule`,
  ],
  ['TCPMSS', () => 'get another maximum segment size, and go on with the next rule'],
  ['CHECKSUM', () => 'get their checksum filled in, and go on with the next rule'],
  ['DSCP', () => 'get another DSCP field, and go on with the next rule'],
  ['TOS', () => 'get another TOS field, and go on with the next rule'],
  ['TTL', () => 'get another TTL, and go on with the next rule'],
  ['HL', () => 'get another hop limit, and go on with the next rule'],
  ['TEE', () => 'are copied to another machine, and go on with the next rule'],
  ['CLASSIFY', () => 'get a traffic class, and go on with the next rule'],
  [
    'TPROXY',
    (options) =>
      `are given to a program of this node that listens on port ${valueOf(options, '--on-port') ?? 'of their own'} (TPROXY)`,
  ],
  ['AUDIT', () => 'are written to the audit log, and go on with the next rule'],
  [
    'SET',
    (options) => {
      const [option] = options;
      const [set = '', flags = ''] = option?.values ?? [];
      if (option?.name === '--add-set') return `are remembered in set ${set} (${flags}), and go on with the next rule`;
      return option?.name === '--del-set'
        ? `are taken out of set ${set} (${flags}), and go on with the next rule`
        : undefined;
    },
  ],
]);

function prefixOf(options: readonly KeptOption[], name: string): string {
  const prefix = valueOf(options, name);
  return prefix === undefined ? '' : ` with the prefix ${prefix}`;
}

function valueOf(options: readonly KeptOption[], name: string): string | undefined {
  return options.find((option) => option.name === name && !option.negated)?.values[0];
}

function only(options: readonly KeptOption[], name: string, words: (value: string) => string): string | undefined {
  const value = valueOf(options, name);
  return value === undefined || options.length !== 1 ? undefined : words(value);
}

function typed(options: readonly KeptOption[], name: string, kind: string): string | undefined {
  const [option] = options;
  return options.length !== 1 || option?.name !== name
    ? undefined
    : `that are ${option.negated ? 'not ' : ''}of ${kind} type ${option.values[0] ?? ''}`;
}

/** A prefix of one address is the address. */
function hostText(prefix: string): string {
  return prefix.replace(prefix.includes(':') ? /\/128$/ : /\/32$/, '');
}

function interfaceText(name: string): string {
  return name.endsWith('+') ? `an interface whose name begins with ${name.slice(0, -1)}` : `interface ${name}`;
}

function portText({ from, to }: PortRange): string {
  return from === to ? String(from) : `${String(from)} to ${String(to)}`;
}

function markText(
  name: string,
  { value, mask, negated }: { readonly value: number; readonly mask: number; readonly negated: boolean },
): string {
  const isFlag = value === mask && (value & (value - 1)) === 0;
  if (isFlag || (value === 0 && (mask & (mask - 1)) === 0))
    return `${(value === 0) === negated ? 'with' : 'without'} the ${name} ${hex(mask)}`;
  return `whose ${name}${mask >>> 0 === 0xffffffff ? '' : ` under ${hex(mask)}`} is ${negated ? 'not ' : ''}${hex(value)}`;
}

/** The mark becomes (mark and not clear) xor value. */
function markEffect(name: string, value: number, clear: number): string {
  if (clear >>> 0 === 0xffffffff) return `get the ${name} ${hex(value)}`;
  if (value === clear) return `get the ${name} ${hex(value)}`;
  if (clear === 0) return `have the ${name} ${hex(value)} flipped: those that had it lose it`;
  if (value === 0) return `lose the ${name} ${hex(clear)}`;
  return `get the ${name} ${hex(value)} in place of what it was under ${hex(clear)}`;
}

function tcpFlagsText(mask: number, set: number, negated: boolean): string {
  const names = (bits: number): string[] =>
    [...tcpFlagBits].flatMap(([name, bit]) => ((bits & bit) === 0 ? [] : [name]));
  if (mask === 0x17 && set === 0x02) return negated ? 'that do not open a connection' : 'that open a connection (SYN)';
  return `of whose TCP flags ${list(names(mask), 'and')} ${negated ? 'not just' : 'just'} ${names(set).length === 0 ? 'none' : list(names(set), 'and')} ${names(set).length > 1 ? 'are' : 'is'} set`;
}

function flagsText(flags: readonly string[]): string {
  return [
    ...(flags.some((flag) => flag.startsWith('random') || flag.startsWith('fully')) ? [', with a random port'] : []),
    ...(flags.includes('persistent') ? [', the same for the same client'] : []),
  ].join('');
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
