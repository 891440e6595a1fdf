/** The symbolic walk through the chains of iptables: what each rule does with a packet's branches. */
import { addressNumber, addressText, parseNetwork } from '../net/address.ts';
import type { IptablesRule, IptablesTarget, KeptOption, NatFlag, NatRange } from '../iptables/rule.ts';
import { cellPer, oncePer } from '../lib/once-per.ts';
import { iptablesRuleText, printTarget } from '../iptables/print.ts';
import { withProbability, type Action } from './action.ts';
import { assume, endUnknown, mayAssume, mostBranches, alternativesOf, withoutIdleAssumptions } from './assume.ts';
import { EndpointChoice, type ChosenEndpoint } from './endpoint-choice.ts';
import { choiceBegin, choiceRules } from './iptables-choice.ts';
import { everyRule, indexedRules, type Goal, type SelectRules } from './iptables-index.ts';
import { PacketMatch, type Before } from './match-iptables.ts';
import { defaultZone, destinationOf, destinationPortOf } from './packet-ends.ts';
import {
  ChainLoopError,
  maxDepth,
  tooDeep,
  Trail,
  type At,
  type Branch,
  type ChainOutcome,
  type Ended,
  type Machine,
  type Met,
  type Packet,
  type Rewritten,
  type Step,
} from './walk.ts';
import { redirectAddresses, whichRedirectAddress } from './walk-hooks.ts';

/** The rules of a chain; undefined where the chain was not read. The same array for the same chain, each time. */
export type ChainLookup = (table: string, chain: string) => readonly IptablesRule[] | undefined;

export interface IptablesWalkOptions {
  /** Absent: by an index over the chain's rules. */
  readonly selectRules?: SelectRules;
}

/**
 * So many conditions of rules are evaluated for one packet, and so many branches of it are followed, before the walk gives
 * up and says so. No real ruleset comes near; chains that jump to the next one twice, again and again, would not end.
 */
const mostQuestions = 1_000_000;
/** So many destinations of one rule are distinguished. */
const mostDestinations = 256;

/** The choice for packets that are the same to all chains of endpoints but some; none of its rules sets the mark. */
interface Like {
  readonly choice: EndpointChoice;
  readonly but: ReadonlySet<string>;
}

/** What a rule did with the branches that it took. */
interface Applied {
  /** Go on with the next rule. */
  readonly on: readonly Branch[];
  /** Go on behind the rule that jumped to this chain. */
  readonly returned: readonly Branch[];
  readonly ended: readonly Ended[];
}

const nothing: readonly never[] = [];

/** The walk through the tables of one dump, chain by chain. */
export class IptablesWalk {
  readonly #lookup: ChainLookup;
  readonly #packet: Packet;
  readonly #machine: Machine;
  readonly #trail: Trail;
  readonly #match: PacketMatch;
  readonly #selectRules: SelectRules;
  readonly #changedSets = new Set<string>();
  /** Of each rule that was not followed: its step is another one than where it was. */
  readonly #unknownRules = new Map<IptablesRule, object>();
  readonly #unread = new Map<string, object>();
  #questions = 0;
  #isGivenUp = false;

  constructor(
    lookup: ChainLookup,
    packet: Packet,
    machine: Machine,
    trail: Trail,
    { selectRules = indexedRules }: IptablesWalkOptions = {},
  ) {
    this.#lookup = lookup;
    this.#packet = packet;
    this.#machine = machine;
    this.#trail = trail;
    this.#match = new PacketMatch(packet, machine);
    this.#selectRules = selectRules;
  }

