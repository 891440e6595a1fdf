/**
 * The symbolic walk through the chains of one nftables table, statement by statement as nf_tables runs them
 * (net/netfilter/nf_tables_core.c nft_do_chain). A rule ends at the first statement that breaks it.
 */
import {
  type NftElement,
  type NftExpression,
  type NftVerdict,
  nftByteUnits,
  type NftNat,
  type NftQuota,
  type NftRule,
  type NftSetUpdate,
  type NftStatement,
} from '../nftables/rule.ts';
import { nftRuleText, printNftExpression, printNftStatement } from '../nftables/print.ts';
import { hostPort } from '../net/address.ts';
import type { NftChain, NftSet } from '../nftables/table.ts';
import { nftTypesOf } from '../nftables/types.ts';
import type { Counters } from '../net/counters.ts';
import { familyOf } from '../net/family.ts';
import { byKind, type ByKind } from '../lib/by-kind.ts';
import { oncePer, oncePerAll } from '../lib/once-per.ts';
import { actionsText, type Action, type Destination } from './action.ts';
import { assume, endUnknown, mayAssume, mostBranches, alternativesOf, withoutIdleAssumptions } from './assume.ts';
import {
  answerOf,
  isStateful,
  lookUp,
  valuesOf,
  type PacketContext,
  type UnreadSet,
  type Weighted,
} from './nft-expression-value.ts';
import { EndpointChoice } from './endpoint-choice.ts';
import { addressAtom, atomReading, unknownReading, type Place, type Reading } from './nft-reading.ts';
import { nftSetIndex } from './nft-set-index.ts';
import { addressText, rangesOf } from './nft-value.ts';
import { packetBytes } from './packet-ends.ts';
import type { Trail } from './walk.ts';
import { redirectAddresses, whichRedirectAddress } from './walk-hooks.ts';
import {
  ChainLoopError,
  maxDepth,
  tooDeep,
  type At,
  type Branch,
  type ChainOutcome,
  type Ended,
  type Machine,
  type Packet,
  type RememberedElement,
  type Step,
} from './walk.ts';

/** What was read of the table; undefined for what was not. */
export interface NftTable {
  readonly name: string;
  chain(name: string): Pick<NftChain, 'base' | 'rules'> | undefined;
  map(name: string): NftSet | undefined;
  set(name: string): NftSet | undefined;
}

/** A rule in progress: how far one branch has come in it. */
interface Progress {
  readonly branch: Branch;
  /** The statement that comes next. */
  readonly next: number;
  /** What the rule has done already. */
  readonly actions: readonly Action[];
  readonly counters?: Counters;
}

interface RuleOutcome {
  readonly on: Branch[];
  readonly returned: Branch[];
  readonly ended: Ended[];
}

/** NF_IP_PRI_CONNTRACK: what is registered earlier sees packets without a connection. */
const trackingPriority = -200;

/** The walk through one table, chain by chain. */
export class NftWalk {
  readonly #table: NftTable;
  readonly #packet: Packet;
  readonly #machine: Machine;
  readonly #trail: Trail;
  readonly #unread = new Map<string, object>();

  constructor(table: NftTable, packet: Packet, machine: Machine, trail: Trail) {
    this.#table = table;
    this.#packet = packet;
    this.#machine = machine;
    this.#trail = trail;
  }

  /** @throws ChainLoopError where the chain comes back to itself */
  chain(name: string, branches: readonly Branch[], at: At): ChainOutcome {
    const priority = this.#table.chain(name)?.base?.priority;
    // A packet that comes back by lo has been tracked as it was sent.
    const isBeforeTracking = priority !== undefined && priority <= trackingPriority && at.inInterface !== 'lo';
    return this.#chain(name, branches, { ...at, isBeforeTracking }, []);
  }

