/** What a node's rules do with one frontend beside where they send it, compared with what they should. */
import { chainEntered } from '../../evaluate/action.ts';
import { desiredTargets, type DesiredTarget } from '../../api/desired-targets.ts';
import type { DesiredService } from '../../api/service.ts';
import type { Leaf, Step } from '../../evaluate/walk.ts';
import { markChains, masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import { oncePer, oncePerAll } from '../../lib/once-per.ts';
import { comparableAddress, destinationText } from '../../net/address.ts';
import { sentTargets } from '../../program/client-walks.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import type { DnatTarget } from '../../program/program.ts';
import type { RuleSummary } from '../../program/rule-summary.ts';
import type { FamilyCheck } from './family-check.ts';
import type { ForeignFault } from './foreign-rules.ts';
import type { FrontendDrift } from './frontend-drift.ts';
import { policyFault, type PolicyFault } from './policy-fault.ts';
import { isDroppedByFirewall, rangeFaults } from './source-ranges.ts';
import type { Walked } from './walked-frontend.ts';

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

export function checkFrontend(
  walked: Walked,
  family: FamilyCheck | undefined,
  facts: NodeFacts,
  desired: DesiredService,
  foreign: readonly ForeignFault[],
): FrontendCheck {
  const { drift, fromNode, chains } = walked;
  const { frontend } = drift;
  const policy = policyFault(walked, family?.rules, desired, facts);
  // What was not understood may be what asks for the ranges, as the sets of 1.29's nftables mode, which no probe reads.
  const ranges = (facts.read?.program.unrecognized.length ?? 0) > 0 ? [] : rangeFaults(walked, family?.rules, desired);
  const explainedBy = explanationOf(walked, family, { foreign, policy, ranges });
  const forNode =
    explainedBy === undefined && mayUseAllEndpoints(walked, family, desired)
      ? { targets: targetsOfNode(walked, facts, desired), isKnown: true }
      : { targets: [], isKnown: false };
  const sent = sentTargets(fromNode);
  const isUnreached =
    (forNode.targets.length > 0 && sent.length === 0) ||
    (drift.desired.length > 0 && explainedBy === undefined && isDroppedByFirewall(frontend));
  const stale = [
    ...drift.stale,
    ...(forNode.isKnown
      ? frontendTargets(fromNode).filter(
          (target) => ![forNode.targets, drift.desired, drift.stale].some((each) => has(each, target)),
        )
      : []),
  ];
  const missing = [
    ...drift.missing,
    ...(isUnreached ? [] : forNode.targets.filter((target) => !has(sent, target) && !has(drift.missing, target))),
  ];
  const wrongPorts = targetsOfWrongPort(stale, [...forNode.targets.toReversed(), ...drift.desired.toReversed()]);
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

/** What comes first in the packets' path explains the rest. */
function explanationOf(
  { drift: { frontend }, chains }: Walked,
  family: FamilyCheck | undefined,
  { foreign, policy, ranges }: Pick<FrontendCheck, 'foreign' | 'policy' | 'ranges'>,
): FrontendCheck['explainedBy'] {
  if (family?.missingJumps.some(({ hook }) => hook === 'PREROUTING') === true) return 'jump';
  // What another program's rule does to packets before they come to kube-proxy's rules is not a fault of these.
  if (foreign.some(({ kind, unless }) => (kind === 'diverts' || kind === 'hides') && unless.length === 0))
    return 'foreign';
  if (family?.orderFaults.some(({ chain }) => chains.includes(chain)) === true) return 'order';
  if (policy !== undefined) return 'policy';
  return ranges.length > 0 && frontend.verdict !== 'DNAT' ? 'ranges' : undefined;
}

/** Under an external policy Local, packets of the node itself may go to any endpoint. */
function mayUseAllEndpoints(
  walked: Walked,
  family: FamilyCheck | undefined,
  { service: { externalTrafficPolicy, loadBalancerSourceRanges = [] } }: DesiredService,
): boolean {
  const { frontend } = walked.drift.frontend;
  const isGuarded = frontend === 'LoadBalancerIP' && loadBalancerSourceRanges.length > 0;
  return (
    frontend !== 'ClusterIP' &&
    !isGuarded &&
    externalTrafficPolicy === 'Local' &&
    family !== undefined &&
    walked.fromNode.length > 0 &&
    family.missingJumps.length === 0 &&
    !isCheckedEarly(walked)
  );
}

function targetsOfNode(
  { drift: { frontend } }: Walked,
  { node, zone }: NodeFacts,
  desired: DesiredService,
): readonly DesiredTarget[] {
  return desiredTargets({ ...desired, service: { ...desired.service, externalTrafficPolicy: 'Cluster' } }, frontend, {
    node,
    traffic: 'external',
    ...(zone === undefined ? {} : { zone }),
  });
}

/** @param wanted the last one of an address counts */
function targetsOfWrongPort(
  stale: readonly DnatTarget[],
  wanted: readonly DesiredTarget[],
): FrontendCheck['wrongPorts'] {
  if (stale.length === 0) return [];
  const wantedByAddress = new Map(wanted.map((each) => [comparableAddress(each.address), each]));
  return stale.flatMap((target) => {
    const own = wantedByAddress.get(comparableAddress(target.address));
    return own === undefined || own.port === target.port ? [] : [{ target, wanted: own }];
  });
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
  const naming = chains.filter((chain) => {
    const kind = rules.kindOf(chain);
    return kind === 'cluster' || kind === 'local';
  });
  return [...new Set(naming.flatMap((chain) => namedTwice(rules, chain)))];
}

/** A chain of an endpoint, or `10.244.1.2:8080`, that a Service's chain names more than once; frontends share such a chain. */
const namedTwice = oncePerAll((rules: NodeRules, chain: string): readonly string[] => {
  const twice: string[] = [];
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

/** The views of a Service's chain with their chain's name. */
export function rulesOfChain({ family }: FrontendCheck, chain: string): readonly RuleSummary[] {
  return family?.rules.chain(chain) ?? [];
}