  /**
   * Sends branches through a chain. A rule with a condition that is not known, and no other that surely fails, is named
   * and taken as not matching.
   * @throws ChainLoopError
   */
  chain(table: string, name: string, branches: readonly Branch[], at: At, above: readonly string[] = []): ChainOutcome {
    if (above.includes(name))
      throw new ChainLoopError(`chain ${name} of table ${table} jumps to itself: ${loopOf(above, name)}`);
    const rules = above.length > maxDepth ? undefined : this.#lookup(table, name);
    if (rules === undefined) {
      const why = `chain ${name} of table ${table}, which ${above.length > maxDepth ? tooDeep : 'was not read'}`;
      this.#trail.unknown.add(why);
      if (!this.#trail.followsUnknown) return { through: branches, ended: [] };
      return endUnknown(
        branches,
        this.#trail.unknownStep(this.#unreadChain(`${table} ${name}`), {
          table,
          chain: name,
          rule: `:${name}`,
          actions: [{ kind: 'unknown', why }],
        }),
        name,
      );
    }
    return this.#rules(table, name, rules, branches, at, [...above, name]);
  }

  #rules(
    table: string,
    name: string,
    rules: readonly IptablesRule[],
    branches: readonly Branch[],
    at: At,
    chains: readonly string[],
  ): ChainOutcome {
    let live = branches;
    const through: Branch[] = [];
    const ended: Ended[] = [];
    const entering = sumOf(branches);
    const choice = this.#trail.sharesChoices ? choiceBegin(rules) : undefined;
    for (const rule of this.#selectRules(rules, this.#goalsOf(branches))) {
      if (live.length === 0) break;
      if (rule === choice) {
        const chosen = this.#choose(table, name, rules, live, at, entering);
        if (chosen !== undefined) {
          for (const branch of chosen) ended.push(branch);
          live = nothing;
          break;
        }
      }
      if (this.#givesUp(table, name, live.length + through.length + ended.length)) {
        if (!this.#trail.followsUnknown) break;
        const step = this.#trail.unknownStep(this.#unreadChain(`${table} ${name}`), {
          table,
          chain: name,
          rule: iptablesRuleText(rule),
          actions: [{ kind: 'unknown', why: 'what follows' }],
        });
        const { through: on, ended: given } = endUnknown(live, step, name);
        live = on;
        for (const branch of given) ended.push(branch);
        break;
      }
      if (rule.refused !== undefined && this.#trail.followsUnknown) {
        const text = iptablesRuleText(rule);
        this.#trail.unknown.add(`${text} (${rule.refused})`);
        const { through: on, ended: lost } = endUnknown(
          live,
          this.#trail.unknownStep(rule, {
            table,
            chain: name,
            rule: text,
            actions: [{ kind: 'unknown', why: rule.refused }],
          }),
          name,
        );
        live = on;
        for (const branch of lost) ended.push(branch);
        continue;
      }
      const { taken, passed, ended: endedInside } = this.#divide(table, name, rule, live, at);
      live = passed;
      if (endedInside !== undefined) for (const branch of endedInside) ended.push(branch);
      if (taken.length === 0) continue;
      const applied = this.#apply(table, rule, taken, chains, at, sumOf(taken) / entering);
      if (applied.on.length > 0) live = live.length === 0 ? applied.on : [...live, ...applied.on];
      if (this.#trail.followsUnknown) live = withoutIdleAssumptions(live);
      for (const branch of applied.returned) through.push(branch);
      for (const branch of applied.ended) ended.push(branch);
    }
    for (const branch of live) through.push(branch);
    return { through: this.#trail.followsUnknown ? withoutIdleAssumptions(through) : through, ended };
  }

  /**
   * The branches as they were sent to the endpoints of a chain's choice.
   * @param entering what came to the chain
   * @returns undefined where the choice is not the same for all packets like this one, and is to be walked
   */
  #choose(
    table: string,
    name: string,
    rules: readonly IptablesRule[],
    live: readonly Branch[],
    at: At,
    entering: number,
  ): readonly Ended[] | undefined {
    const { source, protocol, answers } = this.#packet;
    const mark = live[0]?.mark;
    if (
      mark === undefined ||
      answers !== undefined ||
      sumOf(live) < entering ||
      live.some((branch) => branch.mark !== mark || branch.isMarkUnknown === true || branch.dnat !== undefined)
    )
      return undefined;
    const own = choiceRules(this.#lookup, table, rules);
    if (own === undefined) return undefined;
    const { key: sourceKey, othersKey, chains } = own.askedOf(source);
    const withoutMark = `${protocol} ${sourceKey}`;
    const key = `${withoutMark} ${String(mark)}`;
    let choice = own.known.get(withoutMark) ?? own.known.get(key);
    if (choice === undefined) {
      const others = chains.size === 0 ? undefined : own.known.get(`${protocol} ${othersKey}`);
      const like = others === undefined || others === null ? undefined : { choice: others, but: chains };
      choice = this.#choiceOf(table, name, own.rules, mark, at, like) ?? null;
      // No rule of a choice asks for the mark, so that packets of any mark share one that sets none.
      own.known.set(
        choice?.endpoints.every((endpoint) => endpoint.mark === undefined) === true ? withoutMark : key,
        choice,
      );
    }
    const dnat = choice?.endpoints[0]?.dnat;
    if (choice === null || dnat === undefined || !this.#trail.meetChoice(choice)) return undefined;
    const of = choice;
    return live.map((branch, index) => ({
      ...branch,
      dnat,
      verdict: 'DNAT',
      chain: dnat.by.chain,
      choice: { of, branch: index, branches: live.length },
    }));
  }

  /** Walks the rules of a choice for a packet like this one; undefined where that comes to anything but endpoints. */
  #choiceOf(
    table: string,
    name: string,
    rules: readonly IptablesRule[],
    mark: number,
    at: At,
    like: Like | undefined,
  ): EndpointChoice | undefined {
    const plain = this.#plainChoice(table, name, rules, mark, at, like);
    if (plain !== undefined) return plain;
    const trail = new Trail(true);
    const walk = new IptablesWalk(this.#lookup, this.#packet, this.#machine, trail, { selectRules: everyRule });
    const { through, ended } = walk.#rules(table, name, rules, [{ probability: 1, mark }], at, [name]);
    if (through.length > 0 || trail.unknown.size > 0 || trail.assumed.size > 0) return undefined;
    const setsMark = [...trail.seen.keys()].some(isMarking);
    const endpoints = ended.flatMap(({ verdict, probability, dnat, mark: given, met }): ChosenEndpoint[] =>
      verdict === 'DNAT' && dnat !== undefined ? [{ probability, dnat, mark: setsMark ? given : undefined, met }] : [],
    );
    return endpoints.length === ended.length ? new EndpointChoice(endpoints, trail.seen) : undefined;
  }

  /**
   * The same, rule by rule and without branches, where every endpoint's chain surely ends with its DNAT: what kube-proxy
   * writes. What the rules are is known from `choiceRules`; the conditions are asked, and each step made, as in any walk.
   * @param like what is known of packets that are the same to all chains of endpoints but these
   * @returns undefined where something is not so
   */
  #plainChoice(
    table: string,
    name: string,
    rules: readonly IptablesRule[],
    mark: number,
    at: At,
    like: Like | undefined,
  ): EndpointChoice | undefined {
    if (rules.length > mostBranches) return undefined;
    const seen = new Map<object, Step>();
    const meet = (rule: IptablesRule, chain: string, chance: number, met: Met | undefined): Met => {
      let step = seen.get(rule);
      if (step === undefined) {
        step = stepOf(rule, table, chain, chance);
        seen.set(rule, step);
      }
      return { step, before: met };
    };
    const before: Before = { table, at, changedSets: this.#changedSets, wasSeen: () => false };
    let questions = 0;
    const ask = (rule: IptablesRule, branch: Branch): number | undefined => {
      questions += 1;
      return questions > mostQuestions ? undefined : this.#match.rule(rule, branch, before);
    };
    const endpoints: { probability: number; dnat: Rewritten; mark: number | undefined; met: Met | undefined }[] = [];
    let setsMark = false;
    /** The endpoint of a chain, for what comes to its beginning. */
    const endpointOf = (
      name: string,
      chain: readonly IptablesRule[],
      probability: number,
      entered: Met,
    ): (typeof endpoints)[number] | undefined => {
      const branch = { probability, mark };
      let met = entered;
      for (const own of chain) {
        const holds = ask(own, branch);
        if (holds === 0) continue;
        if (holds !== 1) return undefined;
        met = meet(own, name, 1, met);
        switch (own.target?.kind) {
          case 'MARK':
            branch.mark = changed(branch.mark, own.target.clear, own.target.value);
            setsMark = true;
            break;
          case 'jump':
            for (const marking of this.#lookup(table, own.target.chain) ?? nothing) {
              if (marking.target?.kind !== 'MARK') return undefined;
              const marks = ask(marking, branch);
              if (marks === 0) continue;
              if (marks !== 1) return undefined;
              met = meet(marking, own.target.chain, 1, met);
              branch.mark = changed(branch.mark, marking.target.clear, marking.target.value);
              setsMark = true;
            }
            break;
          case 'DNAT': {
            const [to, more] = this.#destinations(own.target.to, branch, isRandom(own.target.flags)) ?? nothing;
            if (to === undefined || more !== undefined) return undefined;
            return { probability, dnat: { ...to, ...countersOf(own), by: met.step }, mark: branch.mark, met };
          }
          default:
            return undefined;
        }
      }
      return undefined;
    };
    let left = 1;
    for (const rule of rules) {
      const { target } = rule;
      const chain = target?.kind === 'jump' ? this.#lookup(table, target.chain) : undefined;
      if (target?.kind !== 'jump' || chain === undefined) return undefined;
      const known = like?.choice.endpoints[endpoints.length];
      const step = like?.choice.steps.get(rule);
      if (like !== undefined && step === undefined) continue;
      // One that was walked may have come to several endpoints by one rule.
      if (known !== undefined && known.dnat.by.chain !== target.chain) return undefined;
      let chance: number | undefined = 1;
      if (like !== undefined && known !== undefined && step !== undefined && !like.but.has(target.chain)) {
        endpoints.push({ ...known, mark });
        seen.set(rule, step);
        for (const own of chain) {
          const met = like.choice.steps.get(own);
          if (met !== undefined && !seen.has(own)) seen.set(own, met);
        }
      } else {
        chance = ask(rule, { probability: left, mark });
        if (chance === undefined) return undefined;
        if (chance === 0) continue;
        const probability = known?.probability ?? (chance === 1 ? left : left * chance);
        const endpoint = endpointOf(target.chain, chain, probability, meet(rule, name, probability, undefined));
        if (endpoint === undefined) return undefined;
        endpoints.push(endpoint);
        left *= 1 - chance;
      }
      if (like === undefined ? chance < 1 : endpoints.length < like.choice.endpoints.length) continue;
      if (!setsMark) for (const endpoint of endpoints) endpoint.mark = undefined;
      return new EndpointChoice(endpoints, seen);
    }
    return undefined;
  }

  /** DNAT ends a chain, so that no branch changes its goal within it. */
  #goalsOf(branches: readonly Branch[]): Goal[] {
    return branches.map((branch) => ({
      address: destinationOf(this.#packet, branch),
      port: destinationPortOf(this.#packet, branch),
    }));
  }

  #givesUp(table: string, chain: string, branches: number): boolean {
    if (this.#isGivenUp) return true;
    if (this.#questions <= mostQuestions && branches <= mostBranches) return false;
    this.#isGivenUp = true;
    this.#trail.unknown.add(
      `what follows in chain ${chain} of table ${table}: its rules divide the packet path more than ${String(mostBranches)} times, or ask more than ${String(mostQuestions)} questions`,
    );
    return true;
  }

  /** Which branches the rule matches, and which go on to the next one; a random choice makes two of one. */
  #divide(
    table: string,
    chain: string,
    rule: IptablesRule,
    live: readonly Branch[],
    at: At,
  ): { readonly taken: readonly Branch[]; readonly passed: readonly Branch[]; readonly ended?: readonly Ended[] } {
    this.#questions += live.length;
    let unfollowed: Ended[] | undefined;
    let taken: Branch[] | undefined;
    let passed: Branch[] | undefined;
    let alternatives: number | undefined;
    for (const [index, branch] of live.entries()) {
      const before = {
        table,
        at,
        changedSets: this.#changedSets,
        wasSeen: (list: string) => branch.recentLists?.includes(list) === true,
      };
      const probability = this.#match.rule(rule, branch, before);
      if (probability === 0) {
        passed?.push(branch);
        continue;
      }
      // Most rules match nothing: only now the branches are put apart.
      passed ??= live.slice(0, index);
      if (probability === undefined) {
        const parts = this.#match.unknownParts(rule, branch, before);
        const text = iptablesRuleText(rule);
        const action = { kind: 'unknown', why: parts.join(', ') } as const;
        const step: Step = { table, chain, rule: text, actions: [action], ...countersOf(rule) };
        if (!this.#trail.followsUnknown) passed.push(this.#passUnknown(rule, branch, parts, step, action));
        else {
          const unknown = this.#trail.unknownStep(rule, step);
          for (const part of parts) this.#trail.assumed.add(`${part} of ${text}`);
          if (mayAssume(branch, (alternatives ??= alternativesOf(live)))) {
            (taken ??= []).push(assume(branch, text, true, unknown));
            passed.push(assume(branch, text, false, unknown));
          } else {
            this.#trail.unknown.add(
              `what follows in chain ${chain} of table ${table}: its rules ask too much that is not known`,
            );
            (unfollowed ??= []).push({ ...assume(branch, text, true, unknown), verdict: 'UNKNOWN', chain });
          }
        }
        continue;
      }
      taken ??= [];
      taken.push(probability === 1 ? branch : { ...branch, probability: branch.probability * probability });
      if (probability < 1) passed.push({ ...branch, probability: branch.probability * (1 - probability) });
    }
    return {
      taken: taken ?? nothing,
      passed: passed ?? live,
      ...(unfollowed === undefined ? {} : { ended: unfollowed }),
    };
  }

  #passUnknown(
    rule: IptablesRule,
    branch: Branch,
    parts: readonly string[],
    step: Step,
    action: Action & { readonly kind: 'unknown' },
  ): Branch {
    for (const part of parts) this.#trail.unknown.add(`${part} of ${step.rule}`);
    let key = this.#unknownRules.get(rule);
    if (key === undefined) {
      key = {};
      this.#unknownRules.set(rule, key);
    }
    return (
      this.#trail.meet(key, { ...step, actions: [{ ...action, isTakenAsNotMatching: true }], isUnknown: true }, [
        branch,
      ])[0] ?? branch
    );
  }

  /** One object for each chain that is not followed to its end. */
  #unreadChain(name: string): object {
    const known = this.#unread.get(name) ?? {};
    this.#unread.set(name, known);
    return known;
  }

  #apply(
    table: string,
    rule: IptablesRule,
    entering: readonly Branch[],
    chains: readonly string[],
    at: At,
    chance: number,
  ): Applied {
    const { target } = rule;
    const chain = chains.at(-1) ?? '';
    const lists = listsOf(rule);
    const met = stepOf(rule, table, chain, chance);
    const seen =
      lists.length === 0
        ? entering
        : entering.map((branch) => ({ ...branch, recentLists: [...(branch.recentLists ?? []), ...lists] }));
    const taken = this.#trail.meet(rule, met, seen);
    const step = taken[0]?.met?.step ?? met;
    const on = (each: (branch: Branch) => Branch): Applied => ({
      on: taken.map(each),
      returned: nothing,
      ended: nothing,
    });
    const end = (each: (branch: Branch) => Ended): Applied => ({
      on: nothing,
      returned: nothing,
      ended: taken.map(each),
    });
    if (target === undefined) return on((branch) => branch);
    switch (target.kind) {
      case 'jump': {
        const { through, ended } = this.chain(table, target.chain, taken, at, chains);
        return { on: through, returned: nothing, ended };
      }
      case 'goto': {
        const { through, ended } = this.chain(table, target.chain, taken, at, chains);
        return { on: nothing, returned: through, ended };
      }
      case 'RETURN':
        return { on: nothing, returned: taken, ended: nothing };
      case 'ACCEPT':
      case 'DROP':
      case 'REJECT': {
        const verdict = target.kind;
        return end((branch) => ({ ...branch, verdict, chain }));
      }
      case 'MARK':
        return on((branch) =>
          withMark(
            branch,
            changed(branch.mark, target.clear, target.value),
            branch.isMarkUnknown === true && target.clear >>> 0 !== everyBit,
          ),
        );
      case 'CONNMARK':
        return on((branch) => markConnection(branch, target));
      case 'CT':
      case 'NOTRACK':
        return on((branch) => (this.#isDecided(branch, at) ? branch : { ...branch, untracked: true }));
      case 'DNAT':
        return this.#rewrite(
          rule,
          step,
          chain,
          taken,
          (branch) => this.#destinations(target.to, branch, isRandom(target.flags)),
          isRandom(target.flags),
        );
      case 'REDIRECT': {
        const own = redirectAddresses(this.#packet, at, this.#machine);
        if (own.length === 0) return this.#unknown(step, taken, printTarget(target).trim());
        const ranges = own.map((address): NatRange => ({
          addresses: { from: address, to: address },
          ...(target.ports === undefined ? {} : { ports: target.ports }),
        }));
        return this.#rewrite(
          rule,
          step,
          chain,
          taken,
          (branch) => this.#destinations(ranges, branch, isRandom(target.flags)),
          isRandom(target.flags),
        );
      }
      case 'NETMAP':
        if (at.hook === 'postrouting' || at.hook === 'input')
          return end((branch) => ({ ...branch, masqueradedBy: step, verdict: 'ACCEPT', chain }));
        return this.#rewrite(rule, step, chain, taken, (branch) => this.#mapped(target.to, branch), false);
      case 'SNAT':
      case 'MASQUERADE':
        return end((branch) => ({ ...branch, masqueradedBy: step, verdict: 'ACCEPT', chain }));
      case 'TRACE':
        return on((branch) => branch);
      case 'QUEUE':
        return this.#unknown(step, taken, printTarget(target).trim());
      case 'extension':
        if (target.name === 'CT') {
          const zones = taken.map((branch) => (this.#isDecided(branch, at) ? branch : inZone(branch, target.options)));
          return zones.every((branch) => branch !== undefined)
            ? { on: zones, returned: nothing, ended: nothing }
            : this.#unknown(step, taken, printTarget(target).trim());
        }
        if (target.name === 'SET')
          for (const { values } of target.options) if (values[0] !== undefined) this.#changedSets.add(values[0]);
        return doesGoOn(target.name, target.options)
          ? on((branch) => branch)
          : this.#unknown(step, taken, whyUnknown(target));
    }
  }

  /** xt_CT.c xt_ct_target: a packet that has its connection, as one that lo gave back, or for which a rule before has decided, keeps it. */
  #isDecided(branch: Branch, at: At): boolean {
    return (
      (this.#packet.entersAt === 'OUTPUT' && at.inInterface === 'lo') ||
      branch.untracked === true ||
      branch.zone !== undefined
    );
  }

  /** A target whose effect is not known is named: it may end the packet path, or do nothing. */
  #unknown(met: Step, taken: readonly Branch[], why: string): Applied {
    this.#trail.unknown.add(why);
    if (!this.#trail.followsUnknown) return { on: taken, returned: nothing, ended: nothing };
    const untouched = taken.map(({ met: own, ...branch }): Branch =>
      own?.before === undefined ? branch : { ...branch, met: own.before },
    );
    const { table, chain, rule, counters } = met;
    const unknown: Step = { table, chain, rule, actions: [{ kind: 'unknown', why }], ...countersOf({ counters }) };
    const { through, ended } = endUnknown(untouched, this.#trail.unknownStep(met, unknown), met.chain);
    return { on: through, returned: nothing, ended };
  }

  #rewrite(
    rule: IptablesRule,
    step: Step,
    chain: string,
    taken: readonly Branch[],
    destinationsOf: (branch: Branch) => readonly { readonly address: string; readonly port: number }[] | undefined,
    hasRandomPort: boolean,
  ): Applied {
    const on: Branch[] = [];
    const ended: Ended[] = [];
    for (const branch of taken) {
      const destinations = destinationsOf(branch);
      if (destinations === undefined || destinations.length === 0) {
        const unknown = this.#unknown(step, [branch], `where ${step.rule} sends the packet to`);
        on.push(...unknown.on);
        ended.push(...unknown.ended);
        continue;
      }
      const isHashed = !hasRandomPort || destinations.some(({ address }) => address !== destinations[0]?.address);
      if (rule.target?.kind === 'REDIRECT' && new Set(destinations.map(({ address }) => address)).size > 1)
        this.#trail.unknown.add(whichRedirectAddress(step.rule));
      else if (destinations.length > 1 && isHashed)
        this.#trail.unknown.add(
          `how ${step.rule} divides connections: the kernel takes a hash of their addresses, and each destination is said to get the same share`,
        );
      for (const { address, port } of destinations) {
        const dnat = { address, port, ...countersOf(rule), by: step };
        ended.push({ ...branch, probability: branch.probability / destinations.length, dnat, verdict: 'DNAT', chain });
      }
    }
    return { on, returned: nothing, ended };
  }

  /**
   * All destinations of the ranges. The port stays where no range of ports is given, and where it is within the range
   * and none is to be drawn (nf_nat_core.c get_unique_tuple); shifted ports keep their distance from the base.
   * @returns undefined for more than can be distinguished
   */
  #destinations(
    ranges: readonly NatRange[],
    branch: Branch,
    hasRandomPort: boolean,
  ): { readonly address: string; readonly port: number }[] | undefined {
    const { address: oldAddress, port: oldPort } = branch.dnat ?? {
      address: this.#packet.destination,
      port: this.#packet.destinationPort,
    };
    const destinations: { address: string; port: number }[] = [];
    for (const { addresses, ports, base } of ranges) {
      const all = addresses === undefined ? [oldAddress] : addressesOf(addresses);
      if (all === undefined) return undefined;
      let choices = [oldPort];
      if (ports !== undefined) {
        const size = ports.to - ports.from + 1;
        if (base !== undefined) choices = [ports.from + (((((oldPort - base) % 65536) + 65536) % 65536) % size)];
        else if (hasRandomPort || oldPort < ports.from || oldPort > ports.to) {
          if (size > mostDestinations) return undefined;
          choices = Array.from({ length: size }, (_, each) => ports.from + each);
        }
      }
      if (destinations.length + all.length * choices.length > mostDestinations) return undefined;
      for (const address of all) for (const port of choices) destinations.push({ address, port });
    }
    return destinations;
  }

  /** xt_NETMAP.c: the host part of the address stays. */
  #mapped(to: string, branch: Branch): { readonly address: string; readonly port: number }[] | undefined {
    const { address, port } = branch.dnat ?? { address: this.#packet.destination, port: this.#packet.destinationPort };
    const network = parseNetwork(to);
    const old = addressNumber(address);
    if (network === undefined || old === undefined || network.bits !== old.bits) return undefined;
    return [{ address: addressText(network.network | (old.value & ~network.mask), old.bits), port }];
  }
}