  #chain(name: string, branches: readonly Branch[], at: Place, above: readonly string[]): ChainOutcome {
    if (above.includes(name))
      throw new ChainLoopError(`chain ${name} jumps to itself: ${[...above, name].join(' -> ')}`);
    const rules = above.length > maxDepth ? undefined : this.#table.chain(name)?.rules;
    if (rules === undefined) {
      const why = `chain ${name}, which ${above.length > maxDepth ? tooDeep : 'was not read'}`;
      this.#trail.unknown.add(why);
      if (!this.#trail.followsUnknown) return { through: branches, ended: [] };
      return endUnknown(
        branches,
        this.#trail.unknownStep(this.#unreadChain(name), {
          table: this.#table.name,
          chain: name,
          rule: `chain ${name}`,
          actions: [{ kind: 'unknown', why }],
        }),
        name,
      );
    }
    const through: Branch[] = [];
    const ended: Ended[] = [];
    let live = branches;
    for (const rule of rules) {
      if (live.length === 0) break;
      const outcome: RuleOutcome = { on: [], returned: through, ended };
      for (const branch of live) this.#rule(rule, branch, at, [...above, name], outcome);
      live = this.#trail.followsUnknown ? withoutIdleAssumptions(outcome.on) : outcome.on;
      const alternatives = this.#trail.followsUnknown ? alternativesOf(live) : 0;
      if (
        this.#trail.followsUnknown &&
        (live.length > mostBranches || !live.every((branch) => mayAssume(branch, alternatives)))
      ) {
        const why = `what follows in chain ${name} of table ${this.#table.name}: its rules ask too much that is not known`;
        this.#trail.unknown.add(why);
        const step = this.#trail.unknownStep(this.#unreadChain(name), {
          table: this.#table.name,
          chain: name,
          rule: nftRuleText(rule),
          actions: [{ kind: 'unknown', why }],
        });
        ended.push(...endUnknown(live, step, name).ended);
        live = [];
      }
    }
    return {
      through: this.#trail.followsUnknown ? withoutIdleAssumptions([...through, ...live]) : [...through, ...live],
      ended,
    };
  }

  /** One object for each chain that is not followed to its end. */
  #unreadChain(name: string): object {
    const known = this.#unread.get(name) ?? {};
    this.#unread.set(name, known);
    return known;
  }

  #rule(rule: NftRule, branch: Branch, at: Place, above: readonly string[], outcome: RuleOutcome): void {
    new RuleRun(
      {
        table: this.#table,
        packet: this.#packet,
        machine: this.#machine,
        trail: this.#trail,
        jump: (chain, branches) => this.#chain(chain, branches, at, above),
      },
      rule,
      at,
      above.at(-1) ?? '',
      outcome,
    ).run({ branch, next: 0, actions: [] });
  }
}

interface RunContext {
  readonly table: NftTable;
  readonly packet: Packet;
  readonly machine: Machine;
  readonly trail: Trail;
  jump(chain: string, branches: readonly Branch[]): ChainOutcome;
}

/** One rule for one branch, which may split in it. */
class RuleRun {
  readonly #context: RunContext;
  readonly #rule: NftRule;
  readonly #at: Place;
  readonly #chain: string;
  readonly #outcome: RuleOutcome;

  constructor(context: RunContext, rule: NftRule, at: Place, chain: string, outcome: RuleOutcome) {
    this.#context = context;
    this.#rule = rule;
    this.#at = at;
    this.#chain = chain;
    this.#outcome = outcome;
  }

  run(start: Progress): void {
    let progress: Progress | undefined = start;
    while (progress !== undefined) {
      const statement: NftStatement | undefined = this.#rule.statements[progress.next];
      if (statement === undefined) {
        this.#on(progress);
        return;
      }
      progress = this.#statement(statement, progress);
    }
  }

