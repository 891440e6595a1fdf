import { plural } from '../../lib/plural.ts';
import type { PodFacts } from '../../api/cluster-facts.ts';
import { isWithin } from '../checks/age.ts';
import { isDownByRestart } from '../checks/container-restarts.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { livePods, whereOf } from '../checks/selected-pods.ts';

/** A pod that starts is not ready, and nothing is wrong with it; nor with a container that has just been started. */
const startGraceMilliseconds = 30_000;
/** A node pulls an image, attaches a volume, or is busy: the kubelet gives another reason where it cannot go on. */
const makeGraceMilliseconds = 120_000;
const makingReasons: ReadonlySet<string | undefined> = new Set(['ContainerCreating', 'PodInitializing']);

/** Its kubelet makes it, or has not come to it yet; a pod without a node waits for the scheduler, which says why. */
function isBeingMade({ node, phase, containers }: PodFacts): boolean {
  if (containers.some(({ waiting }) => makingReasons.has(waiting))) return true;
  return (
    node !== undefined &&
    phase === 'Pending' &&
    containers.every(({ waiting, startedAt }) => waiting === undefined && startedAt === undefined)
  );
}

function isStarting(pod: PodFacts, now: string): boolean {
  const { createdAt, containers, notReadySince } = pod;
  // A pod that was ready before got its condition after its container was started.
  const wasReady = (startedAt: string | undefined): boolean =>
    Date.parse(notReadySince ?? '') > Date.parse(startedAt ?? '');
  return (
    isWithin(createdAt, startGraceMilliseconds, now) ||
    (isBeingMade(pod) && isWithin(createdAt, makeGraceMilliseconds, now)) ||
    containers.some(
      ({ restarts, startedAt }) =>
        restarts === 0 && !wasReady(startedAt) && isWithin(startedAt, startGraceMilliseconds, now),
    )
  );
}

export const podNotReady: FindingKind = {
  id: 'POD-NOTREADY',
  topic: 'pods',
  severity: 'warning',
  isLasting: true,
  condition: 'A pod that the selector matches is not ready, so the Service sends it nothing; the reason is reported.',
  notReported:
    'In the first 30 s of a pod, and of a container that is started for the first time; in its first 2 minutes while its containers are being made (ContainerCreating, PodInitializing) or its kubelet has not come to it; pods that have ended or are being deleted; pods that are not ready because a container just ended (POD-RESTARTS).',
  source: 'Debug Services, "Are the Pods working?"; core/v1 PodCondition Ready',
  find: ({ desired, cluster, now }) => {
    const pods = (livePods(cluster) ?? []).filter(
      (pod) => !pod.ready && pod.deletionTimestamp === undefined && !isStarting(pod, now) && !isDownByRestart(pod, now),
    );
    const [first] = pods;
    if (first === undefined) return [];
    const all = livePods(cluster)?.length ?? 0;
    return [
      {
        where: whereOf(pods, desired),
        message: `${pods.length} of ${plural(all, 'pod')} of Service ${desired.name} ${pods.length === 1 ? 'is' : 'are'} not ready: ${namesText(pods.map((pod) => `${pod.name} (${reasonOf(pod)})`))}.`,
        evidence: listed(
          pods.map(
            (pod) =>
              `pod ${pod.name} on ${pod.node ?? 'no node'}: ${pod.phase}, ${pod.notReady ?? 'no condition Ready'}${pod.notReadySince === undefined ? '' : ` since ${pod.notReadySince}`}`,
          ),
        ),
        advice: "The pod's conditions and events show why it is not ready.",
        commands: [kubectl('-n', desired.namespace, 'describe', `pod/${first.name}`)],
      },
    ];
  },
};

/** What keeps a container from running says more than the condition. */
function reasonOf({ containers, notReady, phase }: PodFacts): string {
  return containers.find(({ waiting }) => waiting !== undefined)?.waiting ?? notReady?.split(':')[0] ?? phase;
}
