/** Rules that follow another traffic policy than the Service has. */
import { type DesiredTarget, desiredTargets } from '../../api/desired-targets.ts';
import type { DesiredService } from '../../api/service.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import { sentTargets } from '../../program/client-walks.ts';
import type { Walked } from './walked-frontend.ts';

export interface PolicyFault {
  readonly spec: 'Cluster' | 'Local';
  readonly rules: 'Cluster' | 'Local';
  /** Whose packets are treated so. */
  readonly clients: 'clients' | 'the node itself' | 'pods';
  readonly evidence: readonly string[];
}

/**
 * The rules follow another policy where they say so, or where they have exactly the endpoints of the other one. Under an
 * external policy Local, packets of the node and of pods may still go to any endpoint.
 */
export function policyFault(
  { drift, fromNode, fromPod, chains }: Walked,
  rules: NodeRules | undefined,
  desired: DesiredService,
  facts: NodeFacts,
): PolicyFault | undefined {
  const { frontend } = drift;
  const { service } = desired;
  const { trafficPolicy, verdict, dnatTargets } = frontend;
  if (verdict === 'None' || verdict === 'REJECT') return undefined;
  const isInternal = frontend.frontend === 'ClusterIP';
  const spec =
    (isInternal ? service.internalTrafficPolicy : service.externalTrafficPolicy) === 'Local' ? 'Local' : 'Cluster';
  const other = spec === 'Local' ? 'Cluster' : 'Local';
  const evidence =
    trafficPolicy === undefined
      ? dnatTargets.flatMap(({ by }) => (by === undefined ? [] : [by.rule]))
      : [trafficPolicy.by.rule];
  if (trafficPolicy !== undefined && trafficPolicy.value !== spec)
    return { spec, rules: other, clients: 'clients', evidence };
  // Fewer endpoints than asked for may have another reason; more of them, and just these, have none.
  if (spec === 'Cluster') return undefined;
  const under = (policy: 'Cluster' | 'Local'): readonly DesiredTarget[] =>
    desiredTargets({ ...desired, service: { ...service, internalTrafficPolicy: policy } }, frontend, {
      node: facts.node,
      traffic: 'internal',
      ...(facts.zone === undefined ? {} : { zone: facts.zone }),
    });
  const [own, others] = [under(spec), under(other)];
  if (isSameTargets(own, others)) return undefined;
  if (verdict === 'DNAT' && isSameTargets(dnatTargets, others))
    return { spec, rules: other, clients: 'clients', evidence };
  if (isInternal || rules === undefined) return undefined;
  for (const [clients, leaves] of [
    ['the node itself', fromNode],
    ['pods', fromPod],
  ] as const) {
    const sent = sentTargets(leaves);
    const isDropped = sent.length === 0 && leaves.some(({ verdict: each }) => each === 'DROP' || each === 'NONE');
    const isForNode = isForNodeItself(clients, chains, rules);
    if (
      leaves.length > 0 &&
      !isForNode &&
      ((sent.length > 0 && isSameTargets(sent, own)) ||
        (isDropped && own.length === 0 && chains.some((chain) => rules.kindOf(chain) === 'external')))
    ) {
      return {
        spec: 'Cluster',
        rules: 'Local',
        clients,
        evidence: leaves.flatMap(({ path }) => path.map(({ rule }) => rule)).slice(0, 6),
      };
    }
  }
  return undefined;
}

/** Whether a chain of external traffic sends packets of the node, or of pods, to the chain of all endpoints. */
function isForNodeItself(clients: PolicyFault['clients'], chains: readonly string[], rules: NodeRules): boolean {
  return chains
    .filter((chain) => rules.kindOf(chain) === 'external')
    .flatMap((chain) => rules.chain(chain) ?? [])
    .some(
      (summary) =>
        summary.chains.some((to) => rules.kindOf(to) === 'cluster') &&
        (clients === 'pods' ? summary.sources?.negated === false : summary.isForLocalSource),
    );
}

function isSameTargets(
  one: readonly { address: string; port: number }[],
  other: readonly { address: string; port: number }[],
): boolean {
  const places = (targets: typeof one): ReadonlySet<string> =>
    new Set(targets.map(({ address, port }) => `${address} ${String(port)}`));
  const [own, others] = [places(one), places(other)];
  return own.size === others.size && [...own].every((place) => others.has(place));
}
