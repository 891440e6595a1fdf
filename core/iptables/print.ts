/** Rules and whole dumps as iptables-save prints them, made from the model alone. */
import { cellPer } from '../lib/once-per.ts';
import type {
  IptablesMatch,
  IptablesOption,
  IptablesRule,
  IptablesTarget,
  KeptOption,
  NatFlag,
  NatRange,
  PortRange,
} from './rule.ts';
import type { IptablesRuleset } from './ruleset.ts';
import { tcpFlagBits } from './modules.ts';

/**
 * As printIptablesRule prints it: each walk that meets the rule, and each view of it, has the same text, and so have rules
 * that share what they ask and do (sharingParser).
 */
export function iptablesRuleText(rule: IptablesRule): string {
  const cell = texts(rule.matches);
  if (cell.value === undefined || !isSameButCounters(cell.value.rule, rule))
    cell.value = { rule, text: printIptablesRule(rule) };
  return cell.value.text;
}

const texts = cellPer<IptablesRule['matches'], { readonly rule: IptablesRule; readonly text: string }>();

function isSameButCounters(one: IptablesRule, other: IptablesRule): boolean {
  return (
    one === other ||
    (one.chain === other.chain &&
      one.source === other.source &&
      one.destination === other.destination &&
      one.inInterface === other.inInterface &&
      one.outInterface === other.outInterface &&
      one.protocol === other.protocol &&
      one.fragment === other.fragment &&
      one.matches === other.matches &&
      one.target === other.target &&
      one.remark === other.remark)
  );
}

/** `-A CHAIN …` without counters; the options in iptables-save's order. Parsed again it is the same rule. */
export function printIptablesRule(rule: IptablesRule): string {
  let text = `-A ${printName(rule.chain)}`;
  if (rule.source !== undefined) text += `${not(rule.source)} -s ${printName(rule.source.prefix)}`;
  if (rule.destination !== undefined) text += `${not(rule.destination)} -d ${printName(rule.destination.prefix)}`;
  if (rule.inInterface !== undefined) text += `${not(rule.inInterface)} -i ${printName(rule.inInterface.name)}`;
  if (rule.outInterface !== undefined) text += `${not(rule.outInterface)} -o ${printName(rule.outInterface.name)}`;
  if (rule.protocol !== undefined) text += `${not(rule.protocol)} -p ${printName(rule.protocol.protocol)}`;
  if (rule.fragment !== undefined) text += `${not(rule.fragment)} -f`;
  let truncated = '';
  for (const match of rule.matches) {
    text += printMatch(match);
    for (const option of match.options) if (option.kind === 'truncated') truncated += ` ${option.text}`;
  }
  if (rule.target !== undefined) text += printTarget(rule.target);
  // What is truncated has the rest of its line in it, so that nothing can stand behind.
  return text + truncated + (rule.remark === undefined ? '' : ` ${rule.remark}`);
}

