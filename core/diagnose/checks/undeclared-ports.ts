/**
 * Pods that get the packets of a numeric target port and whose containers declare other ports. A declaration is not
 * needed to listen: so pods are left out where a container declares nothing, which may be the one that listens, and
 * those of a workload that somebody had an answer from.
 */
import type { PodFacts } from '../../api/cluster-facts.ts';
import type { ServicePortStatus } from '../../api/service-trace.ts';
import { endpointEvidence } from './endpoint-evidence.ts';
import type { Facts } from './finding.ts';
import { livePods } from './selected-pods.ts';
import { containerPorts, targetPortName } from './target-port.ts';
import { workloadText } from './workloads.ts';

export interface UndeclaredPort {
  readonly port: ServicePortStatus;
  readonly target: number;
  /** Of all pods that are not being deleted. */
  readonly pods: readonly PodFacts[];
  readonly without: readonly PodFacts[];
  /** No pod declares it, nor answered on it, nor has a container that may listen on it all the same. */
  readonly isWhole: boolean;
  /** Entries of conntrack to it on these pods that were not answered, or reset at once. */
  readonly failures: readonly string[];
}

/** One for each port of the Service that some pod seems to lack. */
export function undeclaredPorts({ desired, cluster, nodes }: Facts): UndeclaredPort[] {
  if (desired.service.notProxied !== undefined) return [];
  const pods = livePods(cluster)?.filter(({ deletionTimestamp }) => deletionTimestamp === undefined) ?? [];
  return desired.service.ports.flatMap((port) => {
    if (port.targetPort === undefined || targetPortName(port) !== undefined) return [];
    const target = Number(port.targetPort);
    const evidenceOf = (pod: PodFacts): ReturnType<typeof endpointEvidence>[] =>
      pod.addresses.map((address) => endpointEvidence(nodes, { address, port: target, protocol: port.protocol }));
    // In another protocol is SVC-PROTO's.
    const lacking = pods.filter(
      (pod) =>
        pod.containers.length > 0 &&
        pod.containers.every(({ ports }) => ports.length > 0) &&
        !containerPorts(pod).some((declared) => declared.port === target),
    );
    if (lacking.length === 0) return [];
    const answering = new Set(
      pods.filter((pod) => evidenceOf(pod).some(({ isAnswered }) => isAnswered)).map(workloadText),
    );
    const without = lacking.filter((pod) => !answering.has(workloadText(pod)));
    if (without.length === 0) return [];
    return [
      {
        port,
        target,
        pods,
        without,
        isWhole: without.length === pods.length,
        failures: without.flatMap((pod) => evidenceOf(pod).flatMap(({ failures }) => failures)),
      },
    ];
  });
}
