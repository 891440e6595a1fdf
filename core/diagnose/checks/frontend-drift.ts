/** The difference between what a node's rules do with a frontend and what the EndpointSlices ask for. */
import { hostPort } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import {
  desiredTargets,
  desiredTargetsByKey,
  knownTargets,
  targetKey,
  type DesiredTarget,
  type TargetScope,
} from '../../api/desired-targets.ts';
import { isAddressChecked } from '../../api/external-addresses.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { DnatTarget, FrontendProgram } from '../../program/program.ts';
import type { DesiredService } from '../../api/service.ts';
import { newestChange } from './age.ts';
import { kubeProxyConfigOf } from './kube-proxy-config-of.ts';
import { oncePerAll } from '../../lib/once-per.ts';
import { present } from '../../lib/present.ts';

export interface FrontendDrift {
  readonly frontend: FrontendProgram;
  readonly desired: readonly DesiredTarget[];
  /** Desired targets that no rule sends packets to. */
  readonly missing: readonly DesiredTarget[];
  /** DNAT targets that are not desired. */
  readonly stale: readonly DnatTarget[];
  /** The targets of the port whatever their conditions, to say why a stale one is not desired. */
  readonly known: readonly DesiredTarget[];
}

/**
 * How long kube-proxy may take before a difference counts as drift, in milliseconds, beside a minSyncPeriod that is
 * configured: it waits 1 s by default, and a sync takes up to seconds on a big cluster.
 */
const syncGraceMilliseconds = 10_000;

/** How long a node may take from a change to its rules, in milliseconds. */
export function syncGrace(facts: NodeFacts, cluster: ClusterFacts | undefined): number {
  return syncGraceMilliseconds + (kubeProxyConfigOf(facts, cluster)?.config.minSyncPeriod ?? 0) * 1000;
}

/** Whether the Service or an EndpointSlice changed so shortly before the node was read that its rules may rightly be older. */
export function isSyncing(facts: NodeFacts, desired: DesiredService, cluster: ClusterFacts | undefined): boolean {
  if (facts.read !== undefined && (desired.changedWhileCollecting ?? []).length > 0) return true;
  const changed = newestChange(desired);
  if (facts.read === undefined || changed === undefined) return false;
  const age = Date.parse(facts.read.collectedAt) - Date.parse(changed);
  return Number.isFinite(age) && age < syncGrace(facts, cluster);
}

/** The drift of each frontend that the node's rules were read for; a frontend with verdict Unknown has none to report. */
export const frontendDrifts = oncePerAll((facts: NodeFacts, desired: DesiredService): readonly FrontendDrift[] => {
  if (facts.read === undefined || desired.service.notProxied !== undefined) return [];
  return facts.read.program.frontends
    .filter(({ verdict }) => verdict !== 'Unknown')
    .map((frontend) => {
      const scope = scopeOf(facts, frontend);
      const wants = desiredTargetsByKey(desired, frontend, scope);
      const keys = frontend.dnatTargets.map(targetKey);
      const has = new Set(keys);
      const missing: DesiredTarget[] = [];
      for (const [key, target] of wants) if (!has.has(key)) missing.push(target);
      return {
        frontend,
        desired: desiredTargets(desired, frontend, scope),
        missing,
        stale: frontend.dnatTargets.filter((_target, index) => !wants.has(keys[index] ?? '')),
        known: knownTargets(desired, frontend),
      };
    });
});

/** Whom a frontend's targets are chosen for. */
export function scopeOf({ node, zone }: NodeFacts, { frontend }: Pick<FrontendProgram, 'frontend'>): TargetScope {
  return { node, traffic: frontend === 'ClusterIP' ? 'internal' : 'external', ...present({ zone }) };
}

/** Converged: rules equal the EndpointSlices. Unknown where any frontend's rules could not be read; one that nobody asked for says nothing. */
export function convergenceOf(facts: NodeFacts, desired: DesiredService): 'Converged' | 'Different' | 'Unknown' {
  if (facts.read === undefined) return 'Unknown';
  if (
    facts.read.program.frontends.some(
      ({ verdict, address }) => verdict === 'Unknown' && isAddressChecked(desired, address),
    )
  )
    return 'Unknown';
  const drifts = frontendDrifts(facts, desired);
  return drifts.every(({ missing, stale }) => missing.length === 0 && stale.length === 0) ? 'Converged' : 'Different';
}

/** Such as "ClusterIP 10.96.12.7:80/TCP" or "NodePort 30080/TCP (IPv4)". */
export function frontendText(
  frontend: Pick<FrontendProgram, 'frontend' | 'address' | 'port' | 'protocol' | 'family'>,
): string {
  return frontend.frontend === 'NodePort'
    ? `NodePort ${frontend.port}/${frontend.protocol} (${frontend.family})`
    : `${frontend.frontend} ${hostPort(frontend.address, frontend.port)}/${frontend.protocol}`;
}

export function targetText(target: DesiredTarget): string {
  const pod =
    target.pod === undefined
      ? ''
      : ` (pod ${target.pod}${target.nodeName === undefined ? '' : ` on ${target.nodeName}`})`;
  return `${hostPort(target.address, target.port)}${pod}`;
}
