import { plural } from '../../lib/plural.ts';
import { isRestarting } from '../checks/container-restarts.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { livePods, whereOf } from '../checks/selected-pods.ts';

export const podRestarts: FindingKind = {
  id: 'POD-RESTARTS',
  topic: 'pods',
  severity: 'warning',
  isLasting: true,
  condition:
    'A container of a pod of the Service ended in the last hour and was started again, or waits in CrashLoopBackOff.',
  notReported: 'Restarts that are longer ago; pods that are being deleted.',
  source: 'Debug Services, "Are the Pods working?"; core/v1 ContainerStatus.lastState',
  find: ({ desired, cluster, now }) => {
    const pods = (livePods(cluster) ?? []).filter(
      (pod) => pod.deletionTimestamp === undefined && pod.containers.some((container) => isRestarting(container, now)),
    );
    const [first] = pods;
    if (first === undefined) return [];
    return [
      {
        where: whereOf(pods, desired),
        message: `Containers of ${namesText(pods.map(({ name }) => name))} end and are started again: their connections break each time.`,
        evidence: listed(
          pods.flatMap((pod) =>
            pod.containers
              .filter((container) => isRestarting(container, now))
              .map(
                ({ name, restarts, waiting, lastEnd }) =>
                  `pod ${pod.name} container ${name}: ${plural(restarts, 'restart')}${waiting === undefined ? '' : `, waits: ${waiting}`}${lastEnd === undefined ? '' : `, ended with ${lastEnd.exitCode} (${lastEnd.reason})${lastEnd.finishedAt === undefined ? '' : ` at ${lastEnd.finishedAt}`}`}`,
              ),
          ),
        ),
        advice: 'The log of the container before its last start shows why it ended.',
        commands: first.containers
          .filter((container) => isRestarting(container, now))
          .slice(0, 1)
          .map(({ name }) => kubectl('-n', desired.namespace, 'logs', `pod/${first.name}`, '--previous', '-c', name)),
      },
    ];
  },
};
