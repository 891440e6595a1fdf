import type { PodFacts } from '../../api/cluster-facts.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { deletedAt } from '../checks/pod-endpoints.ts';
import { livePods, whereOf } from '../checks/selected-pods.ts';

export const podNoDrain: FindingKind = {
  id: 'POD-NO-DRAIN',
  topic: 'pods',
  severity: 'info',
  isLasting: true,
  condition:
    'A pod ends right now without a preStop hook, and nodes still send it packets: unless it goes on serving after SIGTERM, those connections fail.',
  notReported:
    'What a node did before the pod was to end, and in the second after; pods whose containers wait in a preStop hook; nodes that send it nothing any more.',
  source: 'kubernetes/kubernetes#43576, #128479',
  find: ({ desired, cluster, nodes }) => {
    const ending = (livePods(cluster) ?? []).flatMap((pod) => {
      if (pod.deletionTimestamp === undefined || pod.hasPreStop) return [];
      const senders = nodes.filter((node) => isReadAfter(node, pod) && sendsTo(node, pod)).map(({ node }) => node);
      return senders.length === 0 ? [] : [{ pod, senders }];
    });
    if (ending.length === 0) return [];
    const stillSending = [...new Set(ending.flatMap(({ senders }) => senders))].sort();
    return [
      {
        where: whereOf(
          ending.map(({ pod }) => pod),
          desired,
        ),
        message: `${namesText(ending.map(({ pod }) => pod.name))} got SIGTERM, and ${namesText(stillSending)} still ${stillSending.length === 1 ? 'sends' : 'send'} new connections there.`,
        evidence: listed(
          ending.map(
            ({ pod, senders }) =>
              `pod ${pod.name} has no preStop hook, is to be gone by ${pod.deletionTimestamp ?? ''}, and is a DNAT target on ${senders.join(', ')}`,
          ),
        ),
        advice:
          'Give the container a preStop hook that sleeps for longer than the nodes need to follow, such as lifecycle: {preStop: {sleep: {seconds: 5}}}, or let it serve for a while after SIGTERM.',
      },
    ];
  },
};

/** Times of a deletion are in whole seconds. */
const leastMilliseconds = 2000;

function isReadAfter({ read }: NodeFacts, pod: PodFacts): boolean {
  const deleted = deletedAt(pod);
  return (
    read !== undefined &&
    deleted !== undefined &&
    Date.parse(read.collectedAt) - Date.parse(deleted) >= leastMilliseconds
  );
}

function sendsTo({ read }: NodeFacts, { addresses }: PodFacts): boolean {
  return (
    read?.program.frontends.some(({ dnatTargets }) =>
      dnatTargets.some(({ address }) => addresses.includes(address)),
    ) === true
  );
}
