/** Whole dumps of iptables-save and ip6tables-save, with counters (-c) or without. */
import type { IptablesRule } from './rule.ts';
import type { Counters } from '../net/counters.ts';
import type { IptablesRuleset, IptablesChain } from './ruleset.ts';
import type { Family } from '../net/family.ts';
import { findChainCycle, type Jump } from '../dump/chain-cycle.ts';
import { DumpLines, type DumpParser, type DumpProblem } from '../dump/lines.ts';
import { parseIptablesRule, readCounters } from './parse-rule.ts';

export interface IptablesSaveOptions {
  /** Which chains are to be in the result; all of them where this is absent. */
  keep?(table: string, chain: string): boolean;
  /** Is shown every rule as it comes, kept or not; of a table that proves to be broken too. */
  visit?(table: string, rule: IptablesRule, line: number): void;
}

/** A dump that is at hand as one text. */
export function parseIptablesSave(text: string): {
  readonly result: IptablesRuleset[];
  readonly problems: readonly DumpProblem[];
} {
  const dump = new IptablesSaveDump();
  dump.push(text);
  return dump.end();
}

interface OpenChain {
  policy?: string;
  counters?: Counters;
  readonly rules: IptablesRule[];
}

interface OpenTable {
  readonly name: string;
  readonly line: number;
  readonly chains: Map<string, OpenChain>;
  /** Of the chains that are kept: where their rules lead. */
  readonly jumps: Map<string, Jump[]>;
  /** Some rule has an IPv6 address. */
  isIPv6: boolean;
  /** A line of it could not be read, and was reported; the rest is passed over. */
  isBroken: boolean;
}

/**
 * Reads dumps line by line: several may follow each other, of both families; a table that is there a second time
 * begins another ruleset. A table with a line that cannot be read, or without COMMIT, is left out of the result with
 * one problem; the others are read.
 */
export class IptablesSaveDump implements DumpParser<IptablesRuleset[]> {
  readonly #options: IptablesSaveOptions;
  readonly #lines: DumpLines;
  readonly #problems: DumpProblem[] = [];
  readonly #rulesets: { readonly family: Family; readonly tables: Map<string, ReadonlyMap<string, IptablesChain>> }[] =
    [];
  #announced: Family | undefined;
  #table: OpenTable | undefined;
  /** The chain of the rule before: most rules are of the same one. */
  #chain: { readonly name: string; readonly rules: IptablesRule[] | undefined } | undefined;
  #isOutside = false;
  #firstRemark: DumpProblem | undefined;
  #remarks = 0;

