/** What a node's rules do with a Service beside where they send it, compared with what they should: one look for all findings of rules. */
import { chainEntered } from '../../evaluate/action.ts';
import { addressSet, comparableAddress, destinationText, reachableAddresses } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { desiredTargets, servingTargets, type DesiredTarget } from '../../api/desired-targets.ts';
import type { AddressSegments } from '../../evaluate/address-segments.ts';
import type { Leaf, Step } from '../../evaluate/walk.ts';
import { isOwnAddress } from '../../evaluate/walk-hooks.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { recordsOf } from '../../wire/node-report.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import type { DnatTarget, FrontendProgram } from '../../program/program.ts';
import { oncePer, oncePerAll } from '../../lib/once-per.ts';
import { rulesOfNodeReport } from '../../program/node-report-rules.ts';
import type { RuleSummary } from '../../program/rule-summary.ts';
import { markChains, masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf, type Family } from '../../net/family.ts';
import { orderFault, type OrderFault } from './chain-order.ts';
import { foreignHooks, ForeignJudge, type EvaluatedPacket, type ForeignFault } from './foreign-rules.ts';
import { frontendDrifts, isSyncing, type FrontendDrift } from './frontend-drift.ts';
import { policyFault, type PolicyFault } from './policy-fault.ts';
import { isDroppedByFirewall, rangeFaults } from './source-ranges.ts';
import { lastButOne, podAddress } from './pod-addresses.ts';
import type { Walked } from './walked-frontend.ts';
import { outsideClients, sentTargets, walksOf } from '../../program/client-walks.ts';

export interface NodeCheck {
  readonly node: string;
  readonly facts: NodeFacts;
  readonly isIpvs: boolean;
  readonly families: readonly FamilyCheck[];
  readonly frontends: readonly FrontendCheck[];
  /** Third-party rules that were not read, or could not be followed. */
  readonly foreignUnread: readonly string[];
}

/** What is the same for all frontends of a family. */
export interface FamilyCheck {
  readonly family: Family;
  readonly rules: NodeRules;
  /** Chains of nat that do not lead packets to kube-proxy's dispatch chain, with what they hold. */
  readonly missingJumps: readonly {
    readonly hook: 'PREROUTING' | 'OUTPUT';
    readonly chain: string;
    readonly dispatch: string;
    readonly holds: readonly string[];
  }[];
  readonly orderFaults: readonly OrderFault[];
}

export interface FrontendCheck extends FrontendDrift {
  readonly family: FamilyCheck | undefined;
  /** Where the packet of the walks goes to: the address, or one of the node's for a NodePort. */
  readonly destination: string | undefined;
  /** Branches of a client that is neither a pod nor a node, within the source ranges where there are any. */
  readonly outside: readonly Leaf[];
  /** Branches of the node's own packets. */
  readonly fromNode: readonly Leaf[];
  /** Branches of a pod's packets; none where it is not known which addresses pods have. */
  readonly fromPod: readonly Leaf[];
  /** The Service's own chains that its packets may reach. */
  readonly chains: readonly string[];
  /** Something of the node or the Service that makes the rest of what is different with this frontend. */
  readonly explainedBy: 'jump' | 'foreign' | 'order' | 'policy' | 'ranges' | undefined;
  readonly policy: PolicyFault | undefined;
  /** What third-party rules do, or may do, with packets that kube-proxy's rules send to an endpoint. */
  readonly foreign: readonly ForeignFault[];
  /** Source ranges that differ: in words. */
  readonly ranges: readonly string[];
  /** DNAT targets with a desired address and another port. */
  readonly wrongPorts: readonly { readonly target: DnatTarget; readonly wanted: DesiredTarget }[];
  /** Targets that rules name more than once: `10.244.1.2:8080` or a chain. */
  readonly duplicates: readonly string[];
  /** No rule takes packets to endpoints, though others drop them: the node's own under an external policy Local, those of clients within the source ranges. */
  readonly isUnreached: boolean;
  /** Missing and stale targets that are nothing of the above. */
  readonly missingTargets: readonly DesiredTarget[];
  readonly staleTargets: readonly DnatTarget[];
}