/** @param rule one of iptables, as this walk meets them */
function isMarking(rule: object): boolean {
  return (rule as Partial<IptablesRule>).target?.kind === 'MARK';
}

/** `A -> B -> A`: from where the circle begins. */
function loopOf(above: readonly string[], name: string): string {
  const from = above.indexOf(name);
  return [...above.slice(Math.max(from, 0)), name].join(' -> ');
}

/** A target as printed, with why nobody can say what it does. */
function whyUnknown(target: IptablesTarget & { readonly kind: 'extension' }): string {
  const text = printTarget(target).trim();
  return natTargets.has(target.name)
    ? `${text}: no kernel has such a target, so that an iptables printed it that cannot read what a newer one wrote; make the dump with the newer one`
    : text;
}

/** The kernel has one range for each of these since 2.6.11 (struct nf_nat_range2), and neither port 0 nor 0.0.0.0 is one. */
const natTargets: ReadonlySet<string> = new Set(['DNAT', 'SNAT']);

function sumOf(branches: readonly Branch[]): number {
  let sum = 0;
  for (const { probability } of branches) sum += probability;
  return sum;
}

function countersOf({ counters }: { readonly counters?: IptablesRule['counters'] | undefined }): {
  readonly counters?: NonNullable<IptablesRule['counters']>;
} {
  return counters === undefined ? {} : { counters };
}

