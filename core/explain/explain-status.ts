/** The rules of a program as a status has them, in the same plain words that `explain` has for a node's report. */
import { ipvsTable, mapChainName, readChainName } from '../api/chain-name.ts';
import {
  isNodePortServer,
  isServerOf,
  namesAfter,
  ownTargets,
  parseStatusRule,
  targetKey,
  type StatusRuleModel,
} from './status-rule.ts';
import { hostPort, prefixContains } from '../net/address.ts';
import { portsOf } from '../iptables/rule.ts';
import type { NftElement } from '../nftables/rule.ts';
import { programMaps } from '../program/program-chains.ts';
import { chainOfVerdict, dnatTargetsOfStatement } from '../nftables/targets.ts';
import { printNatRange } from '../iptables/print.ts';
import type { DesiredService } from '../api/service.ts';
import type { ChainStatus, NodePortStatus, ProgramStatus } from '../api/service-trace.ts';
import { oncePer } from '../lib/once-per.ts';
import { present } from '../lib/present.ts';
import { printNftRule } from '../nftables/print.ts';
import {
  endpointText,
  foldAlike,
  iptablesChoice,
  nftChoice,
  nftChoices,
  realServerChoice,
  type Choice,
} from './alike.ts';
import { chainPurpose } from './chain-purpose.ts';
import {
  countsOthers,
  frontendName,
  isElementOf,
  stageOf,
  matchesDestination,
  withoutElements,
  type AlikeEndpoint,
  type AlikeEndpoints,
  type ChainExplanation,
  type FamilyExplanation,
  type RuleExplanation,
} from './explain-program.ts';
import { explainIptablesRule } from './explain-iptables.ts';
import { explainRealServer } from './explain-ipvs.ts';
import { explainNftElement, explainNftRule } from './explain-nft.ts';
import { notKnown, withPod, type Explained, type Names } from './explained.ts';
import { ruleWriter } from './rule-writer.ts';
import { serviceNames } from './service-names.ts';

export interface StatusRule extends Explained {
  /** Of the connections to a frontend, those that end at the endpoints behind this rule; the largest over the frontends. */
  readonly share?: number;
  /** By the counters: of the connections that the chain has sent to endpoints. */
  readonly measured?: number;
  /** The counters count other Services' packets too. */
  readonly countsAll: boolean;
  /** `writeServiceToEndpointRules in pkg/proxy/iptables/proxier.go`; absent where it is not kube-proxy's. */
  readonly writer?: string;
  /** Chains of this program that it leads to. */
  readonly jumpsTo: readonly ChainStatus[];
}

export interface ProgramExplainer {
  /** `which chooses an endpoint of default/auth-service:http`. */
  purpose(chain: ChainStatus): string | undefined;
  /** @param index of the rule in the chain */
  rule(chain: ChainStatus, index: number, leftOut?: FoldedRule['hidden']): StatusRule;
  /** Chains of this program that the rule leads to. */
  jumpsTo(chain: ChainStatus, index: number): readonly ChainStatus[];
  /** Of the chain's rules, those that are written out where of many alike endpoints one is. */
  fold(chain: ChainStatus): FoldedChain;
  /** The frontends that the rule, or the element of a map, is for alone; undefined where it does not ask for one. */
  frontendsOf(chain: ChainStatus, index: number): readonly NodePortStatus[] | undefined;
}

interface FoldedChain {
  /** Indexes of rules that are not written out. */
  readonly hidden: ReadonlySet<number>;
  readonly rules: ReadonlyMap<number, FoldedRule>;
}

/** A rule that is written out for others, or for elements of its own map. */
interface FoldedRule {
  readonly alike: readonly AlikeEndpoints[];
  /** Elements that are not written out. */
  readonly hidden: ReadonlySet<NftElement>;
  /** The rule without them; absent where it has none. */
  readonly text?: string;
  /** Chains of this program that it jumps to, but for theirs. */
  readonly jumpsTo: readonly ChainStatus[];
}

