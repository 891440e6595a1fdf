import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { livePods, selectorText } from '../checks/selected-pods.ts';
import { plural } from '../../lib/plural.ts';
import { targetPortName, targetPortOf } from '../checks/target-port.ts';
import { undeclaredPorts } from '../checks/undeclared-ports.ts';
import { workloadPortsText, workloadsOf } from '../checks/workloads.ts';

export const svcMixedWorkloads: FindingKind = {
  id: 'SVC-MIXED-WORKLOADS',
  topic: 'service',
  severity: 'info',
  otherSeverities: { warning: 'where one of them lacks a target port that another has' },
  condition:
    "The Service's selector takes in the pods of more than one workload: each gets its share of the connections.",
  notReported: 'ReplicaSets of one Deployment, as during a rollout; pods that are being deleted.',
  source:
    'Debug Services, "Does the Service have any EndpointSlices?"; metadata.ownerReferences, label pod-template-hash',
  find: (facts) => {
    const { desired, cluster } = facts;
    const pods = livePods(cluster)?.filter(({ deletionTimestamp }) => deletionTimestamp === undefined) ?? [];
    const workloads = workloadsOf(pods);
    if (workloads.length < 2) return [];
    const lacking = new Set([
      ...desired.service.ports.flatMap((port) =>
        targetPortName(port) === undefined ? [] : pods.filter((pod) => targetPortOf(pod, port) === undefined),
      ),
      ...undeclaredPorts(facts).flatMap(({ without }) => without),
    ]);
    const isMistake =
      lacking.size < pods.length && workloads.some((workload) => workload.pods.every((pod) => lacking.has(pod)));
    return [
      {
        ...(isMistake ? { severity: 'warning' as const } : {}),
        where: `service/${desired.name}`,
        message: `The selector of Service ${desired.name} takes in pods of ${String(workloads.length)} workloads: ${workloads
          .slice(0, 5)
          .map((workload) => `${workload.text} (${plural(workload.pods.length, 'pod')})`)
          .join(', ')}${workloads.length > 5 ? ' and more' : ''}.`,
        evidence: [
          `selector: ${selectorText(desired)}`,
          ...listed(
            workloads.map(
              (workload) =>
                `${workload.text}: ${workload.pods
                  .slice(0, 3)
                  .map(({ name }) => name)
                  .join(', ')}${workload.pods.length > 3 ? ', …' : ''} declare ${workloadPortsText(workload)}`,
            ),
          ),
        ],
        advice:
          'Nothing is to be done where they are meant to share the Service, as a canary does. Otherwise add a label to the selector that only the meant pods have.',
        commands: [kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`)],
      },
    ];
  },
};