  /** How the rule goes on behind a statement of each kind; undefined where it has ended. */
  static readonly #statements: ByKind<'kind', NftStatement, [RuleRun, Progress, Progress], Progress | undefined> = {
    match: (match, run, progress, next) => run.#match(match, progress, next),
    verdict({ verdict }, run, progress, next) {
      if (verdict.kind === 'continue') return next;
      run.#verdict(verdict, run.#meet(progress, verdictAction(verdict)));
      return undefined;
    },
    vmap: (vmap, run, progress) => run.#verdictMap(vmap, progress),
    counter: ({ packets, bytes }, _run, _progress, next) =>
      packets === undefined || bytes === undefined ? next : { ...next, counters: { packets, bytes } },
    // They log the packet, or copy it, or change what no rule here asks for; the packet goes on.
    last: (_last, _run, _progress, next) => next,
    log: (_log, _run, _progress, next) => next,
    dup: (_dup, _run, _progress, next) => next,
    reset: (_reset, _run, _progress, next) => next,
    object: (statement, run, progress, next) =>
      statement.object === 'quota' || statement.object === 'limit' || statement.object === 'synproxy'
        ? run.#unknown(statement, progress)
        : next,
    quota(quota, run, progress, next) {
      const isOver = overQuota(quota);
      if (isOver === undefined) return run.#unknown(quota, progress);
      return isOver === quota.isOver ? next : run.#break(progress);
    },
    // nft_flow_offload_eval breaks the rule for a connection that is not confirmed yet, as a new one is.
    flow: (_flow, run, progress) => run.#break(progress),
    mangle: ({ key, value }, run, progress, next) => run.#mangle(key, value, progress, next),
    nat: (nat, run, progress) => run.#nat(nat, progress),
    reject({ type }, run, progress) {
      if (!run.#canReject(type)) return run.#break(progress);
      const now = run.#meet(progress, { kind: 'reject', word: 'REJECT' });
      run.#outcome.ended.push({ ...now, verdict: 'REJECT', chain: run.#chain });
      return undefined;
    },
    setUpdate: (update, run, progress, next) => run.#setUpdate(update, progress, next),
    // nft_notrack_eval leaves a packet alone that has a connection already, or a zone for it.
    notrack: (_notrack, run, { branch, actions }, next) =>
      run.#at.isBeforeTracking && branch.zone === undefined
        ? {
            ...next,
            branch: { ...branch, untracked: true },
            actions: [...actions, { kind: 'untrack', word: 'notrack' }],
          }
        : next,
    // nft_limit.c: a bucket is full until packets empty it, so that the first packet is within the limit.
    limit(limit, run, progress, next) {
      if (limit.rateUnit !== undefined && nftByteUnits.has(limit.rateUnit)) return run.#unknown(limit, progress);
      return limit.isOver ? run.#break(progress) : next;
    },
    // nft_connlimit.c: the connection itself is counted; a client is taken for a new one, that has no other.
    connectionLimit: ({ count, isOver }, run, progress, next) => (count < 1 === isOver ? next : run.#break(progress)),
    // What they do depends on traffic before, on sockets, or on a program that reads the queue.
    meter: (meter, run, progress) => run.#unknown(meter, progress),
    queue: (queue, run, progress) => run.#unknown(queue, progress),
    tproxy: (tproxy, run, progress) => run.#unknown(tproxy, progress),
    fwd: (fwd, run, progress) => run.#unknown(fwd, progress),
    synproxy: (synproxy, run, progress) => run.#unknown(synproxy, progress),
    // iptables' comment is not a condition.
    xt: (extension, run, progress, next) => (extension.name === 'comment' ? next : run.#unknown(extension, progress)),
    unrecognized: (statement, run, progress) => run.#unknown(statement, progress),
  };

  /** @returns how the rule goes on; undefined where it has ended */
  #statement(statement: NftStatement, progress: Progress): Progress | undefined {
    return byKind(RuleRun.#statements, 'kind', statement, this, progress, { ...progress, next: progress.next + 1 });
  }

  /** The rule does not hold for this branch, which goes to the next one. */
  #break(progress: Progress): undefined {
    this.#on(progress);
    return undefined;
  }

  #match(match: Extract<NftStatement, { kind: 'match' }>, progress: Progress, next: Progress): Progress | undefined {
    const answer = answerOf(match, this.#contextOf(progress.branch));
    if (answer.unknown > 0) this.#unknown(match, this.#part(progress, answer.unknown));
    if (answer.no > 0) this.#on(this.#part(progress, answer.no));
    return answer.yes > 0 ? this.#part(next, answer.yes) : undefined;
  }

  #contextOf(branch: Branch): PacketContext {
    const { packet, machine, table } = this.#context;
    return { packet, branch, at: this.#at, machine, set: (name) => table.set(name) ?? table.map(name) };
  }

  #part(progress: Progress, share: number): Progress {
    return share === 1
      ? progress
      : { ...progress, branch: { ...progress.branch, probability: progress.branch.probability * share } };
  }

