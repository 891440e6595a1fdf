/** Every rule of one node that a Service's packets meet, in their order and in plain words. */
import { present } from '../lib/present.ts';
import { countsOthers, frontendName, isElementOf, matchesDestination } from './rule-frontends.ts';
import { walkClients } from './walk-clients.ts';
import {
  stageOf,
  type AlikeEndpoints,
  type ChainExplanation,
  type ClientKind,
  type EndpointShares,
  type FamilyExplanation,
  type RuleExplanation,
  type StageExplanation,
  type StagePart,
} from './explanation.ts';
import { iptablesChainKind, iptablesDispatchChains } from '../kube-proxy/chain-kinds.ts';
import { effectText } from '../evaluate/action.ts';
import { destinationText } from '../net/address.ts';
import { ipvsChainName, ipvsTable } from '../api/chain-name.ts';
import { realServerText, virtualServerText } from '../evaluate/walk-ipvs.ts';
import { type NodeReportRules, readNodeReportRules } from '../program/read-node-report.ts';
import type { RegisteredChain } from '../program/kube-proxy-hooks.ts';
import { walkNodeReportRules } from '../program/walk-node-report.ts';
import { sourceClassOf, walkAllRules } from '../program/walk-all-rules.ts';
import { oncePer } from '../lib/once-per.ts';
import type { RealServer } from '../ipvs/virtual-server.ts';
import {
  alikeEndpoints,
  foldAlike,
  type Folded,
  iptablesChoice,
  nftChoice,
  nftChoices,
  onePerClass,
  realServerChoice,
  type Choice,
  withoutElements,
} from './alike.ts';
import type { ClusterFacts } from '../api/cluster-facts.ts';
import { isKubeStep } from '../diagnose/checks/foreign-rules.ts';
import { shareOf } from '../evaluate/share.ts';
import type { Leaf, Packet, Step, WalkResult } from '../evaluate/walk.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import { checkedFrontends, type Frontend } from '../api/frontends.ts';
import { recordsOf, type NodeReport } from '../wire/node-report.ts';
import { printNftRule } from '../nftables/print.ts';
import type { NftElement, NftRule } from '../nftables/rule.ts';
import { chainOfVerdict, dnatTargetsOfStatement, jumpsOfStatement } from '../nftables/targets.ts';
import { printIptablesRule, printNatRange } from '../iptables/print.ts';
import type { Counters } from '../net/counters.ts';
import type { DesiredService } from '../api/service.ts';
import { chainPurpose } from './chain-purpose.ts';
import { explainIptablesRule } from './explain-iptables.ts';
import { explainVirtualServer } from './explain-ipvs.ts';
import { explainNftRule } from './explain-nft.ts';
import { serviceNames } from './service-names.ts';
import { withPod, type Explained, type Names } from './explained.ts';
import type { Hook } from '../net/netfilter.ts';

/** The frontends that are asked for; absent: all. */
export type FrontendFilter = (frontend: Frontend) => boolean;

/** What of a program is explained. */
export interface ExplainOptions {
  readonly wants?: FrontendFilter | undefined;
  readonly cluster?: ClusterFacts | undefined;
  /** Of many alike endpoints one is written out, the others are counted up. */
  readonly isFolded?: boolean;
}

/**
 * @returns one for each family of the Service; empty where kube-proxy writes no rules for it, or the node's rules are not known
 */
export function explainProgram(
  report: NodeReport,
  desired: DesiredService,
  { wants = () => true, cluster, isFolded = false }: ExplainOptions = {},
): FamilyExplanation[] {
  const all = checkedFrontends(desired);
  return (['IPv4', 'IPv6'] as const).flatMap((family): FamilyExplanation[] => {
    const frontends = all.filter((frontend) => frontend.family === family && wants(frontend));
    const rules =
      frontends.length === 0 ? undefined : readNodeReportRules(report, `${desired.namespace}/${desired.name}`, family);
    if (rules === undefined) return [];
    const isAll = frontends.length === all.filter((frontend) => frontend.family === family).length;
    const program = new Program(report, desired, rules, frontends, { isAll, cluster, isFolded });
    return [{ family, frontends: frontends.map(frontendName), stages: program.stages() }];
  });
}

