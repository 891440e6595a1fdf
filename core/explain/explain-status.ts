/** The rules of a program as a status has them, in the same plain words that `explain` has for a node's report. */
import { ipvsTable, readChainName } from '../api/chain-name.ts';
import type { DesiredService } from '../api/service.ts';
import type { ChainStatus, NodePortStatus, ProgramStatus } from '../api/service-trace.ts';
import { portsOf } from '../iptables/rule.ts';
import { chainKind } from '../kube-proxy/chain-kinds.ts';
import { oncePer } from '../lib/once-per.ts';
import { present } from '../lib/present.ts';
import { prefixContains } from '../net/address.ts';
import type { NftElement } from '../nftables/rule.ts';
import { explainIptablesRule } from './explain-iptables.ts';
import { explainRealServer } from './explain-ipvs.ts';
import { explainNftElement, explainNftRule } from './explain-nft.ts';
import { notKnown, type Explained, type Names } from './explained.ts';
import { stageOf, type ChainExplanation, type FamilyExplanation, type RuleExplanation } from './explanation.ts';
import { foldStatusChain, type FoldedChain, type FoldedRule } from './fold-status.ts';
import { countsOthers, frontendName, isElementOf, matchesDestination } from './rule-frontends.ts';
import { ruleWriter } from './rule-writer.ts';
import { serviceNames } from './service-names.ts';
import { statusChains, type StatusChains } from './status-chains.ts';
import { statusNames } from './status-names.ts';
import { endpointShare } from './status-shares.ts';
import { isNodePortServer, isServerOf, ownTargets, type StatusRuleModel } from './status-rule.ts';

export interface StatusRule extends Explained {
  /** Of the connections to a frontend, those that end at the endpoints behind this rule; the largest over the frontends. */
  readonly share?: number;
  /** By the counters: of the connections that the chain has sent to endpoints. */
  readonly measured?: number;
  /** The counters count other Services' packets too. */
  readonly countsAll: boolean;
  /** `writeServiceToEndpointRules in pkg/proxy/iptables/proxier.go`; absent where it is not kube-proxy's. */
  readonly writer?: string;
  /** Chains of this program that it jumps to. */
  readonly jumpsTo: readonly ChainStatus[];
}

export interface ProgramExplainer {
  /** `which chooses an endpoint of default/auth-service:http`. */
  purpose(chain: ChainStatus): string | undefined;
  /** @param index of the rule in the chain */
  rule(chain: ChainStatus, index: number, leftOut?: FoldedRule['hidden']): StatusRule;
  /** Chains of this program that the rule jumps to. */
  jumpsTo(chain: ChainStatus, index: number): readonly ChainStatus[];
  /** Of the chain's rules, those that are written out where of many alike endpoints one is. */
  fold(chain: ChainStatus): FoldedChain;
  /** The frontends that the rule, or the element of a map, is for alone; undefined where it does not ask for one. */
  frontendsOf(chain: ChainStatus, index: number): readonly NodePortStatus[] | undefined;
}

/** @param ports of a node that has the program */
export function explainStatusProgram(
  program: ProgramStatus,
  desired: DesiredService,
  ports: readonly NodePortStatus[],
): ProgramExplainer {
  const chains = statusChains(program);
  const service = serviceNames(desired);
  const namesIn = (chain: ChainStatus): Names => statusNames(chains, chain, service, ports);
  return {
    fold: (chain) => foldStatusChain(chains, chain, { pod: service.pod, ports }),
    purpose: (chain) =>
      chain.table === ipvsTable
        ? 'a virtual server'
        : readChainName(chain).kind === 'map'
          ? undefined
          : namesIn(chain).chain(chain.name),
    jumpsTo: (chain, index) => chains.jumpsTo(chain, index),
    frontendsOf: (chain, index) => ownFrontends(chains.rule(chain, index), chain, ports),
    rule(chain, index, leftOut) {
      const rule = chains.rule(chain, index) ?? { kind: 'unknown' };
      const names = namesIn(chain);
      const targets = chains.targetsBehind(chain, index);
      const share = targets.size === 0 ? undefined : endpointShare(ports, chain.family, targets);
      const jumpsTo = chains.jumpsTo(chain, index);
      return {
        ...explain(rule, chain, index, { names, share, leftOut }),
        jumpsTo,
        countsAll:
          rule.kind === 'iptables' && (names.chain(chain.name) === undefined || countsOthers(rule.rule, chain.name)),
        ...present({
          share,
          measured: measuredShare(chains, chain, index),
          writer: ruleWriter(program.proxyMode, {
            table: chain.table,
            chain: chain.name,
            sendsTo: sendsTo(rule, jumpsTo),
            target: targetNameOf(rule),
          }),
        }),
      };
    },
  };
}

/**
 * By the counters: of the connections that the chain has sent to endpoints, those by this rule. Undefined where it does not
 * choose, or nothing was counted. Rules of one chain that jump to endpoints take connections from one another; a chain
 * before them sends all to one.
 */
function measuredShare(chains: StatusChains, chain: ChainStatus, index: number): number | undefined {
  const own = chain.rules[index]?.packets;
  const choosing = chain.rules.flatMap(({ packets }, at) =>
    packets === undefined || sendsTo(chains.rule(chain, at), chains.jumpsTo(chain, at)) === undefined
      ? []
      : [{ at, packets }],
  );
  const chosen = choosing.reduce((sum, { packets }) => sum + packets, 0);
  const isChoice = choosing.length > 1 && choosing.some(({ at }) => at === index);
  return isChoice && chosen > 0 && own !== undefined ? own / chosen : undefined;
}

/** Of a rule that dispatches by destination address or port. */
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

/** By chain, the rules that packets to these frontends may meet: from the chains that no other jumps to, past what is for other frontends. */
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
  // A set is walked with what is added to it on the packet path.
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

function sendsTo(
  rule: StatusRuleModel | undefined,
  next: readonly ChainStatus[],
): 'endpoint chain' | 'endpoint' | undefined {
  if (rule !== undefined && ownTargets(rule).length > 0) return 'endpoint';
  return next.some(({ name }) => chainKind(name) === 'endpoint') ? 'endpoint chain' : undefined;
}

/** `ACCEPT`, or the chain that an iptables rule jumps to. */
function targetNameOf(rule: StatusRuleModel): string | undefined {
  if (rule.kind !== 'iptables' || rule.rule.target === undefined) return undefined;
  const { target } = rule.rule;
  return target.kind === 'jump' || target.kind === 'goto' ? target.chain : target.kind;
}

function explain(
  rule: StatusRuleModel,
  { table, name, rules }: ChainStatus,
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
    case 'unknown': {
      const { text = '' } = rules[index] ?? {};
      return { sentence: notKnown(text), lines: [], unknown: [text] };
    }
  }
}

/** Chains of the nftables mode that are registered at filter hooks, or are reached from there (pkg/proxy/nftables/proxier.go nftablesJumpChains, 1.37). */
function isFilterChain(name: string): boolean {
  return (
    name.endsWith('-check') ||
    name.startsWith('firewall-') ||
    name.startsWith('filter-') ||
    name === 'reject-chain' ||
    name === 'forward'
  );
}