  /** The branch goes to the next rule, with what this one has done to it. */
  #on(progress: Progress): void {
    this.#outcome.on.push(progress.actions.length === 0 ? progress.branch : this.#meet(progress));
  }

  /** The rule is among what the branch met; its actions are those so far and this one. */
  #meet(
    { branch, actions, counters }: Progress,
    action?: Action,
    { key, isUnknown }: { readonly key: object; readonly isUnknown?: true } = { key: this.#rule },
  ): Branch {
    const step = ruleStep(this.#rule, {
      table: this.#context.table.name,
      chain: this.#chain,
      rule: nftRuleText(this.#rule),
      actions: action === undefined ? actions : [...actions, action],
      ...verdictMapOf(this.#rule),
      ...(counters === undefined ? {} : { counters }),
      ...(isUnknown === undefined ? {} : { isUnknown }),
    });
    return this.#context.trail.meet(key, step, [branch])[0] ?? branch;
  }

  /**
   * What cannot be known is followed both ways, and reported, unless a later condition of the rule surely does not hold or
   * nothing behind it changes the packet's verdict.
   * @param why what is not known of it, in words
   * @returns undefined: the rule has ended
   */
  #unknown(statement: NftStatement, progress: Progress, why = printNftStatement(statement)): undefined {
    const later = this.#rule.statements.slice(progress.next + 1);
    const isHarmless = statement.kind !== 'unrecognized' && isCondition(statement) && later.every(isWithoutConsequence);
    if (isHarmless || this.#surelyFails(later, progress.branch)) return this.#break(progress);
    const { trail } = this.#context;
    const rule = nftRuleText(this.#rule);
    if (!trail.followsUnknown) {
      trail.unknown.add(rule);
      this.#outcome.on.push(
        this.#meet(
          progress,
          { kind: 'unknown', why, isTakenAsNotMatching: true },
          { key: this.#rule.statements, isUnknown: true },
        ),
      );
      return undefined;
    }
    const { branch } = progress;
    const step = this.#unknownStep(statement, why);
    if (isCondition(statement) && statement.kind !== 'unrecognized' && mayAssume(branch, 0)) {
      trail.assumed.add(rule);
      this.#on({ ...progress, branch: assume(branch, rule, false, step) });
      this.run({ ...progress, branch: assume(branch, rule, true, step), next: progress.next + 1 });
      return undefined;
    }
    trail.unknown.add(rule);
    this.#endUnknown(progress, step);
    return undefined;
  }

  #unknownStep(key: object, why: string): Step {
    return this.#context.trail.unknownStep(key, {
      table: this.#context.table.name,
      chain: this.#chain,
      rule: nftRuleText(this.#rule),
      actions: [{ kind: 'unknown', why }],
      ...verdictMapOf(this.#rule),
    });
  }

  /** The branch ends, for its result is not known; and it goes on, as if the rest of the rule did nothing. */
  #endUnknown(progress: Progress, step: Step): void {
    const { through, ended } = endUnknown([progress.branch], step, this.#chain);
    this.#outcome.ended.push(...ended);
    for (const branch of through) this.#on({ ...progress, branch });
  }

  /** Whether one of the conditions before the next change surely does not hold. */
  #surelyFails(later: readonly NftStatement[], branch: Branch): boolean {
    const context = this.#contextOf(branch);
    for (const statement of later) {
      if (statement.kind === 'match') {
        if (answerOf(statement, context).no === 1) return true;
      } else if (!isCondition(statement) && !isWithoutConsequence(statement)) return false;
    }
    return false;
  }

  #verdict(verdict: NftVerdict, branch: Branch): void {
    const { on, returned, ended } = this.#outcome;
    switch (verdict.kind) {
      case 'jump':
      case 'goto': {
        const inner = this.#context.jump(verdict.chain, [branch]);
        ended.push(...inner.ended);
        // Behind a goto, the packet goes on where the chain itself was jumped to from.
        (verdict.kind === 'jump' ? on : returned).push(...inner.through);
        break;
      }
      case 'return':
        returned.push(branch);
        break;
      case 'continue':
        on.push(branch);
        break;
      case 'accept':
        ended.push({ ...branch, verdict: 'ACCEPT', chain: this.#chain });
        break;
      case 'drop':
        ended.push({ ...branch, verdict: 'DROP', chain: this.#chain });
        break;
    }
  }

  #verdictMap(statement: Extract<NftStatement, { kind: 'vmap' }>, progress: Progress): Progress | undefined {
    const found = lookUp(statement.key, statement.data, this.#contextOf(progress.branch));
    const isChoice = found.filter(({ found: { kind } }) => kind === 'element').length > 1;
    const inTurn = statement.key.kind === 'numgen' && statement.key.mode === 'inc';
    let going: Progress | undefined;
    for (const { share, found: each } of found) {
      const part = this.#part(progress, share);
      const value = each.kind === 'element' ? each.element.value : undefined;
      if (each.kind === 'none') this.#on(part);
      else if (each.kind === 'unknown' && each.why !== undefined) {
        const why = unreadMapText(each.why);
        this.#context.trail.unknown.add(why);
        if (this.#context.trail.followsUnknown) this.#endUnknown(part, this.#unknownStep(statement, why));
        else this.#on(part);
      } else if (each.kind === 'unknown' && each.possible !== undefined && this.#context.trail.followsUnknown)
        this.#followPossible(statement, part, each.possible, each.mayBeNone);
      else if (value?.kind !== 'verdict') this.#unknown(statement, part);
      else if (value.verdict.kind === 'continue') going = { ...part, next: progress.next + 1 };
      else
        this.#verdict(
          value.verdict,
          this.#meet(part, isChoice ? { kind: 'choice', inTurn } : verdictAction(value.verdict)),
        );
    }
    return going;
  }

  /** A key that is not known may be any of these elements, one after the other assumed to be it, or none. */
  #followPossible(
    statement: Extract<NftStatement, { kind: 'vmap' }>,
    progress: Progress,
    possible: readonly NftElement[],
    mayBeNone: boolean,
  ): void {
    const { trail } = this.#context;
    const rule = nftRuleText(this.#rule);
    const step = this.#unknownStep(statement, printNftStatement(statement));
    trail.assumed.add(rule);
    let rest = progress.branch;
    for (const [index, element] of possible.entries()) {
      const verdict = element.value?.kind === 'verdict' ? element.value.verdict : undefined;
      if (verdict === undefined || !mayAssume(rest, possible.length)) {
        trail.unknown.add(rule);
        this.#endUnknown({ ...progress, branch: rest }, step);
        return;
      }
      const text = `${rule} (${printNftExpression(element.key)})`;
      const isLast = index === possible.length - 1 && !mayBeNone;
      const taken = isLast ? rest : assume(rest, text, true, step);
      if (verdict.kind === 'continue') this.run({ ...progress, branch: taken, next: progress.next + 1 });
      else this.#verdict(verdict, this.#meet({ ...progress, branch: taken }, verdictAction(verdict)));
      if (isLast) return;
      rest = assume(rest, text, false, step);
    }
    this.#on({ ...progress, branch: rest });
  }

  #mangle(key: NftExpression, value: NftExpression, progress: Progress, next: Progress): Progress | undefined {
    if (key.kind === 'ct' && key.key === 'zone') return this.#zone(key, value, progress, next);
    const isMark = (key.kind === 'meta' || key.kind === 'ct') && key.key === 'mark';
    if (!isMark) {
      // Another address or port by hand, behind conntrack's back, is not followed; no rule's result depends on the rest.
      const isRewrite =
        key.kind === 'rawPayload' ||
        (key.kind === 'payload' && /^(?:saddr|daddr|sport|dport|protocol|nexthdr)$/.test(key.field));
      if (isRewrite) return this.#unknown({ kind: 'mangle', key, value }, progress);
      return { ...next, actions: [...progress.actions, { kind: 'set', field: printNftExpression(key) }] };
    }
    // A mark that conntrack has nowhere to keep breaks the rule (nft_ct_set_eval).
    if (key.kind === 'ct' && (this.#at.isBeforeTracking || progress.branch.untracked === true))
      return this.#break(progress);
    const values = valuesOf(value, nftTypesOf(key), this.#contextOf(progress.branch)).flatMap(enumerated);
    let last: Progress | undefined;
    for (const { share, parts } of values) {
      const [reading] = parts;
      const part = this.#part(progress, share);
      if (reading?.kind === 'absent') {
        this.#on(part);
        continue;
      }
      const marked = { ...part, next: progress.next + 1, ...this.#marked(key.kind === 'ct', reading, part) };
      // All but the last are walked to their end first.
      if (last !== undefined) this.run(last);
      last = marked;
    }
    return last;
  }

  /** nft_ct_set_zone_eval: the zone in which conntrack will look the packet up, unless it has done so. */
  #zone(
    key: NftExpression & { readonly kind: 'ct' },
    value: NftExpression,
    progress: Progress,
    next: Progress,
  ): Progress | undefined {
    const { branch, actions } = progress;
    if (!this.#at.isBeforeTracking || branch.zone !== undefined) return next;
    const [only, ...more] = valuesOf(value, ['integer'], this.#contextOf(branch));
    const [part] = only?.parts ?? [];
    if (more.length > 0 || part?.kind !== 'atom' || typeof part.atom !== 'number')
      return this.#unknown({ kind: 'mangle', key, value }, progress);
    const zone = {
      original: key.direction === 'reply' ? 0 : part.atom,
      reply: key.direction === 'original' ? 0 : part.atom,
    };
    return { ...next, branch: { ...branch, zone }, actions: [...actions, { kind: 'zone', zone: part.atom }] };
  }

  #marked(
    isConnection: boolean,
    reading: Reading | undefined,
    { branch, actions }: Progress,
  ): { branch: Branch; actions: readonly Action[] } {
    const atom = reading?.kind === 'atom' && typeof reading.atom === 'number' ? reading.atom >>> 0 : undefined;
    const done: readonly Action[] = [...actions, { kind: isConnection ? 'connectionMark' : 'mark', value: atom }];
    if (atom === undefined) {
      return {
        branch: isConnection ? { ...branch, isConnectionMarkUnknown: true } : { ...branch, isMarkUnknown: true },
        actions: done,
      };
    }
    const marked = isConnection
      ? { ...branch, connectionMark: atom, isConnectionMarkUnknown: false }
      : { ...branch, mark: atom, isMarkUnknown: false };
    return { branch: marked, actions: done };
  }

  #setUpdate(statement: NftSetUpdate, progress: Progress, next: Progress): Progress | undefined {
    const { element, set: name, operation } = statement;
    // A limit within it breaks the rule or not for what came before.
    if (statement.statements.some(isStateful)) return this.#unknown(statement, progress);
    const types = nftTypesOf(element.key);
    const [value] = valuesOf(element.key, types, this.#contextOf(progress.branch));
    if (value === undefined || value.parts.some(({ kind }) => kind === 'absent')) return this.#break(progress);
    const set = this.#context.table.set(name) ?? this.#context.table.map(name);
    // A set that is full takes no more, which breaks the rule (nft_dynset_eval); elements may have gone since.
    if (operation !== 'delete' && set?.size !== undefined && set.elements.length >= set.size)
      return this.#unknown(statement, progress);
    const actions: readonly Action[] = [
      ...progress.actions,
      { kind: operation === 'delete' ? 'forget' : 'remember', set: name },
    ];
    const key = constantOf(value.parts, types);
    const remembered = new Map(progress.branch.remembered);
    const before = remembered.get(name);
    if (key === undefined) {
      // Some element is another one now: what the set holds is not known.
      remembered.set(name, { elements: before?.elements ?? [], isUnknown: true });
      return { ...next, branch: { ...progress.branch, remembered }, actions };
    }
    const same = (each: NftElement): boolean => printNftExpression(each.key) === printNftExpression(key);
    const others = before?.elements.filter((each) => !same(each.element)) ?? [];
    const changes = (change: RememberedElement): Progress => {
      remembered.set(name, { ...before, elements: [...others, change] });
      return { ...next, branch: { ...progress.branch, remembered }, actions };
    };
    if (operation === 'delete') return changes({ element: { key }, isGone: true });
    if (element.value === undefined) return changes({ element: { key } });
    // add leaves an element as it is that is there already (nft_dynset_eval, nft_set_do_lookup first).
    const isThere = lookUp(element.key, { kind: 'setReference', name }, this.#contextOf(progress.branch)).some(
      ({ found }) => found.kind !== 'none',
    );
    if (operation === 'add' && isThere) return { ...next, actions };
    if (element.value.kind === 'verdict') return changes({ element: { key, value: element.value } });
    if (isConstant(element.value)) return changes({ element: { key, value: element.value } });
    const [mapped, more] = valuesOf(element.value, set?.data ?? [], this.#contextOf(progress.branch));
    const constant = mapped === undefined || more !== undefined ? undefined : constantOf(mapped.parts, set?.data ?? []);
    return changes({
      element: { key, value: constant ?? { kind: 'unrecognized', text: printNftExpression(element.value) } },
    });
  }

  /** TCP's reset answers TCP alone; a message of ICMP goes with its own family. */
  #canReject(type: string | undefined): boolean {
    const { packet } = this.#context;
    if (type === 'tcp reset') return packet.protocol === 'TCP';
    if (type === 'icmp') return familyOf(packet.destination) === 'IPv4';
    return type !== 'icmpv6' || familyOf(packet.destination) === 'IPv6';
  }

  #nat(nat: NftNat, progress: Progress): undefined {
    const family = familyOf(this.#context.packet.destination);
    if (nat.family !== undefined && (nat.family === 'ip') !== (family === 'IPv4')) return this.#break(progress);
    switch (nat.type) {
      case 'masquerade':
      case 'snat': {
        const now = this.#meet(
          progress,
          nat.type === 'masquerade'
            ? { kind: 'masquerade' }
            : { kind: 'snat', to: nat.address === undefined ? '' : printNftExpression(nat.address) },
        );
        this.#outcome.ended.push({ ...now, masqueradedBy: stepOf(now), verdict: 'ACCEPT', chain: this.#chain });
        return undefined;
      }
      case 'redirect':
      case 'dnat':
        return this.#destinationNat(nat, family === 'IPv4' ? 'ipv4_addr' : 'ipv6_addr', progress);
    }
  }

  #destinationNat(nat: NftNat, addressType: string, progress: Progress): undefined {
    const { packet, trail } = this.#context;
    const targets = trail.sharesChoices && nat.type === 'dnat' ? choiceTargets(nat, addressType) : undefined;
    if (targets !== undefined) {
      const now = this.#meet(progress, targets.action);
      const by = stepOf(now);
      const of = targets.choiceBy(by);
      const [first] = of.endpoints;
      if (first !== undefined) {
        const choice = { of, branch: 0, branches: 1 };
        this.#outcome.ended.push({ ...now, dnat: first.dnat, verdict: 'DNAT', chain: this.#chain, choice });
        return undefined;
      }
    }
    const context = this.#contextOf(progress.branch);
    const addresses: readonly Weighted[] =
      nat.address === undefined
        ? nat.type === 'redirect'
          ? this.#redirectAddresses()
          : [{ share: 1, parts: [] }]
        : valuesOf(nat.address, [addressType, 'inet_service'], context).flatMap(enumerated);
    const ports: readonly Weighted[] =
      nat.port === undefined
        ? [{ share: 1, parts: [] }]
        : valuesOf(nat.port, ['inet_service'], context).flatMap(enumerated);
    const destinations: Destination[] = [];
    for (const one of addresses) {
      for (const other of ports) {
        const share = one.share * other.share;
        const part = this.#part(progress, share);
        const [addressPart, ownPort] = one.parts;
        const portPart = ownPort ?? other.parts[0];
        if (addressPart?.kind === 'absent' || portPart?.kind === 'absent') {
          this.#on(part);
          continue;
        }
        const address =
          addressPart === undefined
            ? (progress.branch.dnat?.address ?? packet.destination)
            : addressPart.kind === 'atom'
              ? addressText(addressPart.atom)
              : undefined;
        const port =
          portPart === undefined
            ? (progress.branch.dnat?.port ?? packet.destinationPort)
            : portPart.kind === 'atom'
              ? Number(portPart.atom)
              : undefined;
        if (address === undefined || port === undefined) this.#unknown(nat, part);
        else if (!this.#isRouted(address)) {
          const lost = this.#meet(part, { kind: 'dnatUnrouted', to: hostPort(address, port) }, { key: nat });
          this.#outcome.ended.push({ ...lost, verdict: 'DROP', chain: this.#chain });
        } else destinations.push({ address, port, share });
      }
    }
    if (destinations.length === 0) return undefined;
    const total = destinations.reduce((sum, { share }) => sum + share, 0);
    const now = this.#meet(progress, { kind: 'dnat', destinations });
    for (const { address, port, share } of destinations) {
      // A counter before a random choice counts all of its targets together, so it shows nothing about one of them.
      const own =
        progress.counters !== undefined && destinations.length === 1 && total === 1
          ? { counters: progress.counters }
          : {};
      this.#outcome.ended.push({
        ...now,
        probability: now.probability * share,
        dnat: { address, port, ...own, by: stepOf(now) },
        verdict: 'DNAT',
        chain: this.#chain,
      });
    }
    return undefined;
  }

  #redirectAddresses(): readonly Weighted[] {
    const { packet, machine, trail } = this.#context;
    const own = redirectAddresses(packet, this.#at, machine);
    if (own.length === 0) return [{ share: 1, parts: [unknownReading] }];
    if (own.length > 1) trail.unknown.add(whichRedirectAddress(nftRuleText(this.#rule)));
    return own.map((address) => ({ share: 1 / own.length, parts: [atomReading(addressAtom(address))] }));
  }

  /**
   * The unspecified address is a martian destination (ip_route_input_slow), and none of IPv6. The node's own packets to
   * 0.0.0.0 go to the node itself. Port 0 is a port like any other.
   */
  #isRouted(address: string): boolean {
    return !isUnspecified(address) || (address === '0.0.0.0' && this.#at.hook === 'output');
  }
}

/** INADDR_ANY and in6addr_any. */
function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** @param verdict as the rule, or an element, has it; one to go on has no step */
function verdictAction(verdict: NftVerdict): Action {
  switch (verdict.kind) {
    case 'jump':
    case 'goto':
      return { kind: verdict.kind, chain: verdict.chain };
    case 'continue':
      return { kind: 'count' };
    default:
      return { kind: verdict.kind, word: verdict.kind };
  }
}

/** `vmap @service-ips` of the rule. */
const verdictMapOf = oncePer(({ statements }: NftRule): Pick<Step, 'verdictMap'> => {
  for (const statement of statements)
    if (statement.kind === 'vmap' && statement.data.kind === 'setReference') return { verdictMap: statement.data.name };
  return {};
});

/** A statement that sends each packet to one of several places that it names itself, whatever the packet is. */
interface ChoiceTargets {
  readonly action: Action;
  /** The choice, as the rule by which packets come to it is met: the same for the same step. */
  choiceBy(step: Step): EndpointChoice;
}

/** `dnat to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }` (pkg/proxy/nftables/proxier.go, 1.37); read once. */
const choiceTargets = oncePerAll(({ address, port }: NftNat, addressType: string): ChoiceTargets | undefined => {
  if (port !== undefined || address?.kind !== 'map') return undefined;
  const { key, data } = address;
  if (key.kind !== 'numgen' || data.kind !== 'set' || data.elements.length < 2) return undefined;
  const types = [addressType, 'inet_service'];
  const index = nftSetIndex(data.elements, nftTypesOf(key));
  if (index.hasUnknown) return undefined;
  const destinations = index.shares(key.offset, key.modulus).map(({ element, share }): Destination | undefined => {
    const value = element?.value;
    const ranges = value === undefined || value.kind === 'verdict' ? undefined : rangesOf(value, types);
    const [place, number] = ranges ?? [];
    if (ranges?.length !== 2 || place === undefined || place.from !== place.to) return undefined;
    if (number === undefined || number.from !== number.to) return undefined;
    const text = addressText(place.from);
    // The verdict on packets that are sent to no address depends on the hook.
    return text === undefined || isUnspecified(text) ? undefined : { address: text, port: Number(number.from), share };
  });
  if (!destinations.every((each) => each !== undefined)) return undefined;
  return {
    action: { kind: 'dnat', destinations },
    choiceBy: oncePer(
      (by: Step) =>
        new EndpointChoice(
          destinations.map(({ address: place, port: number, share }) => ({
            probability: share,
            dnat: { address: place, port: number, by },
            mark: undefined,
            met: undefined,
          })),
          new Map(),
        ),
    ),
  };
});

const stepsOfRules = oncePer((_rule: NftRule) => new Map<string, Step[]>());

/** The same step for all packets to which the rule does the same. */
function ruleStep(rule: NftRule, step: Step): Step {
  const known = stepsOfRules(rule);
  const key = actionsText(step.actions);
  const same = known
    .get(key)
    ?.find(
      ({ table, chain, counters, isUnknown }) =>
        table === step.table &&
        chain === step.chain &&
        isUnknown === step.isUnknown &&
        counters?.packets === step.counters?.packets &&
        counters?.bytes === step.counters?.bytes,
    );
  if (same !== undefined) return same;
  known.set(key, [...(known.get(key) ?? []), step]);
  return step;
}

function isConstant(expression: NftExpression): boolean {
  return (
    expression.kind === 'value' ||
    (expression.kind === 'concatenation' && expression.parts.every(({ kind }) => kind === 'value'))
  );
}

/** A value that was read of the packet, as an element would have it; undefined where a part of it is not known. */
function constantOf(readings: readonly Reading[], types: readonly string[]): NftExpression | undefined {
  const parts: NftExpression[] = [];
  for (const [index, reading] of readings.entries()) {
    if (reading.kind !== 'atom') return undefined;
    const { atom } = reading;
    const isAddress = types[index] === 'ipv4_addr' || types[index] === 'ipv6_addr';
    parts.push({
      kind: 'value',
      value: (isAddress ? addressText(atom) : undefined) ?? (typeof atom === 'number' ? atom : String(atom)),
    });
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: 'concatenation', parts };
}

/** Conditions end a rule or not, and change nothing. */
function isCondition(statement: NftStatement): boolean {
  return (
    ['match', 'limit', 'quota', 'connectionLimit'].includes(statement.kind) ||
    (statement.kind === 'object' && (statement.object === 'quota' || statement.object === 'limit')) ||
    (statement.kind === 'xt' && statement.type === 'match')
  );
}

/** Whether the packet is the same behind it, and no rule asks for what it does. */
function isWithoutConsequence(statement: NftStatement): boolean {
  return (
    ['match', 'counter', 'log', 'last', 'dup', 'limit', 'quota', 'connectionLimit'].includes(statement.kind) ||
    (statement.kind === 'object' && statement.object !== 'synproxy') ||
    (statement.kind === 'verdict' && statement.verdict.kind === 'continue')
  );
}

const unitBytes = new Map(Object.entries({ bytes: 1, kbytes: 1024, mbytes: 1024 * 1024, gbytes: 1024 ** 3 }));

/** Whether the quota is used up with this packet; undefined where it depends on the packet's length (nft_overquota). */
function overQuota({ value, unit, used = 0, usedUnit = 'bytes' }: NftQuota): boolean | undefined {
  const limit = value * (unitBytes.get(unit) ?? Number.NaN);
  const consumed = used * (unitBytes.get(usedUnit) ?? Number.NaN);
  if (consumed >= limit) return true;
  return consumed + packetBytes.to < limit ? false : undefined;
}

/** A random number as its single values; more of them than a map would name are not followed one by one. */
function enumerated(value: Weighted): readonly Weighted[] {
  const [reading] = value.parts;
  if (reading?.kind !== 'uniform' || value.parts.length > 1) return [value];
  if (reading.count > 256) return [{ share: value.share, parts: [{ kind: 'unknown', not: [] }] }];
  return Array.from({ length: reading.count }, (_, index): Weighted => ({
    share: value.share / reading.count,
    parts: [{ kind: 'atom', atom: reading.from + index }],
  }));
}

/** The rule that the branch met last. */
function stepOf(branch: Branch): Step {
  if (branch.met === undefined) throw new Error('a branch that met no rule was rewritten by none');
  return branch.met.step;
}

function unreadMapText({ name, problem }: UnreadSet): string {
  return `map ${name}, ${problem === 'notRead' ? 'which was not read' : 'of which lines are not understood'}`;
}
