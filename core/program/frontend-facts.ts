/** What rules say of a frontend beside where they send its packets; each fact with the rule that it comes from. */
import { isFirewallChain } from '../kube-proxy/chain-kinds.ts';
import { chainEntered } from '../evaluate/action.ts';
import type { Leaf, Step } from '../evaluate/walk.ts';
import { referenceOf, type FrontendKey, type NodeRules, type VisitedChains } from './node-rules.ts';
import type { FrontendProgram, RuleReference } from './program.ts';
import { isSent } from './client-walks.ts';

export type FrontendFacts = Pick<
  FrontendProgram,
  'entry' | 'refusedBy' | 'trafficPolicy' | 'sourceRanges' | 'sessionAffinity' | 'masquerade'
>;

/**
 * @param outside the branches of a client that is neither a pod nor a node
 * @param node the branches of the node itself
 */
export function frontendFacts(
  rules: NodeRules,
  frontend: FrontendKey,
  outside: readonly Leaf[],
  node: readonly Leaf[],
): FrontendFacts {
  const paths = [...outside, ...node].map(({ path }) => path);
  const entry = firstEntry(rules, paths);
  const refusing = outside.find(({ verdict }) => verdict === 'REJECT' || verdict === 'DROP');
  const refused = refusing?.path.at(-1);
  const visited = visitedChains(paths);
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

function firstEntry(rules: NodeRules, paths: readonly (readonly Step[])[]): Step | undefined {
  for (const path of paths) {
    const entry = path.find((step) => rules.isEntry(step));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function masqueradeOf(leaves: readonly Leaf[]): { value: boolean; by?: RuleReference } {
  const by = leaves.filter(isSent).find(({ masquerade }) => masquerade)?.masqueradedBy;
  return by === undefined ? { value: false } : { value: true, by: referenceOf(by) };
}

/** The chains that the packets went through, each with the rule that sent them there. */
function visitedChains(paths: readonly (readonly Step[])[]): Map<string, Step> {
  const visited = new Map<string, Step>();
  // Chains of a hook are visited by no rule: what stands before them is looked through once for each beginning of a path.
  let last: readonly Step[] = [];
  for (const path of paths) {
    let isSame = true;
    for (const [index, step] of path.entries()) {
      isSame &&= last[index] === step;
      if (isSame || visited.has(step.chain)) continue;
      for (let at = index - 1; at >= 0; at -= 1) {
        const before = path[at];
        if (before === undefined || chainEntered(before) !== step.chain) continue;
        visited.set(step.chain, before);
        break;
      }
    }
    last = path;
  }
  return visited;
}

/**
 * Of external traffic: the chain of the external addresses treats the node's own packets apart where the policy is
 * Local (pkg/proxy/iptables/proxier.go and nftables/proxier.go writeServiceExternal…, 1.37). Of internal traffic: the
 * chain that the cluster IP leads to. kube-proxy drops, and does not reject, where only local endpoints are missing.
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
    for (const summary of rules.chain(chain) ?? []) {
      const { remembers } = summary;
      if (remembers !== undefined) return { value: remembers.seconds, by: { table, chain, rule: summary.text } };
    }
  }
  return undefined;
}