/** The steps of each rule so far: nearly always one. */
const stepsOf = cellPer<IptablesRule, readonly Step[]>();

/** The same step for all packets that meet the rule with the same chance, as far as it is shown. */
function stepOf(rule: IptablesRule, table: string, chain: string, chance: number): Step {
  const cell = stepsOf(rule);
  const steps = cell.value ?? nothing;
  for (const step of steps)
    if (step.table === table && step.chain === chain && isSameChance(step.chance ?? 1, chance)) return step;
  const actions = steps[0]?.actions ?? [actionOf(rule.target)];
  const step: Step = {
    table,
    chain,
    rule: iptablesRuleText(rule),
    actions,
    ...(chance < 1 ? { chance } : {}),
    ...countersOf(rule),
  };
  cell.value = [...steps, step];
  return step;
}

function isSameChance(one: number, other: number): boolean {
  return one === other || withProbability(one) === withProbability(other);
}

/** The lists of `recent` in which the rule puts the packet's source. */
function listsOf({ matches }: IptablesRule): readonly string[] {
  let lists: string[] | undefined;
  for (const { module, options } of matches) {
    if (module !== 'recent' || !options.some((option) => option.kind === 'recent' && option.action === 'set')) continue;
    const name = options.find((option) => option.kind === 'recentList');
    (lists ??= []).push(name?.name ?? 'DEFAULT');
  }
  return lists ?? nothing;
}