/** @param ports of a node that has the program */
export function explainStatusProgram(
  program: ProgramStatus,
  desired: DesiredService,
  ports: readonly NodePortStatus[],
): ProgramExplainer {
  const { port, pod } = serviceNames(desired);
  const chains = new Map(program.chains.map((chain) => [keyOf(chain), chain]));
  const parsed = new Map<ChainStatus, (StatusRuleModel | undefined)[]>();

  /** A chain may have thousands of rules: each is read when it is asked for. */
  const ruleOf = (chain: ChainStatus, index: number): StatusRuleModel | undefined => {
    const rule = chain.rules[index];
    if (rule === undefined) return undefined;
    let known = parsed.get(chain);
    if (known === undefined) {
      known = [];
      parsed.set(chain, known);
    }
    return (known[index] ??= parseStatusRule(rule.text, chain, program));
  };
  const rulesOf = (chain: ChainStatus): readonly StatusRuleModel[] =>
    chain.rules.flatMap((_, index) => ruleOf(chain, index) ?? []);
  const near = (chain: ChainStatus, name: string): ChainStatus[] => {
    const found = chains.get(keyOf({ ...chain, name }));
    return found === undefined ? [] : [found];
  };
  const jumpsTo = (chain: ChainStatus, index: number): readonly ChainStatus[] =>
    namesAfter(ruleOf(chain, index)).flatMap((name) => near(chain, name));

  /** Addresses and ports that packets get as their destination behind the rule, `10.244.1.4 8080`. */
  const targetsOf = (chain: ChainStatus, index: number): ReadonlySet<string> => {
    const rule = ruleOf(chain, index);
    const targets = new Set(rule === undefined ? [] : ownTargets(rule));
    const behind = new Set(jumpsTo(chain, index));
    // A set is walked with what is added to it on the way.
    for (const each of behind) {
      for (const target of rulesOf(each).flatMap(ownTargets)) targets.add(target);
      each.rules.forEach((_, at) => {
        for (const next of jumpsTo(each, at)) behind.add(next);
      });
    }
    return targets;
  };

  const namesIn = (chain: ChainStatus): Names => ({
    chain: (name) =>
      chainPurpose(
        name,
        port,
        (endpoint) => near(chain, endpoint).flatMap((found) => rulesOf(found).flatMap(targetText))[0],
      ),
    pod,
    // Of kube-proxy's maps, a program has the elements of the Service; one without any is not in it.
    set: (name) => {
      const [map] = near(chain, mapChainName(name));
      const isEmpty =
        map === undefined &&
        programMaps.has(name) &&
        ports.some(({ family, verdict }) => family === chain.family && verdict !== 'Unknown');
      if (map === undefined && !isEmpty) return undefined;
      return {
        name,
        type: [],
        flags: [],
        data: ['verdict'],
        elements:
          map === undefined ? [] : rulesOf(map).flatMap((each) => (each.kind === 'element' ? [each.element] : [])),
      };
    },
    ipSet: () => undefined,
  });
  const targetText = (rule: StatusRuleModel): string[] => {
    if (rule.kind === 'iptables' && rule.rule.target?.kind === 'DNAT')
      return rule.rule.target.to
        .slice(0, 1)
        .flatMap((range) =>
          range.addresses === undefined ? [] : [withPod(printNatRange(range), range.addresses.from, { pod })],
        );
    if (rule.kind !== 'nftables') return [];
    return rule.rule.statements
      .flatMap(dnatTargetsOfStatement)
      .slice(0, 1)
      .map(({ address, port: number }) =>
        withPod(number === undefined ? address : hostPort(address, number), address, { pod }),
      );
  };

  const shareOf = (chain: ChainStatus, targets: ReadonlySet<string>): number | undefined => {
    const shares = ports
      .filter(({ family, verdict }) => family === chain.family && verdict === 'DNAT')
      .flatMap((own) => {
        const known = sharesByTarget(own);
        const behind = [...targets].flatMap((target) => known.get(target) ?? []);
        // One share that is not known makes the sum unknown.
        return behind.length === 0 || behind.includes('unknown')
          ? []
          : [behind.reduce<number>((sum, share) => sum + (share === 'unknown' ? 0 : share), 0)];
      });
    return shares.length === 0 ? undefined : Math.min(1, Math.max(...shares));
  };

  /** Counted by the rule that rewrites the destination. */
  const packetsOf = (chain: string, near: readonly ChainStatus[]): number | undefined => {
    const found = near.find(({ name }) => name === chain);
    return found?.rules.find((_, index) => {
      const rule = ruleOf(found, index);
      return rule !== undefined && ownTargets(rule).length > 0;
    })?.packets;
  };

  const alikeOf = (
    chain: ChainStatus,
    choices: readonly (Choice | undefined)[],
    [first, others]: readonly [number, readonly number[]],
    factsOf: (choice: Choice, index: number) => Pick<AlikeEndpoint, 'endpointShare' | 'packets'>,
  ): AlikeEndpoints[] => {
    const written = choices[first];
    if (written === undefined) return [];
    const rest = others.flatMap((index): AlikeEndpoint[] => {
      const choice = choices[index];
      if (choice === undefined) return [];
      const found = pod(choice.endpoint.address);
      return [
        {
          endpoint: endpointText(choice.endpoint),
          ...(found === undefined ? {} : { pod: found }),
          ...factsOf(choice, index),
        },
      ];
    });
    return [{ writtenOut: endpointText(written.endpoint), others: rest }];
  };
  const shareAt = (chain: ChainStatus, { endpoint }: Choice): Pick<AlikeEndpoint, 'endpointShare'> => {
    const share = shareOf(chain, new Set([targetKey(endpoint.address, endpoint.port)]));
    return share === undefined ? {} : { endpointShare: share };
  };

  const fold = (chain: ChainStatus): FoldedChain => {
    const rules = rulesOf(chain);
    const jumped = (rule: StatusRuleModel): ChainStatus[] =>
      rule.kind === 'iptables' ? namesAfter(rule).flatMap((name) => near(chain, name)) : [];
    const isJump = (rule: StatusRuleModel): boolean => jumped(rule).some(({ name }) => name.startsWith('KUBE-SEP-'));
    const last = rules.findLastIndex(isJump);
    const choices = rules.map((rule, index): Choice | undefined => {
      if (rule.kind === 'server') return realServerChoice(rule.server);
      if (rule.kind !== 'iptables' || !isJump(rule)) return undefined;
      const target = jumped(rule).flatMap(rulesOf);
      return iptablesChoice(
        rule.rule,
        target.flatMap((each) => (each.kind === 'iptables' ? [each.rule] : [])),
        index === last,
      );
    });
    const folded = foldAlike(choices);
    const ofRules = [...folded].map(([first, others]): [number, FoldedRule] => {
      const alike = alikeOf(chain, choices, [first, others], (choice, index) => ({
        ...shareAt(chain, choice),
        ...present({ packets: chain.rules[index]?.packets }),
      }));
      return [first, { alike, hidden: new Set(), jumpsTo: jumpsTo(chain, first) }];
    });
    const ofMaps = rules.flatMap((rule, index): [number, FoldedRule][] => {
      const elements = rule.kind === 'nftables' ? nftChoices(rule.rule) : undefined;
      if (rule.kind !== 'nftables' || elements === undefined) return [];
      const next = jumpsTo(chain, index);
      const byName = new Map(next.map((each) => [each.name, each]));
      const own = elements.map((element) =>
        nftChoice(element, (name) => {
          const found = byName.get(name);
          return found === undefined
            ? []
            : rulesOf(found).flatMap((each) => (each.kind === 'nftables' ? [each.rule] : []));
        }),
      );
      const groups = foldAlike(own);
      if (groups.size === 0) return [];
      const alike = [...groups].flatMap((group) =>
        alikeOf(chain, own, group, (choice, at) => ({
          ...shareAt(chain, choice),
          ...present({ packets: chainsOf(elements[at]).flatMap((name) => packetsOf(name, next) ?? [])[0] }),
        })),
      );
      const hidden = new Set([...groups.values()].flat().flatMap((at) => elements[at] ?? []));
      const shown = withoutElements(rule.rule, hidden);
      const left = new Set(namesAfter({ kind: 'nftables', rule: shown }));
      return [
        [index, { alike, hidden, text: printNftRule(shown), jumpsTo: next.filter(({ name }) => left.has(name)) }],
      ];
    });
    return { hidden: new Set([...folded.values()].flat()), rules: new Map([...ofRules, ...ofMaps]) };
  };

  return {
    fold,
    purpose: (chain) =>
      chain.table === ipvsTable
        ? 'a virtual server'
        : readChainName(chain).kind === 'map'
          ? undefined
          : namesIn(chain).chain(chain.name),
    jumpsTo,
    frontendsOf: (chain, index) => ownFrontends(ruleOf(chain, index), chain, ports),
    rule(chain, index, leftOut) {
      const rules = rulesOf(chain);
      const rule = rules[index] ?? { kind: 'unknown' };
      const text = chain.rules[index]?.text ?? '';
      const targets = targetsOf(chain, index);
      const share = targets.size === 0 ? undefined : shareOf(chain, targets);
      const next = jumpsTo(chain, index);
      const own = chain.rules[index]?.packets;
      // Rules of one chain that lead to endpoints take connections from one another; a chain before them sends all to one.
      const choosing = chain.rules.flatMap((each, at) =>
        each.packets === undefined || sendsTo(rules[at], jumpsTo(chain, at)) === undefined
          ? []
          : [{ at, packets: each.packets }],
      );
      const chosen = choosing.reduce((sum, { packets }) => sum + packets, 0);
      const isChoice = choosing.length > 1 && choosing.some(({ at }) => at === index);
      const writer = ruleWriter(program.proxyMode, {
        table: chain.table,
        chain: chain.name,
        sendsTo: sendsTo(rule, next),
        target: targetNameOf(rule),
      });
      return {
        ...explain(rule, text, chain, index, { names: namesIn(chain), share, leftOut }),
        jumpsTo: next,
        countsAll:
          rule.kind === 'iptables' &&
          (namesIn(chain).chain(chain.name) === undefined || countsOthers(rule.rule, chain.name)),
        ...(share === undefined ? {} : { share }),
        ...(isChoice && chosen > 0 && own !== undefined ? { measured: own / chosen } : {}),
        ...(writer === undefined ? {} : { writer }),
      };
    },
  };
}

