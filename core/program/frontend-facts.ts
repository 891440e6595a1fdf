/** What rules say of a frontend beside where they send its packets; each fact with the rule that it comes from. */
import { isFirewallChain } from '../kube-proxy/chain-kinds.ts';
import type { Leaf, Step, WalkResult } from '../evaluate/walk.ts';
import { referenceOf, type FrontendKey, type NodeRules, type VisitedChains } from './node-rules.ts';
import { oncePer } from '../lib/once-per.ts';
import { visitedChains } from './walked-chains.ts';
import type { RuleSummary } from './rule-summary.ts';
import type { FrontendProgram, RuleReference } from './program.ts';
import { isSent } from './client-walks.ts';

export type FrontendFacts = Pick<
  FrontendProgram,
  'entry' | 'refusedBy' | 'trafficPolicy' | 'sourceRanges' | 'sessionAffinity' | 'masquerade'
>;

/**
 * @param ofOutside of a client that is neither a pod nor a node
 * @param ofNode of the node itself
 */
export function frontendFacts(
  rules: NodeRules,
  frontend: FrontendKey,
  ofOutside: WalkResult,
  ofNode: WalkResult | undefined,
): FrontendFacts {
  const outside = ofOutside.leaves;
  const node = ofNode?.leaves ?? [];
  const entry = firstEntry(rules, outside) ?? firstEntry(rules, node);
  const refusing = outside.find(({ verdict }) => verdict === 'REJECT' || verdict === 'DROP');
  const refused = refusing?.path.at(-1);
  const visited = visitedChains(rules.kindOf, ofNode === undefined ? [ofOutside] : [ofOutside, ofNode]);
  const trafficPolicy = rules.trafficPolicy(frontend) ?? policyOf(rules, frontend, visited, refusing);
  const sourceRanges = rules.sourceRanges(frontend, visited);
  const sessionAffinity = rules.sessionAffinity(frontend) ?? affinityOf(rules, visited);
  return {
    ...(entry === undefined ? {} : { entry: rules.reference(entry, frontend) }),
    ...(refused === undefined ? {} : { refusedBy: rules.reference(refused, frontend) }),
    ...(trafficPolicy === undefined ? {} : { trafficPolicy }),
    ...(sourceRanges === undefined ? {} : { sourceRanges }),
    ...(sessionAffinity === undefined ? {} : { sessionAffinity }),
    ...(outside.some(isSent) || node.some(isSent)
      ? { masquerade: { outside: masqueradeOf(outside), node: masqueradeOf(node) } }
      : {}),
  };
}

function firstEntry(rules: NodeRules, leaves: readonly Leaf[]): Step | undefined {
  for (const { path } of leaves) {
    const entry = path.find((step) => rules.isEntry(step));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function masqueradeOf(leaves: readonly Leaf[]): { value: boolean; by?: RuleReference } {
  const by = leaves.filter(isSent).find(({ masquerade }) => masquerade)?.masqueradedBy;
  return by === undefined ? { value: false } : { value: true, by: referenceOf(by) };
}

/**
 * Of external traffic: the chain of the external addresses treats the node's own packets apart where the policy is
 * Local (pkg/proxy/iptables/proxier.go and nftables/proxier.go writeServiceExternal…, 1.37). Of internal traffic: the
 * chain that the cluster IP's rule jumps to. kube-proxy drops, and does not reject, where only local endpoints are missing.
 */
function policyOf(
  rules: NodeRules,
  frontend: FrontendKey,
  visited: VisitedChains,
  refusing: Leaf | undefined,
): FrontendProgram['trafficPolicy'] {
  const refused = refusing?.path.at(-1);
  const isNoEndpointDrop =
    refusing?.verdict === 'DROP' && refused !== undefined && rules.isEntry(refused) && !isFirewallChain(refused.chain);
  if (isNoEndpointDrop) return { value: 'Local', by: rules.reference(refused, frontend) };
  for (const [chain, by] of visited) {
    const kind = rules.kindOf(chain);
    if (frontend.frontend !== 'ClusterIP' && kind === 'external') {
      const apart = rules.chain(chain)?.find(({ isForLocalSource }) => isForLocalSource);
      return apart === undefined
        ? { value: 'Cluster', by: rules.reference(by, frontend) }
        : { value: 'Local', by: { table: by.table, chain, rule: apart.text } };
    }
    if (frontend.frontend === 'ClusterIP' && (kind === 'cluster' || kind === 'local'))
      return { value: kind === 'local' ? 'Local' : 'Cluster', by: rules.reference(by, frontend) };
  }
  return undefined;
}

function affinityOf(rules: NodeRules, visited: VisitedChains): FrontendProgram['sessionAffinity'] {
  for (const [chain, { table }] of visited) {
    const summaries = rules.chain(chain);
    const summary = summaries === undefined ? undefined : remembering(summaries);
    if (summary !== undefined) return { value: summary.remembers?.seconds, by: { table, chain, rule: summary.text } };
  }
  return undefined;
}

/** The first rule that asks for clients that it remembers. */
const remembering = oncePer((summaries: readonly RuleSummary[]): RuleSummary | undefined =>
  summaries.find(({ remembers }) => remembers !== undefined),
);