function changed(mark: number, clear: number, value: number): number {
  return ((mark & ~clear) ^ value) >>> 0;
}

/** xt_connmark.c connmark_tg_shift; without a connection there is nothing to mark. */
function markConnection(branch: Branch, target: IptablesTarget & { readonly kind: 'CONNMARK' }): Branch {
  if (branch.untracked === true) return branch;
  const connectionMark = branch.connectionMark ?? 0;
  const isUnknown = branch.isConnectionMarkUnknown === true;
  switch (target.action) {
    case 'set':
      return withConnectionMark(
        branch,
        changed(connectionMark, target.clear, target.value),
        isUnknown && target.clear >>> 0 !== everyBit,
      );
    case 'save': {
      const isSavedUnknown = branch.isMarkUnknown === true && target.nfmask !== 0;
      return withConnectionMark(
        branch,
        changed(connectionMark, target.ctmask, branch.mark & target.nfmask),
        isSavedUnknown || (isUnknown && target.ctmask >>> 0 !== everyBit),
      );
    }
    case 'restore': {
      const isRestoredUnknown = isUnknown && target.ctmask !== 0;
      return withMark(
        branch,
        changed(branch.mark, target.nfmask, connectionMark & target.ctmask),
        isRestoredUnknown || (branch.isMarkUnknown === true && target.nfmask >>> 0 !== everyBit),
      );
    }
  }
}