/** Of a rule that tells frontends apart by their address or port. */
function ownFrontends(
  rule: StatusRuleModel | undefined,
  chain: ChainStatus,
  ports: readonly NodePortStatus[],
): readonly NodePortStatus[] | undefined {
  const all = ports.filter((port) => port.family === chain.family);
  switch (rule?.kind) {
    case 'element':
      return all.filter((frontend) => isElementOf(rule.element, frontend));
    case 'server': {
      const server = readChainName(chain);
      if (server.kind !== 'virtualServer') return [];
      const named = all.filter((frontend) => isServerOf(server, frontend));
      return named.length > 0 ? named : all.filter((frontend) => isNodePortServer(server, frontend));
    }
    case 'iptables': {
      const { destination, protocol } = rule.rule;
      const asked = portsOf(rule.rule, 'destination');
      if (!matchesDestination(rule.rule)) return undefined;
      return all.filter(
        (frontend) =>
          // A NodePort has whichever addresses the node has.
          (destination === undefined ||
            frontend.address === '' ||
            prefixContains(destination.prefix, frontend.address) === !destination.negated) &&
          (protocol === undefined || (protocol.protocol.toUpperCase() === frontend.protocol) === !protocol.negated) &&
          (asked === undefined ||
            asked.ranges.some(({ from, to }) => from <= frontend.port && frontend.port <= to) === !asked.negated),
      );
    }
    default:
      return undefined;
  }
}