/** The whole dump, without the comments that say who made it and when; with the rules' counters as -c prints them, or without. */
export function printIptablesSave(ruleset: IptablesRuleset, { counters }: { readonly counters: boolean }): string {
  const lines: string[] = [];
  for (const [table, chains] of ruleset.tables) {
    lines.push(`*${table}`);
    for (const [name, chain] of chains)
      lines.push(
        `:${name} ${chain.policy ?? '-'} [${String(chain.counters?.packets ?? 0)}:${String(chain.counters?.bytes ?? 0)}]`,
      );
    for (const { rules } of chains.values()) {
      for (const rule of rules)
        lines.push(
          counters
            ? `[${String(rule.counters?.packets ?? 0)}:${String(rule.counters?.bytes ?? 0)}] ${printIptablesRule(rule)}`
            : printIptablesRule(rule),
        );
    }
    lines.push('COMMIT');
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** ` -m tcp --dport 80`, as it stands in a rule: also what a message says of it. */
export function printMatch({ module, options }: IptablesMatch): string {
  let text = module === '' ? '' : ` -m ${printName(module)}`;
  for (const option of options) if (option.kind !== 'truncated') text += printOption(option, module);
  return text;
}

/** ` -j DNAT --to-destination 10.0.0.1:80`. */
export function printTarget(target: IptablesTarget): string {
  switch (target.kind) {
    case 'jump':
      return ` -j ${printName(target.chain)}`;
    case 'goto':
      return ` -g ${printName(target.chain)}`;
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
    case 'QUEUE':
    case 'NOTRACK':
    case 'TRACE':
      return ` -j ${target.kind}`;
    case 'REJECT':
      return target.with === undefined ? ' -j REJECT' : ` -j REJECT --reject-with ${target.with}`;
    case 'DNAT':
    case 'SNAT': {
      const name = target.kind === 'DNAT' ? '--to-destination' : '--to-source';
      return ` -j ${target.kind}${target.to.map((range) => ` ${name} ${printNatRange(range)}`).join('')}${printFlags(target.flags)}`;
    }
    case 'MASQUERADE':
    case 'REDIRECT':
      return ` -j ${target.kind}${target.ports === undefined ? '' : ` --to-ports ${printPorts(target.ports, '-')}`}${printFlags(target.flags)}`;
    case 'NETMAP':
      return ` -j NETMAP --to ${printName(target.to)}`;
    case 'MARK':
      return ` -j MARK --set-xmark ${hex(target.value)}/${hex(target.clear)}`;
    case 'CONNMARK':
      if (target.action === 'set') return ` -j CONNMARK --set-xmark ${hex(target.value)}/${hex(target.clear)}`;
      return ` -j CONNMARK --${target.action}-mark --nfmask ${hex(target.nfmask)} --ctmask ${hex(target.ctmask)}`;
    case 'CT':
      return ' -j CT --notrack';
    case 'extension':
      return ` -j ${printName(target.name)}${target.options.map((option) => printKept(option, target.name)).join('')}`;
  }
}

/** `10.0.0.1:80`: what stands behind --to-destination. */
export function printNatRange({ addresses, ports, base }: NatRange): string {
  const span =
    addresses === undefined
      ? ''
      : addresses.from === addresses.to
        ? addresses.from
        : `${addresses.from}-${addresses.to}`;
  if (ports === undefined) return span;
  return `${span.includes(':') ? `[${span}]` : span}:${printPorts(ports, '-')}${base === undefined ? '' : `/${String(base)}`}`;
}

function printOption(option: Exclude<IptablesOption, { kind: 'truncated' }>, module: string): string {
  const sign = not(option);
  switch (option.kind) {
    case 'sourcePort':
      return `${sign} --sport ${printPorts(option, ':')}`;
    case 'destinationPort':
      return `${sign} --dport ${printPorts(option, ':')}`;
    case 'multiport':
      return `${sign} --${option.end === 'either' ? '' : (option.end[0] ?? '')}ports ${option.ranges.map((range) => printPorts(range, ':')).join(',')}`;
    case 'tcpFlags':
      return `${sign} --tcp-flags ${printTcpFlags(option.mask)} ${printTcpFlags(option.set)}`;
    case 'statisticMode':
      return ` --mode ${option.mode}`;
    case 'probability':
      return `${sign} --probability ${(option.of2To31 / 2 ** 31).toFixed(11)}`;
    case 'every':
      return `${sign} --every ${String(option.count)}`;
    case 'packet':
      return ` --packet ${String(option.number)}`;
    case 'mark':
      return `${sign} --mark ${hex(option.value)}${option.mask === 0xffffffff ? '' : `/${hex(option.mask)}`}`;
    case 'addressType':
      return `${sign} --${option.end === 'source' ? 'src' : 'dst'}-type ${printName(option.types.join(','))}`;
    case 'limitInterface':
      return ` --limit-iface-${option.side}`;
    case 'connectionState':
      return `${sign} --${module === 'state' ? 'state' : 'ctstate'} ${printName(option.states.join(','))}`;
    case 'connectionStatus':
      return `${sign} --ctstatus ${printName(option.statuses.join(','))}`;
    case 'connectionProtocol':
      return `${sign} --ctproto ${printName(option.protocol)}`;
    case 'connectionAddress':
      return `${sign} --ct${directions[option.direction]}${ends[option.end]} ${printName(option.prefix)}`;
    case 'connectionPort':
      return `${sign} --ct${directions[option.direction]}${ends[option.end]}port ${printPorts(option, ':')}`;
    case 'direction':
      return `${sign} --ctdir ${option.direction.toUpperCase()}`;
    case 'matchSet':
      return `${sign} --match-set ${printName(option.set)} ${option.flags.join(',')}`;
    case 'recent':
      return `${sign} --${option.action}`;
    case 'recentList':
      return ` --name ${printName(option.name)}`;
    case 'comment':
      return ` --comment ${quoteText(option.text)}`;
    case 'addressRange':
      return `${sign} --${option.end === 'source' ? 'src' : 'dst'}-range ${printName(`${option.from}-${option.to}`)}`;
    case 'kept':
      return printKept(option, module);
  }
}

const directions = { original: 'orig', reply: 'repl' } as const;
const ends = { source: 'src', destination: 'dst' } as const;

/** nfacct prints two blanks before its name (libxt_nfacct.c). */
function printKept({ name, values, negated }: KeptOption, module: string): string {
  return `${negated ? ' !' : ''} ${name}${module === 'nfacct' && name === '--nfacct-name' ? ' ' : ''}${values.map((value) => ` ${value}`).join('')}`;
}

function not({ negated }: { readonly negated: boolean }): string {
  return negated ? ' !' : '';
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function printPorts({ from, to }: PortRange, sign: string): string {
  return from === to ? String(from) : `${String(from)}${sign}${String(to)}`;
}

function printFlags(flags: readonly NatFlag[]): string {
  return flags.map((flag) => ` --${flag}`).join('');
}

function printTcpFlags(bits: number): string {
  if (bits === 0) return 'NONE';
  return [...tcpFlagBits]
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',');
}

/** In double quotes unless it is of plain characters alone (libxtables/xtables.c xtables_save_string). */
function quoteText(text: string): string {
  if (/^[\w-]+$/.test(text)) return text;
  return `"${text.replace(/["\\']/g, '\\$&')}"`;
}

/** A name that iptables prints without quotes; another one gets them, so that it is read as one word. */
function printName(text: string): string {
  return /^[^\s"!-][^\s"]*$/.test(text) ? text : quoteText(text);
}