/**
 * @returns undefined where nothing can be said: the rules were not read, kube-proxy leaves the Service out, or an
 * EndpointSlice, or the Service, changed so shortly before that the rules may rightly be older
 */
export function checkNode(
  facts: NodeFacts,
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
): NodeCheck | undefined {
  const known = checks.get(facts);
  if (known?.desired === desired && known.cluster === cluster) return known.check;
  const check = makeCheck(facts, desired, cluster);
  checks.set(facts, { desired, cluster, check });
  return check;
}

/** All findings of rules ask the same. */
const checks = new WeakMap<
  NodeFacts,
  {
    readonly desired: DesiredService;
    readonly cluster: ClusterFacts | undefined;
    readonly check: NodeCheck | undefined;
  }
>();

function makeCheck(
  facts: NodeFacts,
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
): NodeCheck | undefined {
  const { read } = facts;
  if (read === undefined || desired.service.notProxied !== undefined || isSyncing(facts, desired, cluster))
    return undefined;
  const drifts = frontendDrifts(facts, desired);
  const families = [...new Set(drifts.map(({ frontend }) => frontend.family))].flatMap((family): FamilyCheck[] => {
    const rules = rulesOfNodeReport(read.report, `${desired.namespace}/${desired.name}`, family);
    return rules === undefined ? [] : [{ family, rules, missingJumps: [], orderFaults: [] }];
  });
  const isIpvs = read.program.proxyMode === 'ipvs';
  const addresses = recordsOf(read.report, 'start')[0]?.addresses ?? [];
  const walked = drifts
    .map((drift) => ({
      drift,
      ...walksOf(
        drift.frontend,
        families.find(({ family }) => family === drift.frontend.family)?.rules,
        addresses,
        podAddress(facts, cluster, drift.frontend.family),
      ),
    }))
    // A virtual server of IPVS is the same for all clients.
    .map((each) => (isIpvs ? { ...each, fromNode: [], fromPod: [] } : each));
  const clientsOf = (family: Family): Record<'outside' | 'node' | 'pod', string | undefined> => ({
    outside: outsideClients[family][0],
    node: reachableAddresses(addresses, family)[0],
    pod: podAddress(facts, cluster, family),
  });
  const complete = families.map((family): FamilyCheck => {
    const own = walked.filter(({ drift }) => drift.frontend.family === family.family);
    const chains = [...new Set(own.flatMap(({ chains: reached }) => reached)), ...masqueradeChains];
    return {
      ...family,
      missingJumps: isIpvs
        ? []
        : missingJumps(
            family.rules,
            read.program.proxyMode === 'nftables',
            own.flatMap(({ outside, fromNode }) => [...outside, ...fromNode]),
          ),
      orderFaults: chains.flatMap((chain) => orderFault(family.rules, chain) ?? []),
    };
  });
  const foreignUnread = new Set<string>();
  const judges = new Map(
    families.flatMap(({ family }) => {
      const hooks = foreignHooks(facts, desired, family, cluster);
      for (const text of hooks?.unread ?? []) foreignUnread.add(text);
      return hooks === undefined
        ? []
        : [
            [
              family,
              { judge: new ForeignJudge(hooks, reachableAddresses(addresses, family)[0] ?? ''), hooks },
            ] as const,
          ];
    }),
  );
  const foreignOf = ({ drift: { frontend }, destination }: Walked): readonly ForeignFault[] => {
    const own = judges.get(frontend.family);
    if (own === undefined || destination === undefined) return [];
    const { outside, node, pod } = clientsOf(frontend.family);
    const clients = [
      ['clients outside', frontend.sourceRanges?.value[0]?.split(/[/-]/)[0] ?? outside, 'PREROUTING', false],
      ['the node itself', node, 'OUTPUT', true],
      ['pods', pod, 'PREROUTING', true],
    ] as const;
    const packets = clients.flatMap(([client, source, entersAt, isOnNode]): EvaluatedPacket[] =>
      source === undefined
        ? []
        : [
            {
              client,
              isOnNode,
              packet: { source, destination, destinationPort: frontend.port, protocol: frontend.protocol, entersAt },
            },
          ],
    );
    const onNode = servingTargets(desired, frontend).filter(({ nodeName }) => nodeName === facts.node);
    const found = [
      own.judge.frontend(frontend, packets, addressSet(onNode.map(({ address }) => address))),
      own.judge.endpoints(frontend, arrivals(frontend, onNode, facts, desired, cluster, own.hooks.segments)),
    ];
    for (const text of found.flatMap(({ unfollowed }) => unfollowed)) foreignUnread.add(text);
    return found.flatMap(({ faults }) => faults);
  };
  const frontends = walked.map((each) =>
    checkFrontend(
      each,
      complete.find(({ family }) => family === each.drift.frontend.family),
      facts,
      desired,
      foreignOf(each),
    ),
  );
  return {
    node: facts.node,
    facts,
    isIpvs,
    families: complete,
    frontends,
    foreignUnread: [...foreignUnread],
  };
}