const everyBit = 0xffffffff;

function withMark(branch: Branch, mark: number, isMarkUnknown: boolean): Branch {
  return isMarkUnknown || branch.isMarkUnknown === true ? { ...branch, mark, isMarkUnknown } : { ...branch, mark };
}

function withConnectionMark(branch: Branch, connectionMark: number, isConnectionMarkUnknown: boolean): Branch {
  return isConnectionMarkUnknown || branch.isConnectionMarkUnknown === true
    ? { ...branch, connectionMark, isConnectionMarkUnknown }
    : { ...branch, connectionMark };
}

/** Targets that leave the packet, its mark and its path as they are, as far as any rule asks for them. */
const passiveTargets: ReadonlySet<string> = new Set([
  'AUDIT',
  'CHECKSUM',
  'CLASSIFY',
  'CONNSECMARK',
  'DSCP',
  'ECN',
  'HL',
  'IDLETIMER',
  'LED',
  'LOG',
  'NFLOG',
  'RATEEST',
  'SECMARK',
  'SET',
  'TCPMSS',
  'TCPOPTSTRIP',
  'TEE',
  'TOS',
  'TTL',
  'ULOG',
]);
/** CT without --notrack: how the connection is kept, and not whether. */
const connectionOptions: ReadonlySet<string> = new Set([
  '--helper',
  '--timeout',
  '--ctevents',
  '--expevents',
  '--zone',
  '--zone-orig',
  '--zone-reply',
]);

