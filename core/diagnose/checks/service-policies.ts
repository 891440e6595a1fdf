/** What NetworkPolicies say of the connections to a Service's pods, port by port. */
import type { PodFacts } from '../../api/cluster-facts.ts';
import type { ServicePortStatus } from '../../api/service-trace.ts';
import type { Facts } from './finding.ts';
import { allows, clientPeer, covers, peerText, type Answer, type PolicyRule } from './network-policy.ts';
import { livePods } from './selected-pods.ts';
import { targetPortOf } from './target-port.ts';

export interface PolicyVerdict {
  readonly port: ServicePortStatus;
  readonly pod: PodFacts;
  /** The port of the pod. */
  readonly target: number;
  /** Policies that isolate the pod. */
  readonly policies: readonly string[];
  /** Of the client of spec.from; of any client where there is none: yes where all may, unknown where only some. */
  readonly answer: Answer;
  /** Who may, where the rules say it. */
  readonly peers: readonly string[];
}

/** One for each port and each pod that a policy isolates. */
export function ingressVerdicts({ desired, cluster, from }: Facts): PolicyVerdict[] {
  const policies = cluster?.networkPolicies ?? [];
  return portsOfPods(desired.service.ports, livePods(cluster) ?? []).flatMap(({ port, pod, target }) => {
    const isolating = policies.filter(({ pods }) => pods.includes(pod.name));
    // A node always reaches its own pods: else the kubelet could not ask whether they are well.
    if (isolating.length === 0 || (from?.node !== undefined && from.node === pod.node)) return [];
    const rules = isolating.flatMap(({ ingress }): PolicyRule[] =>
      ingress.map(({ from: peers, ports }) => ({ peers, ports })),
    );
    const place = { pod, port: target, protocol: port.protocol };
    const covering = rules.filter(({ ports }) => covers(ports, place));
    const answer =
      from === undefined
        ? forAnybody(covering)
        : allows(rules, clientPeer(cluster?.client, from, desired.namespace), place);
    return [
      {
        port,
        pod,
        target,
        policies: isolating.map(({ name }) => name),
        answer,
        peers: [...new Set(covering.flatMap(({ peers }) => peers.map(peerText)))],
      },
    ];
  });
}

/** The same for what leaves the client's pod; none where it is not a pod, or nothing isolates it. */
export function egressVerdicts({ desired, cluster, from }: Facts): PolicyVerdict[] {
  const client = cluster?.client;
  const policies = client?.egressPolicies ?? [];
  if (from === undefined || client === undefined || client.hostNetwork || policies.length === 0) return [];
  const rules = policies.flatMap(({ egress }): PolicyRule[] => egress.map(({ to, ports }) => ({ peers: to, ports })));
  return portsOfPods(desired.service.ports, livePods(cluster) ?? []).map(({ port, pod, target }) => {
    const place = { pod, port: target, protocol: port.protocol };
    const peer = pod.hostNetwork
      ? { addresses: pod.addresses, isAddressUncertain: true }
      : { addresses: pod.addresses, labels: pod.labels, namespace: desired.namespace, isAddressUncertain: false };
    return {
      port,
      pod,
      target,
      policies: policies.map(({ name }) => name),
      answer: allows(rules, peer, place),
      peers: [],
    };
  });
}

function portsOfPods(
  ports: readonly ServicePortStatus[],
  pods: readonly PodFacts[],
): { port: ServicePortStatus; pod: PodFacts; target: number }[] {
  return ports.flatMap((port) =>
    pods.flatMap((pod) => {
      const target = targetPortOf(pod, port);
      return target === undefined ? [] : [{ port, pod, target }];
    }),
  );
}

/** yes: a rule lets everybody in; unknown: it depends on the client; no: no rule has the port. */
function forAnybody(covering: readonly PolicyRule[]): Answer {
  if (covering.some(({ peers }) => peers.length === 0)) return 'yes';
  return covering.length > 0 ? 'unknown' : 'no';
}