  constructor(options: IptablesSaveOptions = {}) {
    this.#options = options;
    this.#lines = new DumpLines(
      (text, line) => {
        this.#read(text.trim(), line);
      },
      ({ line, message }) => {
        this.#refuse(line, message);
      },
    );
  }

  push(chunk: Uint8Array | string): void {
    this.#lines.push(chunk);
  }

  end(): { readonly result: IptablesRuleset[]; readonly problems: readonly DumpProblem[] } {
    const { lines } = this.#lines.end();
    if (this.#table !== undefined)
      this.#refuse(
        lines,
        `the dump ends before COMMIT closes table ${this.#table.name} of line ${String(this.#table.line)}: it is truncated; capture it again`,
      );
    const note = this.#firstRemark;
    if (note !== undefined)
      this.#problems.push(
        this.#remarks === 1 ? note : { ...note, message: `${note.message} (and of ${String(this.#remarks - 1)} more)` },
      );
    return { result: this.#rulesets, problems: this.#problems };
  }

  #read(line: string, number: number): void {
    switch (line.charCodeAt(0)) {
      case 0x5b: // [
      case 0x2d: // -
        this.#rule(line, number);
        return;
      case 0x3a: // :
        this.#declare(line, number);
        return;
      case 0x2a: // *
        this.#open(line.slice(1), number);
        return;
      case 0x23: // #
        this.#comment(line, number);
        return;
      default:
        if (line === 'COMMIT' && this.#table !== undefined) this.#close(this.#table);
        else if (line !== '')
          this.#refuse(
            number,
            this.#table === undefined
              ? `it is outside of any table: ${line.slice(0, 60)}`
              : `it is not a rule of a dump: ${line.slice(0, 60)}`,
          );
    }
  }

  #rule(line: string, number: number): void {
    const table = this.#table;
    if (table === undefined) {
      this.#refuse(number, `it is outside of any table: ${line.slice(0, 60)}`);
      return;
    }
    if (table.isBroken) return;
    const rule = parseIptablesRule(line);
    if (rule === undefined) {
      this.#refuse(number, `it is not a rule of a dump: ${line.slice(0, 60)}`);
      return;
    }
    if (isTruncated(rule)) {
      this.#refuse(
        number,
        `a quote is not closed: the line is truncated; capture the dump again: ${line.slice(0, 60)}`,
      );
      return;
    }
    if (rule.refused !== undefined)
      this.#problems.push({
        line: number,
        message: `iptables-restore takes no such line, for ${rule.refused}: ${line.slice(0, 60)}`,
      });
    if (rule.remark !== undefined) {
      this.#remarks += 1;
      this.#firstRemark ??= {
        line: number,
        isNote: true,
        message: `what follows # is left aside as a remark, which iptables-restore would not take: ${rule.remark.slice(0, 60)}`,
      };
    }
    if (!table.isIPv6 && isOfIPv6(rule)) table.isIPv6 = true;
    if (this.#chain?.name !== rule.chain) this.#chain = { name: rule.chain, rules: this.#rulesOf(table, rule.chain) };
    this.#chain.rules?.push(rule);
    if (this.#chain.rules !== undefined && (rule.target?.kind === 'jump' || rule.target?.kind === 'goto')) {
      const jump = { to: rule.target.chain, line: number };
      const jumps = table.jumps.get(rule.chain);
      if (jumps === undefined) table.jumps.set(rule.chain, [jump]);
      else jumps.push(jump);
    }
    this.#options.visit?.(table.name, rule, number);
  }

  /** undefined for a chain that is not kept. */
  #rulesOf(table: OpenTable, name: string): IptablesRule[] | undefined {
    const declared = table.chains.get(name);
    if (declared !== undefined) return declared.rules;
    if (this.#options.keep?.(table.name, name) === false) return undefined;
    // iptables-restore takes rules of a built-in chain without its declaration.
    const rules: IptablesRule[] = [];
    table.chains.set(name, { rules });
    return rules;
  }

  /** `:INPUT ACCEPT [12:720]` */
  #declare(line: string, number: number): void {
    const table = this.#table;
    if (table === undefined) {
      this.#refuse(number, `it is outside of any table: ${line.slice(0, 60)}`);
      return;
    }
    if (table.isBroken) return;
    const [name = '', policy = '-', counted, more] = line.slice(1).split(/\s+/);
    const colon = counted?.indexOf(':') ?? -1;
    const counters =
      counted === undefined
        ? undefined
        : counted.startsWith('[') && counted.endsWith(']')
          ? readCounters(counted.slice(1, colon), counted.slice(colon + 1, -1))
          : undefined;
    if (
      name === '' ||
      (policy !== '-' && policy !== 'ACCEPT' && policy !== 'DROP') ||
      (counted !== undefined && counters === undefined) ||
      more !== undefined
    ) {
      this.#refuse(number, `it is not a declaration of a chain: ${line.slice(0, 60)}`);
      return;
    }
    if (this.#options.keep?.(table.name, name) === false) return;
    if (table.chains.has(name)) {
      this.#refuse(number, `chain ${name} is declared a second time: the dump is truncated; capture it again`);
      return;
    }
    table.chains.set(name, {
      ...(policy === '-' ? undefined : { policy }),
      ...(counters === undefined ? undefined : { counters }),
      rules: [],
    });
  }

  #open(name: string, number: number): void {
    const before = this.#table;
    if (before !== undefined)
      this.#refuse(
        number,
        `table ${name} begins before COMMIT closes table ${before.name} of line ${String(before.line)}: the dump is truncated; capture it again`,
      );
    this.#table = { name, line: number, chains: new Map(), jumps: new Map(), isIPv6: false, isBroken: false };
    this.#chain = undefined;
    this.#isOutside = false;
    if (!/^[\w-]+$/.test(name)) this.#refuse(number, `it is not a name of a table: *${name.slice(0, 60)}`);
  }

  #close(table: OpenTable): void {
    const builtIns = [...table.chains].flatMap(([name, { policy }]) => (policy === undefined ? [] : [name]));
    const cycle = table.isBroken ? undefined : findChainCycle(builtIns, (chain) => table.jumps.get(chain) ?? []);
    if (cycle !== undefined)
      this.#refuse(
        cycle.line,
        `the rules jump in a circle, ${cycle.chains.join(' -> ')}, which no kernel takes: the dump was altered; capture it again`,
      );
    this.#table = undefined;
    this.#chain = undefined;
    if (table.isBroken) return;
    const family = this.#announced ?? (table.isIPv6 ? 'IPv6' : 'IPv4');
    let ruleset = this.#rulesets.findLast((each) => each.family === family);
    if (ruleset === undefined || ruleset.tables.has(table.name)) {
      ruleset = { family, tables: new Map() };
      this.#rulesets.push(ruleset);
    }
    ruleset.tables.set(table.name, table.chains);
  }

  #comment(line: string, number: number): void {
    const tool = /Generated by (ip6?tables)/.exec(line)?.[1];
    if (tool !== undefined && this.#table === undefined) this.#announced = tool === 'ip6tables' ? 'IPv6' : 'IPv4';
    // iptables-nft-save says so of what it cannot show (iptables/xtables-save.c).
    const incompatible = /^# Table [`'](.+)' is incompatible/.exec(line)?.[1];
    if (incompatible !== undefined)
      this.#problems.push({
        line: number,
        table: incompatible,
        message:
          'iptables-save cannot show this table, for nft wrote some of its rules; add what nft list ruleset prints',
      });
    const legacy = /^# Warning: (\S+) tables present/.exec(line)?.[1];
    if (legacy !== undefined)
      this.#problems.push({
        line: number,
        legacyTables: legacy.startsWith('ip6') ? 'IPv6' : 'IPv4',
        message: `the node has ${legacy} tables too, which this dump does not hold; add what ${legacy}-save prints`,
      });
  }

  /** Reports a problem: once for each table, and once for lines in a row that are outside of any. */
  #refuse(line: number, message: string): void {
    const table = this.#table;
    if (table === undefined) {
      if (!this.#isOutside) this.#problems.push({ line, message });
      this.#isOutside = true;
      return;
    }
    if (table.isBroken) return;
    table.isBroken = true;
    table.chains.clear();
    this.#problems.push({ line, table: table.name, message });
  }
}

function isTruncated({ matches }: IptablesRule): boolean {
  const first = matches[0];
  return first !== undefined && first.module === '' && first.options.some(({ kind }) => kind === 'truncated');
}

/** Where the dump does not say its family: by any address of the rule. */
function isOfIPv6({ source, destination, target }: IptablesRule): boolean {
  if (source?.prefix.includes(':') === true || destination?.prefix.includes(':') === true) return true;
  return (
    (target?.kind === 'DNAT' || target?.kind === 'SNAT') &&
    target.to.some(({ addresses }) => addresses?.from.includes(':') === true)
  );
}