/** What is known of the names in a Service's rules. */
export function namesOf(desired: DesiredService, rules: NodeReportRules): Names {
  const { port, pod } = serviceNames(desired);
  const names: Names = {
    chain: (chain) => chainPurpose(chain, port, (name: string) => targetOf(name)),
    pod,
    set: (name) => (rules.kind === 'nftables' ? (rules.table.map(name) ?? rules.table.set(name)) : undefined),
    ipSet: (name) => rules.machine.ipSets.get(name),
  };
  return names;

  function targetOf(chain: string): string | undefined {
    if (rules.kind === 'iptables') {
      const target = rules.lookup('nat', chain)?.find((rule) => rule.target?.kind === 'DNAT')?.target;
      const range = target?.kind === 'DNAT' ? target.to[0] : undefined;
      return range?.addresses === undefined ? undefined : withPod(printNatRange(range), range.addresses.from, names);
    }
    const [target] = (rules.table.chain(chain)?.rules ?? []).flatMap(({ statements }) =>
      statements.flatMap(dnatTargetsOfStatement),
    );
    return target === undefined ? undefined : withPod(destinationText(target), target.address, names);
  }
}

/** A rule's place, by which steps of walks are found again. */
function keyOf(table: string, chain: string, text: string): string {
  return `${table}\n${chain}\n${text}`;
}

class Program {
  readonly #rules: NodeReportRules;
  readonly #names: Names;
  readonly #frontends: readonly Frontend[];
  readonly #isAll: boolean;
  readonly #isFolded: boolean;
  readonly #shares = new Map<string, Partial<Record<ClientKind, number | 'unknown'>>>();
  readonly #own: readonly string[];
  /** Third-party rules that some packet meets, each once. */
  readonly #foreign = new Map<string, Step>();

  constructor(
    report: NodeReport,
    desired: DesiredService,
    rules: NodeReportRules,
    frontends: readonly Frontend[],
    { isAll, cluster, isFolded }: { isAll: boolean; cluster: ClusterFacts | undefined; isFolded: boolean },
  ) {
    this.#rules = rules;
    this.#frontends = frontends;
    this.#isAll = isAll;
    this.#isFolded = isFolded;
    this.#names = namesOf(desired, rules);
    this.#own = recordsOf(report, 'start')[0]?.addresses ?? [];
    const service = `${desired.namespace}/${desired.name}`;
    const walk = (packet: Packet): WalkResult =>
      walkAllRules(report, service, packet, cluster) ?? walkNodeReportRules(rules, packet);
    const written = isFolded ? this.#writtenOut() : undefined;
    for (const frontend of frontends) {
      const classOf = written === undefined ? undefined : sourceClassOf(report, service, frontend.family, cluster);
      for (const { kind, result } of walkClients(walk, desired, frontend, {
        node: report.node,
        addresses: this.#own,
        sample: (endpoints) =>
          written === undefined || classOf === undefined
            ? endpoints
            : onePerClass(endpoints, (address) => (written.has(address) ? address : classOf(address))),
      }))
        this.#count(kind, result);
    }
  }