/**
 * Packets that other nodes have sent on to endpoints on this one, as they come to it: from pods there, and from the nodes
 * themselves, which stand for all whom they masquerade. Of clients and endpoints that no rule distinguishes, one.
 */
function arrivals(
  { frontend, family, protocol }: FrontendProgram,
  onNode: readonly DesiredTarget[],
  facts: NodeFacts,
  { service }: DesiredService,
  cluster: ClusterFacts | undefined,
  segments: AddressSegments,
): EvaluatedPacket[] {
  if ((frontend === 'ClusterIP' ? service.internalTrafficPolicy : service.externalTrafficPolicy) === 'Local') return [];
  const others = (cluster?.nodes ?? []).filter(({ name }) => name !== facts.node);
  const isOwn = (address: string): boolean => familyOf(address) === family;
  const clients = [
    ...others
      .flatMap(({ podCIDRs }) => lastButOne(podCIDRs.find(isOwn)) ?? [])
      .map((source) => ({ client: 'pods of other nodes', source })),
    ...others
      .flatMap(({ internalIPs }) => internalIPs.find(isOwn) ?? [])
      .map((source) => ({ client: 'other nodes', source })),
  ];
  const distinct = oneOfEach(clients, ({ client, source }) => `${client} ${segments.keyOf(source)}`);
  const targets = oneOfEach(onNode, ({ address, port }) => `${segments.keyOf(address)} ${String(port)}`);
  return distinct.flatMap(({ client, source }) =>
    targets.map(({ address, port }): EvaluatedPacket => ({
      client,
      isOnNode: false,
      packet: { source, destination: address, destinationPort: port, protocol, entersAt: 'PREROUTING' },
    })),
  );
}

function oneOfEach<Value>(values: readonly Value[], keyOf: (value: Value) => string): Value[] {
  return [...new Map(values.map((value) => [keyOf(value), value])).values()];
}

const nftablesHookChains = { PREROUTING: 'nat-prerouting', OUTPUT: 'nat-output' } as const;

/** In both modes, nat's chains of the two hooks lead every packet to one chain. */
function missingJumps(rules: NodeRules, isNftables: boolean, leaves: readonly Leaf[]): FamilyCheck['missingJumps'] {
  const dispatch = isNftables ? 'services' : 'KUBE-SERVICES';
  return (['PREROUTING', 'OUTPUT'] as const).flatMap((hook) => {
    const chain = isNftables ? nftablesHookChains[hook] : hook;
    const summaries = rules.chain(chain);
    if (summaries === undefined && !isNftables) return [];
    if (summaries?.some(({ chains }) => chains.includes(dispatch)) === true) return [];
    // Another rule may lead there in its place; only packets of PREROUTING can have come from the other hook.
    const isJumpedToElsewhere =
      hook === 'PREROUTING' && leaves.some(({ path }) => path.some((step) => step.chain === dispatch));
    return isJumpedToElsewhere && summaries !== undefined && summaries.length > 0
      ? []
      : [{ hook, chain, dispatch, holds: (summaries ?? []).map(({ text }) => text) }];
  });
}