function doesGoOn(name: string, options: readonly KeptOption[]): boolean {
  if (name === 'CT') return options.every((option) => connectionOptions.has(option.name));
  // --map-set gives the packet the mark of the set's element.
  if (name === 'SET') return !options.some((option) => option.name === '--map-set');
  return passiveTargets.has(name);
}

/** The zones that CT's options give a packet (--zone mark: the low bits of its mark); undefined for options that are not known. */
function inZone(branch: Branch, options: readonly KeptOption[]): Branch | undefined {
  let zone = defaultZone;
  for (const { name, values, negated } of options) {
    if (negated || !connectionOptions.has(name)) return undefined;
    if (!name.startsWith('--zone')) continue;
    const [text = ''] = values;
    const id = text === 'mark' ? (branch.isMarkUnknown === true ? Number.NaN : branch.mark & 0xffff) : Number(text);
    if (text === '' || !Number.isInteger(id)) return undefined;
    zone = { original: name === '--zone-reply' ? zone.original : id, reply: name === '--zone-orig' ? zone.reply : id };
  }
  return { ...branch, zone };
}

/** --persistent chooses the address only. */
function isRandom(flags: readonly NatFlag[]): boolean {
  return flags.some((flag) => flag !== 'persistent');
}

/** Each packet that a rule rewrites goes to the same ones. */
const addressesOf = oncePer(({ from, to }: NonNullable<NatRange['addresses']>) => addressesBetween(from, to));