  /** Addresses of the endpoints whose rules are written out. */
  #writtenOut(): ReadonlySet<string> {
    const choices = this.#allChoices();
    return new Set(
      choices.flatMap((own) => {
        const hidden = new Set([...foldAlike(own).values()].flat());
        return own.flatMap((choice, index) =>
          choice === undefined || hidden.has(index) ? [] : [choice.endpoint.address],
        );
      }),
    );
  }

  /** Of each chain, what its rules choose. */
  #allChoices(): readonly (readonly (Choice | undefined)[])[] {
    if (this.#rules.kind === 'iptables')
      return [
        ...this.#rules.chains.map((own) => this.#choicesOf(own)),
        ...this.#rules.servers.map(({ realServers }) => realServers.map(realServerChoice)),
      ];
    return [...this.#rules.table.chains.values()].flatMap(({ rules }) =>
      rules.flatMap((rule) => {
        const elements = nftChoices(rule);
        return elements === undefined ? [] : [elements.map((element) => this.#nftChoice(element))];
      }),
    );
  }

  /** Of rules of one chain of iptables: which jump to the chain of an endpoint, and are alike. */
  #choicesOf(own: readonly IptablesRule[]): readonly (Choice | undefined)[] {
    const { kind } = this.#rules;
    if (kind !== 'iptables') return [];
    const { lookup } = this.#rules;
    const last = own.findLastIndex((rule) => isEndpointJump(rule));
    return own.map((rule, index) => {
      const { target } = rule;
      if (!isEndpointJump(rule) || (target?.kind !== 'jump' && target?.kind !== 'goto')) return undefined;
      const chain = lookup('nat', target.chain);
      return chain === undefined ? undefined : iptablesChoice(rule, chain, index === last);
    });
  }

  #nftChoice(element: NftElement): Choice | undefined {
    const { kind } = this.#rules;
    if (kind !== 'nftables') return undefined;
    const { table } = this.#rules;
    return nftChoice(element, (name) => table.chain(name)?.rules ?? []);
  }

  /** The endpoints that the one at the index is written out for; none where it is written out for itself alone. */
  #alikeAt(
    index: number,
    choices: readonly (Choice | undefined)[],
    folded: Folded,
    shareAt: (other: number) => EndpointShares,
  ): AlikeEndpoints[] {
    return alikeEndpoints(choices, index, folded.get(index) ?? [], {
      pod: (address) => this.#names.pod(address),
      factsOf: ({ packets }, other) => ({ ...present({ packets }), ...shareAt(other) }),
    });
  }

  #count(kind: ClientKind, { leaves, steps }: WalkResult): void {
    for (const step of steps)
      if (!isKubeStep(step) && step.table !== ipvsTable)
        this.#foreign.set(keyOf(step.table, step.chain, step.rule), step);
    // Branches share the steps that they met together: texts are made once for each.
    const met = new Map<Step, Set<Leaf>>();
    for (const leaf of leaves)
      for (const step of leaf.path) {
        const present = met.get(step);
        if (present === undefined) met.set(step, new Set([leaf]));
        else present.add(leaf);
      }
    const own = new Map<string, Set<Leaf>>();
    for (const [step, by] of met) {
      const key = keyOf(step.table, step.chain, step.rule);
      own.set(key, new Set([...(own.get(key) ?? []), ...by]));
    }
    for (const [key, by] of own) {
      const shares = this.#shares.get(key) ?? {};
      const before = shares[kind] ?? 0;
      const share = shareOf([...by]);
      const larger = before === 'unknown' || share === undefined ? 'unknown' : Math.max(before, Math.min(share, 1));
      this.#shares.set(key, { ...shares, [kind]: larger });
    }
  }

  stages(): StageExplanation[] {
    const { registered } = this.#rules;
    const seen = new Set<string>();
    const ordered = [...registered].sort((one, other) => one.priority - other.priority);
    const stage = (part: StagePart, isIn: (chain: RegisteredChain) => boolean): StageExplanation => {
      const roots = new Map<string, RegisteredChain[]>();
      for (const chain of ordered.filter(isIn)) {
        const key = `${chain.table} ${chain.chain}`;
        roots.set(key, [...(roots.get(key) ?? []), chain]);
      }
      const chains: ChainExplanation[] = [];
      const next: { table: string; chain: string; isNat: boolean }[] = [];
      for (const [first, ...others] of [...roots.values()])
        if (first !== undefined)
          chains.push(
            ...this.#visit(
              first,
              [first, ...others].map(({ hook }) => hook),
              seen,
              next,
            ),
          );
      for (const each of next) chains.push(...this.#visit(each, [], seen, next));
      return stageOf(part, chains);
    };
    const stages = [
      stage('beforeRouting', ({ hook, priority }) => hook === 'prerouting' || (hook === 'output' && priority < 0)),
      stage(
        'afterRouting',
        ({ hook, priority }) => hook === 'input' || hook === 'forward' || (hook === 'output' && priority >= 0),
      ),
      ...this.#ipvs(),
      stage('leaving', ({ hook }) => hook === 'postrouting'),
    ];
    const shown = new Set(
      stages.flatMap(({ chains }) =>
        chains.flatMap(({ table, chain, rules }) => rules.map(({ text }) => keyOf(table, chain, text))),
      ),
    );
    return [this.#foreignStage(shown), ...stages].filter(({ chains }) => chains.length > 0);
  }

  /** Third-party rules on the packet path, in the order in which packets meet them: they may end the path before the rules below, or behind those. */
  #foreignStage(shown: ReadonlySet<string>): StageExplanation {
    const steps = [...this.#foreign].flatMap(([key, step]) => (shown.has(key) ? [] : [step]));
    const chains = [...Map.groupBy(steps, ({ table, chain }) => `${table}\n${chain}`).values()].flatMap(
      (own): ChainExplanation[] => {
        const [first] = own;
        if (first === undefined) return [];
        const rules = own.map((step) =>
          this.#explanation(
            step.table,
            step.chain,
            step.rule,
            { sentence: `${effectText(step)}.`, lines: [], unknown: [] },
            step.counters,
            true,
          ),
        );
        return [{ table: first.table, chain: first.chain, hooks: [], rules }];
      },
    );
    return stageOf('otherPrograms', chains);
  }

  /** The chain, once; the chains that it jumps to are put behind what waits already. */
  #visit(
    { table, chain, isNat }: { readonly table: string; readonly chain: string; readonly isNat: boolean },
    hooks: readonly Hook[],
    seen: Set<string>,
    next: { table: string; chain: string; isNat: boolean }[],
  ): ChainExplanation[] {
    const key = `${table} ${chain}`;
    if (seen.has(key)) return [];
    const found =
      this.#rules.kind === 'iptables'
        ? this.#iptablesChain(this.#rules, table, chain, isNat)
        : this.#nftChain(this.#rules, chain, isNat);
    if (found === undefined) return [];
    seen.add(key);
    const { rules, to } = found;
    for (const each of to) next.push({ table, chain: each, isNat });
    if (rules.length === 0) return [];
    const purpose = this.#names.chain(chain);
    return [{ table, chain, ...(purpose === undefined ? {} : { purpose }), hooks, rules }];
  }

  #iptablesChain(
    { lookup }: NodeReportRules & { readonly kind: 'iptables' },
    table: string,
    chain: string,
    isNat: boolean,
  ): { rules: RuleExplanation[]; to: string[] } | undefined {
    const all = lookup(table, chain);
    if (all === undefined) return undefined;
    const own = all.filter(
      (rule) =>
        this.#isAll ||
        !matchesDestination(rule) ||
        this.#shares.has(keyOf(table, chain, printIptablesRule(rule))) ||
        !iptablesDispatchChains.has(chain),
    );
    const choosing = new Set(own.filter(isEndpointJump));
    const chosen = [...choosing]
      .flatMap(({ counters }) => counters?.packets ?? [])
      .reduce((sum, each) => sum + each, 0);
    const choices = this.#isFolded ? this.#choicesOf(own) : [];
    const folded = foldAlike(choices);
    const hidden = new Set([...folded.values()].flat());
    const shown = own.flatMap((rule, index) => (hidden.has(index) ? [] : [{ rule, index }]));
    const rules = shown.map(({ rule, index }): RuleExplanation => {
      const text = printIptablesRule(rule);
      const explained = explainIptablesRule(rule, this.#names, {
        noun: isNat ? 'connections' : 'packets',
        isFirst: rule === all[0],
      });
      const countsAll = this.#names.chain(chain) === undefined || countsOthers(rule, chain);
      const alike = this.#alikeAt(index, choices, folded, (other) => {
        const rest = own[other];
        return { shares: (rest && this.#shares.get(keyOf(table, chain, printIptablesRule(rest)))) ?? {} };
      });
      return {
        ...this.#explanation(table, chain, text, explained, rule.counters, countsAll),
        ...(choosing.has(rule) && chosen > 0 && rule.counters !== undefined
          ? { measured: rule.counters.packets / chosen }
          : {}),
        ...(alike.length === 0 ? {} : { alike }),
      };
    });
    return {
      rules,
      to: shown.flatMap(({ rule: { target } }) =>
        target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : [],
      ),
    };
  }

  #nftChain(
    { table }: NodeReportRules & { readonly kind: 'nftables' },
    chain: string,
    isNat: boolean,
  ): { rules: RuleExplanation[]; to: string[] } | undefined {
    const all = table.chain(chain)?.rules;
    if (all === undefined) return undefined;
    const names: Names = { ...this.#names, set: (name) => this.#ownElements(name) };
    const foldedOf = oncePer((rule: NftRule) => this.#foldedElements(rule));
    const rules = all.map((rule): RuleExplanation => {
      const counter = rule.statements.find((statement) => statement.kind === 'counter');
      const counters =
        counter?.packets === undefined || counter.bytes === undefined
          ? undefined
          : { packets: counter.packets, bytes: counter.bytes };
      const { alike, hidden } = foldedOf(rule);
      const explained = explainNftRule(rule, names, {
        noun: isNat ? 'connections' : 'packets',
        isFirst: rule === all[0],
        leftOut: hidden,
      });
      const text = printNftRule(rule);
      return {
        ...this.#explanation(table.name, chain, text, explained, counters, false),
        ...(alike.length === 0 ? {} : { alike, text: printNftRule(withoutElements(rule, hidden)) }),
      };
    });
    return { rules, to: all.flatMap((rule) => this.#nftJumps(withoutElements(rule, foldedOf(rule).hidden))) };
  }

  /** Of the map by which the rule chooses: the elements that are not written out, and the endpoints of them. */
  #foldedElements(rule: NftRule): { alike: readonly AlikeEndpoints[]; hidden: ReadonlySet<NftElement> } {
    const elements = this.#isFolded ? (nftChoices(rule) ?? []) : [];
    const choices = elements.map((element) => this.#nftChoice(element));
    const folded = foldAlike(choices);
    const alike = [...folded.keys()].flatMap((index) =>
      this.#alikeAt(index, choices, folded, (other) => shareOfElement(rule, elements[other])),
    );
    return { alike, hidden: new Set([...folded.values()].flat().flatMap((index) => elements[index] ?? [])) };
  }

  #nftJumps({ statements }: NftRule): string[] {
    return statements.flatMap((statement) => {
      if (statement.kind !== 'vmap' || statement.data.kind !== 'setReference') return jumpsOfStatement(statement);
      return (this.#ownElements(statement.data.name)?.elements ?? []).flatMap(({ value }) =>
        value?.kind === 'verdict' ? chainOfVerdict(value.verdict) : [],
      );
    });
  }

  /** Of a map, the elements of the frontends that are asked for. */
  #ownElements(name: string): ReturnType<Names['set']> {
    const set = this.#names.set(name);
    if (
      set === undefined ||
      this.#isAll ||
      (set.data === undefined && !set.elements.some(({ value }) => value !== undefined))
    )
      return set;
    return {
      ...set,
      elements: set.elements.filter((element) => this.#frontends.some((frontend) => isElementOf(element, frontend))),
    };
  }

  #ipvs(): StageExplanation[] {
    if (this.#rules.kind !== 'iptables' || this.#rules.servers.length === 0) return [];
    const servers = this.#rules.servers.filter(
      (server) => this.#isAll || this.#shares.has(keyOf(ipvsTable, ipvsChainName(server), virtualServerText(server))),
    );
    const chains = servers.map((server): ChainExplanation => {
      const chain = ipvsChainName(server);
      const connections = server.realServers.flatMap(({ stats }) => stats?.connections ?? []);
      const text = virtualServerText(server);
      const explained = explainVirtualServer(server, this.#names, (real) => {
        const shares = Object.values(this.#shares.get(keyOf(ipvsTable, chain, realServerText(real))) ?? {});
        const known = shares.filter((share) => share !== 'unknown');
        return known.length === 0 || known.length < shares.length ? undefined : Math.max(...known);
      });
      const counters =
        server.stats === undefined ? undefined : { packets: server.stats.connections, bytes: server.stats.inBytes };
      const total = connections.reduce((sum, each) => sum + each, 0);
      const choices = this.#isFolded ? server.realServers.map(realServerChoice) : [];
      const folded = foldAlike(choices);
      const hidden = new Set([...folded.values()].flat());
      const sharesOf = (real: RealServer): NonNullable<RuleExplanation['shares']> =>
        this.#shares.get(keyOf(ipvsTable, chain, realServerText(real))) ?? {};
      const rules = [
        this.#explanation(ipvsTable, chain, text, { ...explained, lines: [] }, counters, false),
        ...server.realServers.flatMap((real, index): RuleExplanation[] => {
          if (hidden.has(index)) return [];
          const alike = this.#alikeAt(index, choices, folded, (other) => {
            const rest = server.realServers[other];
            return rest === undefined ? {} : { shares: sharesOf(rest) };
          });
          const own =
            real.stats === undefined ? undefined : { packets: real.stats.connections, bytes: real.stats.inBytes };
          const line = explained.lines[index];
          return [
            {
              ...this.#explanation(
                ipvsTable,
                chain,
                realServerText(real),
                { sentence: line?.sentence ?? '', lines: [], unknown: [] },
                own,
                false,
              ),
              ...(total > 0 && own !== undefined ? { measured: own.packets / total } : {}),
              ...(alike.length === 0 ? {} : { alike }),
            },
          ];
        }),
      ];
      return { table: ipvsTable, chain, purpose: 'a virtual server', hooks: [], rules };
    });
    return [stageOf('ipvs', chains)];
  }

  #explanation(
    table: string,
    chain: string,
    text: string,
    { sentence, lines, unknown }: Explained,
    counters: Counters | undefined,
    countsAll: boolean,
  ): RuleExplanation {
    return {
      text,
      sentence,
      lines,
      unknown,
      ...(counters === undefined ? {} : { counters }),
      countsAll,
      shares: this.#shares.get(keyOf(table, chain, text)) ?? {},
    };
  }
}

/** Whether it jumps to the chain of one endpoint. */
function isEndpointJump({ target }: IptablesRule): boolean {
  return (target?.kind === 'jump' || target?.kind === 'goto') && iptablesChainKind(target.chain) === 'endpoint';
}

/** Of what the rule sends on, the part of one element. */
function shareOfElement({ statements }: NftRule, element: NftElement | undefined): EndpointShares {
  if (element?.key.kind !== 'value') return {};
  for (const statement of statements) {
    const key =
      statement.kind === 'vmap'
        ? statement.key
        : statement.kind === 'nat' && statement.address?.kind === 'map'
          ? statement.address.key
          : undefined;
    if (key?.kind === 'numgen') return { endpointShare: 1 / key.modulus };
  }
  return {};
}
