/** The symbolic walk through iptables rules: netfilter's hooks in their order, as far as kube-proxy uses them. */
import { isSameAddress, parseHostPort, prefixContains } from '../address.ts';
import type { IptablesMatch, IptablesRule, IptablesTarget } from '../parse/iptables-rules.ts';
import { ChainLoopError, maxDepth, withProbability, type At, type Branch, type ChainOutcome, type Ended, type Machine, type Packet, type Step, type Trail } from './walk.ts';

/** The rules of a chain; undefined where the chain was not read. */
export type ChainLookup = (table: string, chain: string) => readonly IptablesRule[] | undefined;

/** The walk through the tables of one dump, chain by chain. */
export class IptablesWalk {
  readonly #lookup: ChainLookup;
  readonly #packet: Packet;
  readonly #machine: Machine;
  readonly #trail: Trail;

  constructor(lookup: ChainLookup, packet: Packet, machine: Machine, trail: Trail) {
    this.#lookup = lookup;
    this.#packet = packet;
    this.#machine = machine;
    this.#trail = trail;
  }

  /** Sends branches through a chain. */
  chain(table: string, name: string, branches: readonly Branch[], at: At, above: readonly string[] = []): ChainOutcome {
    if (above.includes(name) || above.length > maxDepth) throw new ChainLoopError(`chain ${name} of table ${table} jumps to itself: ${[...above, name].join(' -> ')}`);
    const rules = this.#lookup(table, name);
    if (rules === undefined) {
      this.#trail.unknown.add(`chain ${name} of table ${table}, which was not read`);
      return { through: branches, ended: [] };
    }
    let live = branches;
    const through: Branch[] = [];
    const ended: Ended[] = [];
    for (const rule of rules) {
      const taken: Branch[] = [];
      const passed: Branch[] = [];
      for (const branch of live) {
        const probability = this.#matches(rule, branch);
        if (probability > 0) taken.push({ ...branch, probability: branch.probability * probability });
        if (probability < 1) passed.push({ ...branch, probability: branch.probability * (1 - probability) });
      }
      live = passed;
      if (taken.length === 0) continue;
      const chance = taken.reduce((sum, { probability }) => sum + probability, 0) / branches.reduce((sum, { probability }) => sum + probability, 0);
      const outcome = this.#apply(table, rule, taken, [...above, name], at, chance);
      live = [...live, ...outcome.on];
      through.push(...outcome.returned);
      ended.push(...outcome.ended);
    }
    return { through: [...through, ...live], ended };
  }

  #apply(
    table: string,
    rule: IptablesRule,
    entering: readonly Branch[],
    above: readonly string[],
    at: At,
    chance: number,
  ): { on: readonly Branch[]; returned: readonly Branch[]; ended: readonly Ended[] } {
    const { target } = rule;
    const chain = above.at(-1) ?? '';
    const step: Step = { table, chain, rule: rule.text, effect: `${effectOf(target)}${withProbability(chance)}`, ...(rule.counters === undefined ? {} : { counters: rule.counters }) };
    const taken = this.#trail.meet(rule, step, entering);
    if (target === undefined) return { on: taken, returned: [], ended: [] };
    switch (target.kind) {
      case 'jump':
      case 'goto': {
        const inner = this.chain(table, target.chain, taken, at, above);
        return target.kind === 'jump' ? { on: inner.through, returned: [], ended: inner.ended } : { on: [], returned: inner.through, ended: inner.ended };
      }
      case 'RETURN':
        return { on: [], returned: taken, ended: [] };
      case 'ACCEPT':
      case 'DROP':
      case 'REJECT': {
        const verdict = target.kind;
        return { on: [], returned: [], ended: taken.map((branch) => ({ ...branch, verdict, chain })) };
      }
      case 'MARK':
        return { on: taken.map((branch) => ({ ...branch, mark: ((branch.mark & ~target.clear) ^ target.value) >>> 0 })), returned: [], ended: [] };
      case 'DNAT': {
        const to = parseHostPort(target.to) ?? { address: target.to, port: this.#packet.destinationPort };
        const dnat = { ...to, ...(rule.counters === undefined ? {} : { counters: rule.counters }), by: step };
        return { on: [], returned: [], ended: taken.map((branch) => ({ ...branch, dnat, verdict: 'DNAT', chain })) };
      }
      case 'MASQUERADE':
        return { on: [], returned: [], ended: taken.map((branch) => ({ ...branch, masqueradedBy: step, verdict: 'ACCEPT', chain })) };
      case 'unrecognized':
        this.#trail.unknown.add(target.text);
        return { on: taken, returned: [], ended: [] };
    }
  }

  /** How likely the rule's conditions hold: 0 or 1, or between for a random choice. An unknown one is never followed. */
  #matches(rule: IptablesRule, branch: Branch): number {
    let probability = 1;
    let unknown: string | undefined;
    for (const match of rule.matches) {
      if (match.kind === 'random') probability *= match.negated ? 1 - match.probability : match.probability;
      else {
        const holds = this.#holds(match, branch);
        if (holds === false) return 0;
        if (holds === undefined) unknown = match.kind === 'unrecognized' ? match.text : `${match.kind} of ${rule.text}`;
      }
    }
    if (unknown !== undefined) {
      this.#trail.unknown.add(unknown);
      return 0;
    }
    return probability;
  }

  /** Whether a condition holds; undefined where this version cannot tell. */
  #holds(match: Exclude<IptablesMatch, { kind: 'random' }>, branch: Branch): boolean | undefined {
    if (match.kind === 'unrecognized') return undefined;
    const plain = this.#holdsPlain(match, branch);
    return plain === undefined ? undefined : plain !== match.negated;
  }

  #holdsPlain(match: Exclude<IptablesMatch, { kind: 'random' | 'unrecognized' }>, branch: Branch): boolean | undefined {
    const packet = this.#packet;
    switch (match.kind) {
      case 'source':
        return prefixContains(match.prefix, packet.source);
      case 'destination':
        return prefixContains(match.prefix, branch.dnat?.address ?? packet.destination);
      case 'protocol':
        return match.protocol === 'all' || match.protocol === packet.protocol.toLowerCase();
      case 'destinationPort': {
        const port = branch.dnat?.port ?? packet.destinationPort;
        return port >= match.from && port <= match.to;
      }
      case 'mark':
        return (branch.mark & match.mask) >>> 0 === match.value;
      case 'addressType': {
        const address = match.end === 'source' ? packet.source : (branch.dnat?.address ?? packet.destination);
        return match.type === 'LOCAL' ? this.#machine.addresses.some((own) => isSameAddress(own, address)) : undefined;
      }
      case 'connectionState':
        return match.states.includes('NEW') || (match.states.includes('DNAT') && branch.dnat !== undefined);
      case 'recent':
        // A client that has not been there before is in no list; to be put into one always succeeds.
        return match.action === 'set';
      case 'sourcePort':
      case 'inInterface':
      case 'outInterface':
        return undefined;
    }
  }
}

function effectOf(target: IptablesTarget | undefined): string {
  if (target === undefined) return 'count';
  switch (target.kind) {
    case 'jump':
    case 'goto':
      return `${target.kind} ${target.chain}`;
    case 'DNAT':
      return `DNAT to ${target.to}`;
    case 'MARK':
      return `mark 0x${target.value.toString(16)}`;
    case 'unrecognized':
      return `unknown: ${target.text}`;
    default:
      return target.kind;
  }
}