/** undefined for more than can be distinguished, and for what is not a range. */
function addressesBetween(fromText: string, toText: string): string[] | undefined {
  if (fromText === toText) return addressNumber(fromText) === undefined ? undefined : [fromText];
  const from = addressNumber(fromText);
  const to = addressNumber(toText);
  if (
    from === undefined ||
    to === undefined ||
    from.bits !== to.bits ||
    to.value < from.value ||
    to.value - from.value >= BigInt(mostDestinations)
  )
    return undefined;
  return Array.from({ length: Number(to.value - from.value) + 1 }, (_, each) =>
    addressText(from.value + BigInt(each), from.bits),
  );
}

function actionOf(target: IptablesTarget | undefined): Action {
  if (target === undefined) return { kind: 'count' };
  switch (target.kind) {
    case 'jump':
    case 'goto':
      return { kind: target.kind, chain: target.chain };
    case 'ACCEPT':
      return { kind: 'accept', word: target.kind };
    case 'DROP':
      return { kind: 'drop', word: target.kind };
    case 'RETURN':
      return { kind: 'return', word: target.kind };
    case 'REJECT':
      return { kind: 'reject', word: target.kind };
    case 'DNAT':
      return { kind: 'dnatRanges', ranges: target.to };
    case 'SNAT':
      return { kind: 'snat' };
    case 'MASQUERADE':
      return { kind: 'masquerade' };
    case 'MARK':
      return { kind: 'mark', value: target.value };
    case 'CONNMARK':
      return { kind: 'connmark' };
    case 'NOTRACK':
    case 'CT':
      return { kind: 'untrack', word: target.kind };
    case 'QUEUE':
      return { kind: 'unknown', why: '-j QUEUE' };
    case 'REDIRECT':
    case 'NETMAP':
    case 'TRACE':
      return { kind: 'target', name: target.kind };
    case 'extension':
      if (!doesGoOn(target.name, target.options)) return { kind: 'unknown', why: printTarget(target).trim() };
      return target.name === 'CT' ? { kind: 'track' } : { kind: 'target', name: target.name };
  }
}