function checkFrontend(
  walked: Walked,
  family: FamilyCheck | undefined,
  facts: NodeFacts,
  desired: DesiredService,
  foreign: readonly ForeignFault[],
): FrontendCheck {
  const { drift, fromNode, chains } = walked;
  const { frontend } = drift;
  const isEntryLost = family?.missingJumps.some(({ hook }) => hook === 'PREROUTING') === true;
  const isNodeEntryLost = family !== undefined && family.missingJumps.length > 0;
  const policy = policyFault(walked, family?.rules, desired, facts);
  // What was not understood may be what asks for the ranges, as the sets of 1.29's nftables mode, which no probe reads.
  const ranges = (facts.read?.program.unrecognized.length ?? 0) > 0 ? [] : rangeFaults(walked, family?.rules, desired);
  const explainedBy = isEntryLost
    ? 'jump'
    : // What another program's rule does to packets before they come to kube-proxy's rules is not a fault of these.
      foreign.some(({ kind, unless }) => (kind === 'diverts' || kind === 'hides') && unless.length === 0)
      ? 'foreign'
      : family?.orderFaults.some(({ chain }) => chains.includes(chain)) === true
        ? 'order'
        : policy !== undefined
          ? 'policy'
          : ranges.length > 0 && frontend.verdict !== 'DNAT'
            ? 'ranges'
            : undefined;
  // Under an external policy Local, packets of the node itself may go to any endpoint.
  const isGuarded =
    frontend.frontend === 'LoadBalancerIP' && (desired.service.loadBalancerSourceRanges ?? []).length > 0;
  const isExternalLocal =
    frontend.frontend !== 'ClusterIP' &&
    !isGuarded &&
    desired.service.externalTrafficPolicy === 'Local' &&
    family !== undefined &&
    fromNode.length > 0 &&
    !isNodeEntryLost &&
    !isCheckedEarly(walked) &&
    explainedBy === undefined;
  const forNode = isExternalLocal
    ? desiredTargets({ ...desired, service: { ...desired.service, externalTrafficPolicy: 'Cluster' } }, frontend, {
        node: facts.node,
        traffic: 'external',
        ...(facts.zone === undefined ? {} : { zone: facts.zone }),
      })
    : [];
  const sent = sentTargets(fromNode);
  const isUnreached =
    (forNode.length > 0 && sent.length === 0) ||
    (drift.desired.length > 0 && explainedBy === undefined && isDroppedByFirewall(frontend));
  const stale = [
    ...drift.stale,
    ...(isExternalLocal
      ? frontendTargets(fromNode).filter(
          (target) => ![forNode, drift.desired, drift.stale].some((each) => has(each, target)),
        )
      : []),
  ];
  const missing = [
    ...drift.missing,
    ...(isUnreached ? [] : forNode.filter((target) => !has(sent, target) && !has(drift.missing, target))),
  ];
  const wantedByAddress = new Map(
    [...forNode.toReversed(), ...drift.desired.toReversed()].map((each) => [comparableAddress(each.address), each]),
  );
  const wrongPorts = stale.flatMap((target) => {
    const wanted = wantedByAddress.get(comparableAddress(target.address));
    return wanted === undefined || wanted.port === target.port ? [] : [{ target, wanted }];
  });
  const wrongAddresses = new Set(wrongPorts.map(({ wanted }) => wanted.address));
  const wrongTargets = new Set(wrongPorts.map(({ target }) => target));
  return {
    ...drift,
    ...walked,
    family,
    explainedBy,
    policy,
    foreign,
    ranges,
    wrongPorts,
    isUnreached,
    duplicates:
      explainedBy === undefined && family !== undefined && frontend.verdict === 'DNAT'
        ? duplicatesOf(family.rules, chains)
        : [],
    missingTargets: explainedBy === undefined ? missing.filter(({ address }) => !wrongAddresses.has(address)) : [],
    staleTargets: explainedBy === undefined ? stale.filter((target) => !wrongTargets.has(target)) : [],
  };
}

