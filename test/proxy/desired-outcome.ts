/**
 * What a node is to do with a packet to a Service, of its manifest alone: kube-proxy's documented rules
 * (pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go, syncProxyRules, 1.29 to 1.37), none of its rulesets.
 */
import { desiredTargets, type DesiredTarget, type PortKey } from '../../core/api/desired-targets.ts';
import type { DesiredService } from '../../core/api/service.ts';

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP';

/** A new connection to one frontend of a Service. */
export interface Asked {
  readonly kind: FrontendKind;
  readonly port: PortKey;
  readonly client: 'pod' | 'node' | 'outside';
  readonly source: string;
  /** Whether the Service's source ranges, if it has any of this family, hold the source. */
  readonly isInRanges: boolean;
}

/** The node that decides, and how its kube-proxy writes rules. */
export interface Decider {
  readonly name: string;
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly mode: 'iptables' | 'nftables';
  /** Of the release: 37 for 1.37. */
  readonly minor: number;
}

export interface Outcome {
  readonly verdict: 'DNAT' | 'DROP' | 'REJECT' | 'NONE';
  readonly targets: readonly {
    readonly address: string;
    readonly port: number;
    readonly probability: number;
    readonly masquerade: boolean;
  }[];
}

export function desiredOutcome(
  desired: DesiredService,
  { kind, port, client, source, isInRanges }: Asked,
  { name, zone, addresses, mode, minor }: Decider,
): Outcome {
  const targetsUnder = (policy: 'Cluster' | 'Local'): readonly DesiredTarget[] =>
    desiredTargets({ ...desired, service: { ...desired.service, internalTrafficPolicy: policy } }, port, {
      node: name,
      zone,
      traffic: 'internal',
    });
  const cluster = targetsUnder('Cluster');
  const local = targetsUnder('Local');
  // Whatever the policy, a Service with no endpoint anywhere refuses, and one with endpoints elsewhere drops.
  const hasNone = cluster.length === 0;

  const dnat = (targets: readonly DesiredTarget[], masquerade: boolean): Outcome => ({
    verdict: 'DNAT',
    targets: targets.map(({ address, port: target }) => ({
      address,
      port: target,
      probability: 1 / targets.length,
      // What is delivered to the node itself, and does not come from it, passes no POSTROUTING.
      masquerade: (masquerade || address === source) && (client === 'node' || !addresses.includes(address)),
    })),
  });
  const only = (verdict: 'DROP' | 'REJECT' | 'NONE'): Outcome => ({ verdict, targets: [] });

  if (kind === 'ClusterIP') {
    if (hasNone) return only('REJECT');
    if (desired.service.internalTrafficPolicy !== 'Local') return dnat(cluster, client !== 'pod');
    return local.length === 0 ? only('DROP') : dnat(local, client !== 'pod');
  }
  const isExternalLocal = desired.service.externalTrafficPolicy === 'Local';
  // Until 1.32, nftables mode looks at a node's own packets (1.29: at node ports' too) before DNAT, so that they get what
  // is meant for clients outside; 1.29 looks at source ranges after DNAT where packets are forwarded, which is too late.
  const isCheckedEarly =
    mode === 'nftables' && (minor === 29 || (minor < 33 && kind !== 'NodePort')) && client === 'node';
  if (isCheckedEarly && hasNone) return only('REJECT');
  if (isCheckedEarly && isExternalLocal && local.length === 0) return only('DROP');
  const areRangesHeeded = mode === 'iptables' ? !hasNone : minor > 29 || client === 'node';
  // iptables mode has the rules of source ranges only for Services with endpoints, nftables mode for all.
  if (kind === 'LoadBalancerIP' && !isInRanges && areRangesHeeded) return only('DROP');
  if (hasNone) {
    // In iptables mode KUBE-EXTERNAL-SERVICES is not called from OUTPUT, so the packets leave the node; to a node port of
    // its own they come back to INPUT.
    return only(mode === 'iptables' && client === 'node' && kind !== 'NodePort' ? 'NONE' : 'REJECT');
  }
  if (!isExternalLocal) return dnat(cluster, true);
  // Clients in the cluster are not subject to the policy, as if they had gone out to a load balancer and come back.
  if (client !== 'outside') return dnat(cluster, client === 'node');
  return local.length === 0 ? only('DROP') : dnat(local, false);
}