/** What of a program is explained. */
export interface StatusExplainOptions {
  /** The frontends that are asked for; absent: all. */
  readonly wants?: ((frontend: NodePortStatus) => boolean) | undefined;
  /** Of many alike endpoints one is written out, the others are counted up. */
  readonly isFolded?: boolean;
}

/**
 * The rules of a program, family by family and chain by chain, as `explainProgram` has them of a node's report: without the
 * hooks, the third-party rules, and the shares by kind of client, which a status does not hold.
 * @param ports of a node that has the program
 */
export function explainStatusFamilies(
  program: ProgramStatus,
  desired: DesiredService,
  ports: readonly NodePortStatus[],
  { wants = () => true, isFolded = false }: StatusExplainOptions = {},
): FamilyExplanation[] {
  const explainer = explainStatusProgram(program, desired, ports);
  return (['IPv4', 'IPv6'] as const).flatMap((family): FamilyExplanation[] => {
    const frontends = ports.filter((port) => port.family === family && wants(port));
    const own = program.chains.filter((chain) => chain.family === family);
    if (frontends.length === 0 || own.length === 0) return [];
    const foldOf = oncePer((chain: ChainStatus) =>
      isFolded ? explainer.fold(chain) : { hidden: new Set<number>(), rules: new Map<number, FoldedRule>() },
    );
    const chosen = chainsFor(own, explainer, frontends, foldOf);
    const chains = own.flatMap((chain): ChainExplanation[] => {
      const indexes = chosen.get(chain) ?? [];
      if (indexes.length === 0) return [];
      const purpose = explainer.purpose(chain);
      return [
        {
          table: chain.table,
          chain: chain.name,
          ...(purpose === undefined ? {} : { purpose }),
          hooks: [],
          rules: indexes.map((index) => ruleExplanation(chain, index, explainer, foldOf(chain).rules.get(index))),
        },
      ];
    });
    return [
      {
        family,
        frontends: frontends.map(frontendName),
        stages: [stageOf('service', chains)],
      },
    ];
  });
}

