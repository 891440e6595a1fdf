/** What a node's rules do with a Service beside where they send it, compared with what they should: one look for all findings of rules. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { isOwnAddress } from '../../evaluate/walk-hooks.ts';
import type { Leaf } from '../../evaluate/walk.ts';
import { oncePerAll } from '../../lib/once-per.ts';
import type { Family } from '../../net/family.ts';
import { walksOf } from '../../program/client-walks.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { rulesOfNodeReport } from '../../program/node-report-rules.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import { recordsOf } from '../../wire/node-report.ts';
import { checkFamily, type FamilyCheck } from './family-check.ts';
import { ForeignCheck } from './foreign-check.ts';
import { checkFrontend, type FrontendCheck } from './frontend-check.ts';
import { frontendDrifts, isSyncing } from './frontend-drift.ts';
import { podAddress } from './pod-addresses.ts';
import type { Walked } from './walked-frontend.ts';

export interface NodeCheck {
  readonly node: string;
  readonly facts: NodeFacts;
  readonly isIpvs: boolean;
  readonly families: readonly FamilyCheck[];
  readonly frontends: readonly FrontendCheck[];
  /** Third-party rules that were not read, or could not be followed. */
  readonly foreignUnread: readonly string[];
}

/**
 * @returns undefined where nothing can be said: the rules were not read, kube-proxy leaves the Service out, or an
 * EndpointSlice, or the Service, changed so shortly before that the rules may rightly be older
 */
export const checkNode = oncePerAll(
  (facts: NodeFacts, desired: DesiredService, cluster: ClusterFacts | undefined): NodeCheck | undefined => {
    const { node, read } = facts;
    if (read === undefined || desired.service.notProxied !== undefined || isSyncing(facts, desired, cluster))
      return undefined;
    const { proxyMode } = read.program;
    const addresses = recordsOf(read.report, 'start')[0]?.addresses ?? [];
    const rules = rulesByFamily(facts, desired);
    const walked = walkedFrontends(facts, desired, cluster, rules, addresses);
    const families = [...rules].map(([family, own]) =>
      checkFamily(
        family,
        own,
        proxyMode,
        walked.filter(({ drift }) => drift.frontend.family === family),
      ),
    );
    const foreign = new ForeignCheck(facts, desired, cluster, [...rules.keys()], addresses);
    const frontends = walked.map((each) =>
      checkFrontend(
        each,
        families.find(({ family }) => family === each.drift.frontend.family),
        facts,
        desired,
        foreign.faultsOf(each),
      ),
    );
    return { node, facts, isIpvs: proxyMode === 'ipvs', families, frontends, foreignUnread: foreign.unread };
  },
);

/** Of the families of the node's frontends, those whose rules were read. */
function rulesByFamily(facts: NodeFacts, desired: DesiredService): ReadonlyMap<Family, NodeRules> {
  const families = new Set(frontendDrifts(facts, desired).map(({ frontend }) => frontend.family));
  return new Map(
    [...families].flatMap((family) => {
      const rules =
        facts.read === undefined
          ? undefined
          : rulesOfNodeReport(facts.read.report, `${desired.namespace}/${desired.name}`, family);
      return rules === undefined ? [] : [[family, rules] as const];
    }),
  );
}

function walkedFrontends(
  facts: NodeFacts,
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
  rules: ReadonlyMap<Family, NodeRules>,
  addresses: readonly string[],
): Walked[] {
  const isIpvs = facts.read?.program.proxyMode === 'ipvs';
  return frontendDrifts(facts, desired).map((drift) => {
    const { frontend } = drift;
    const walks = walksOf(frontend, rules.get(frontend.family), addresses, podAddress(facts, cluster, frontend.family));
    // A virtual server of IPVS is the same for all clients.
    return isIpvs ? { drift, ...walks, fromNode: [], fromPod: [] } : { drift, ...walks };
  });
}

/** Branches that leave the node for another machine: what is delivered to the node itself passes no POSTROUTING. */
export function leavingBranches(check: NodeCheck, leaves: readonly Leaf[]): Leaf[] {
  const addresses =
    check.facts.read === undefined ? [] : (recordsOf(check.facts.read.report, 'start')[0]?.addresses ?? []);
  return leaves.filter(({ dnat }) => dnat !== undefined && !isOwnAddress({ addresses }, dnat.address));
}