/** Until 1.32, the nftables mode drops what has no endpoint for clients outside before DNAT, and so the node's own packets with it. */
function isCheckedEarly({ outside, fromNode }: Walked): boolean {
  const meetsServices = ({ path }: Leaf): boolean => path.some(({ chain }) => chain === 'services');
  return (
    fromNode.every(({ verdict }) => verdict === 'DROP') && !fromNode.some(meetsServices) && outside.some(meetsServices)
  );
}

function has(
  targets: readonly { readonly address: string; readonly port: number }[],
  target: { readonly address: string; readonly port: number },
): boolean {
  return placesOf(targets).has(placeOf(target));
}

function placeOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${comparableAddress(address)} ${String(port)}`;
}

const placesOf = oncePer(
  (targets: readonly { readonly address: string; readonly port: number }[]): ReadonlySet<string> =>
    new Set(targets.map(placeOf)),
);

function frontendTargets(leaves: readonly Leaf[]): DnatTarget[] {
  return leaves.flatMap(({ dnat }) =>
    dnat === undefined
      ? []
      : [
          {
            address: dnat.address,
            port: dnat.port,
            by: { table: dnat.by.table, chain: dnat.by.chain, rule: dnat.by.rule },
          },
        ],
  );
}

/** What Services' chains name more than once for new clients. */
function duplicatesOf(rules: NodeRules, chains: readonly string[]): string[] {
  return [...new Set(chains.flatMap((chain) => namedTwice(rules, chain)))];
}

/** A chain of an endpoint, or `10.244.1.2:8080`, that a Service's chain names more than once; frontends share such a chain. */
const namedTwice = oncePerAll((rules: NodeRules, chain: string): readonly string[] => {
  const twice: string[] = [];
  const kind = rules.kindOf(chain);
  if (kind !== 'cluster' && kind !== 'local') return twice;
  const seen = new Set<string>();
  const name = (each: string): void => {
    if (seen.size === seen.add(each).size) twice.push(each);
  };
  for (const { remembers, dnat, chains } of rules.chain(chain) ?? []) {
    if (remembers !== undefined) continue;
    for (const target of dnat) name(destinationText(target));
    for (const to of chains) if (rules.kindOf(to) === 'endpoint') name(to);
  }
  return twice;
});

/** Whether the packets of a branch were marked for masquerading, by kube-proxy's own rules. */
export function markedBy({ path }: Leaf): Step | undefined {
  return path.find(
    (step) =>
      !masqueradeChains.has(step.chain) &&
      (markChains.has(chainEntered(step) ?? '') ||
        step.actions.some((action) => action.kind === 'mark' && action.value !== undefined)),
  );
}

/** Branches that leave the node for another machine: what is delivered to the node itself passes no POSTROUTING. */
export function leavingBranches(check: NodeCheck, leaves: readonly Leaf[]): Leaf[] {
  const addresses =
    check.facts.read === undefined ? [] : (recordsOf(check.facts.read.report, 'start')[0]?.addresses ?? []);
  return leaves.filter(({ dnat }) => dnat !== undefined && !isOwnAddress({ addresses }, dnat.address));
}

/** The views of a Service's chain with their chain's name. */
export function rulesOfChain({ family }: FrontendCheck, chain: string): readonly RuleSummary[] {
  return family?.rules.chain(chain) ?? [];
}