function ruleExplanation(
  chain: ChainStatus,
  index: number,
  explainer: ProgramExplainer,
  folded: FoldedRule | undefined,
): RuleExplanation {
  const { sentence, lines, unknown, share, measured, countsAll } = explainer.rule(chain, index, folded?.hidden);
  const { text = '', packets, bytes } = chain.rules[index] ?? {};
  return {
    text: folded?.text ?? text,
    sentence,
    lines,
    unknown,
    countsAll,
    ...(packets === undefined ? {} : { counters: { packets, bytes: bytes ?? 0 } }),
    ...(share === undefined ? {} : { endpointShare: share }),
    ...(measured === undefined ? {} : { measured }),
    ...(folded === undefined ? {} : { alike: folded.alike }),
  };
}

/** By chain, the rules that packets to these frontends may meet: from the chains that no other leads to, past what is for other frontends. */
function chainsFor(
  chains: readonly ChainStatus[],
  explainer: ProgramExplainer,
  frontends: readonly NodePortStatus[],
  foldOf: (chain: ChainStatus) => FoldedChain,
): ReadonlyMap<ChainStatus, readonly number[]> {
  const jumpedTo = new Set(
    chains.flatMap((chain) => chain.rules.flatMap((_, index) => explainer.jumpsTo(chain, index))),
  );
  const next = new Set(chains.filter((chain) => !jumpedTo.has(chain)));
  const chosen = new Map<ChainStatus, readonly number[]>();
  // A set is walked with what is added to it on the way.
  for (const chain of next) {
    const { hidden, rules } = foldOf(chain);
    const own = chain.rules.flatMap((_, index) => {
      if (hidden.has(index)) return [];
      const only = explainer.frontendsOf(chain, index);
      return only === undefined || only.some((each) => frontends.includes(each)) ? [index] : [];
    });
    chosen.set(chain, own);
    for (const index of own)
      for (const each of rules.get(index)?.jumpsTo ?? explainer.jumpsTo(chain, index)) next.add(each);
  }
  return chosen;
}

function keyOf({ family, table, name }: Pick<ChainStatus, 'family' | 'table' | 'name'>): string {
  return `${family} ${table} ${name}`;
}

/** The share of each target, those of which it is not known among them. */
const sharesByTarget = oncePer(({ dnatTargets }: NodePortStatus): ReadonlyMap<string, (number | 'unknown')[]> => {
  const known = new Map<string, (number | 'unknown')[]>();
  for (const { address, port, probability = 'unknown' } of dnatTargets) {
    const key = targetKey(address, port);
    known.set(key, [...(known.get(key) ?? []), probability]);
  }
  return known;
});

function chainsOf(element: NftElement | undefined): string[] {
  return element?.value?.kind === 'verdict' ? chainOfVerdict(element.value.verdict) : [];
}

function sendsTo(
  rule: StatusRuleModel | undefined,
  next: readonly ChainStatus[],
): 'endpoint chain' | 'endpoint' | undefined {
  if (rule !== undefined && ownTargets(rule).length > 0) return 'endpoint';
  return next.some(({ name }) => /^(?:KUBE-SEP-|endpoint-)/.test(name)) ? 'endpoint chain' : undefined;
}

/** `ACCEPT`, or the chain that an iptables rule jumps to. */
function targetNameOf(rule: StatusRuleModel): string | undefined {
  if (rule.kind !== 'iptables' || rule.rule.target === undefined) return undefined;
  const { target } = rule.rule;
  return target.kind === 'jump' || target.kind === 'goto' ? target.chain : target.kind;
}

function explain(
  rule: StatusRuleModel,
  text: string,
  { table, name }: ChainStatus,
  index: number,
  {
    names,
    share,
    leftOut = new Set(),
  }: { names: Names; share: number | undefined; leftOut: ReadonlySet<NftElement> | undefined },
): Explained {
  const isFirst = index === 0;
  switch (rule.kind) {
    case 'iptables':
      return explainIptablesRule(rule.rule, names, { noun: table === 'nat' ? 'connections' : 'packets', isFirst });
    case 'nftables':
      return explainNftRule(rule.rule, names, {
        noun: isFilterChain(name) ? 'packets' : 'connections',
        isFirst,
        leftOut,
      });
    case 'element':
      return { sentence: explainNftElement(rule.element, names), lines: [], unknown: [] };
    case 'server':
      return { sentence: explainRealServer(rule.server, names, share).sentence, lines: [], unknown: [] };
    case 'unknown':
      return { sentence: notKnown(text), lines: [], unknown: [text] };
  }
}

/** Chains of the nftables mode that hang on filter hooks, or are reached from there (pkg/proxy/nftables/proxier.go nftablesJumpChains, 1.37). */
function isFilterChain(name: string): boolean {
  return (
    name.endsWith('-check') ||
    name.startsWith('firewall-') ||
    name.startsWith('filter-') ||
    name === 'reject-chain' ||
    name === 'forward'
  );
}
