/** One change of the EndpointSlices in plain words, from the slice to conntrack. */
import { endpointChangeText, sliceChangeText } from '../convergence/change-text.ts';
import { lagSummary, lagText } from '../convergence/lag-text.ts';
import { plural } from '../lib/plural.ts';
import { hostPort } from '../net/address.ts';
import type {
  ConvergenceStatus,
  EndpointConnectionsStatus,
  ExpectedTargetsStatus,
  KeptConnectionsStatus,
  NodeLagStatus,
  RuleDeltaStatus,
  ServiceTraceStatus,
  SliceChangeStatus,
} from '../api/service-trace.ts';

export interface ChangeExplanation {
  /** What changed, in one line. */
  readonly title: string;
  /** In the order of the path. */
  readonly parts: readonly { readonly name: string; readonly sentences: readonly string[] }[];
}

/** The changes that a minute has are counted over so much time at most. */
const churnMilliseconds = 600_000;
/** So many are named; the others are counted. */
const maxNamed = 20;

/**
 * The change that there is most to say of: the newest that every node has, else the newest that any has something to write
 * for, else the newest.
 */
export function changeToExplain({ changes = [] }: ConvergenceStatus): SliceChangeStatus | undefined {
  return (
    changes.findLast(({ lag }) => lag.nodes > 0 && lag.pending === 0) ??
    changes.findLast(({ lag }) => lag.nodes > 0) ??
    changes.at(-1)
  );
}

export function explainChange(change: SliceChangeStatus, status: ServiceTraceStatus): ChangeExplanation {
  const { convergence = {}, collectedAt } = status;
  return {
    title: sliceChangeText(change),
    parts: [
      { name: 'EndpointSlice', sentences: sliceSentences(change) },
      { name: 'Asked', sentences: askedSentences(change.expected) },
      { name: 'Nodes', sentences: nodeSentences(change) },
      { name: 'kube-proxy', sentences: kubeProxySentences(convergence) },
      { name: 'Rules', sentences: ruleSentences(change.rules ?? []) },
      { name: 'conntrack', sentences: conntrackSentences(change) },
      { name: 'Churn', sentences: churnSentences(convergence, Date.parse(collectedAt ?? '')) },
    ].filter(({ sentences }) => sentences.length > 0),
  };
}

function sliceSentences(change: SliceChangeStatus): string[] {
  const { endpointSlice, resourceVersion, earliest, latest, triggered, endpoints, omittedEndpoints = 0 } = change;
  const when = earliest === latest ? `at ${timeText(latest)}` : `between ${timeText(earliest)} and ${timeText(latest)}`;
  return [
    `The API server had it ${when}, as resourceVersion ${resourceVersion} of ${endpointSlice}.`,
    ...(triggered === undefined ? [] : [`The pod or Service that it is for changed at ${timeText(triggered)}.`]),
    ...(endpoints.length < 2 ? [] : endpoints.slice(0, maxNamed).map((each) => `${endpointChangeText(each)}.`)),
    ...andMore(endpoints.length - maxNamed + omittedEndpoints, 'endpoint'),
  ];
}

function askedSentences(expected: readonly ExpectedTargetsStatus[]): string[] {
  if (expected.length === 0) return [];
  return expected.slice(0, maxNamed).flatMap(({ nodes, targets }) => {
    const who = nodes === undefined ? 'every node' : listText(nodes);
    const of = (isPresent: boolean): string[] => [
      ...new Set(
        targets.filter((target) => target.present === isPresent).map(({ address, port }) => hostPort(address, port)),
      ),
    ];
    const [more, fewer] = [of(true), of(false)];
    return [
      ...(more.length === 0 ? [] : [`The rules of ${who} have to send to ${listText(more)}.`]),
      ...(fewer.length === 0 ? [] : [`The rules of ${who} have to send no more to ${listText(fewer)}.`]),
    ];
  });
}

function nodeSentences({ lag, nodes, omittedNodes }: SliceChangeStatus): string[] {
  const summary = lagSummary(lag);
  return [
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...nodes.slice(0, maxNamed).map(nodeSentence),
    ...andMore(nodes.length - maxNamed + omittedNodes, 'node'),
  ];
}

function nodeSentence(lag: NodeLagStatus): string {
  switch (lag.state) {
    case 'Arrived':
      return `${lag.node} had it after ${lagText(lag)}.`;
    case 'Pending':
      return lag.minMilliseconds === 0
        ? `${lag.node} is not known to have it.`
        : `${lag.node} did not have it after ${lagText({ minMilliseconds: lag.minMilliseconds, maxMilliseconds: lag.minMilliseconds })}.`;
    case 'NeverArrived':
      return `${lag.node} never had it: it was undone before.`;
    case 'Unseen':
      return `${lag.node} was not seen to have it before it was undone.`;
  }
}

function kubeProxySentences({ networkProgramming }: ConvergenceStatus): string[] {
  if (networkProgramming === undefined) return [];
  const { changes, nodes, p50Seconds, p99Seconds } = networkProgramming;
  const bound = (seconds: number | undefined): string =>
    seconds === undefined ? 'more than 300 s' : `${String(seconds)} s`;
  return [
    `By its own measure, of ${plural(changes, 'change')} of all Services on ${plural(nodes, 'node')} since it started: half within ${bound(p50Seconds)}, 99 % within ${bound(p99Seconds)}.`,
  ];
}

function ruleSentences(rules: readonly RuleDeltaStatus[]): string[] {
  return rules.slice(0, maxNamed).map((delta) => {
    const { nodes, changes, restore, addedElements, removedElements, untouchedRules } = delta;
    const parts = [
      ...chainsText(delta.addedChains, 'added'),
      ...chainsText(delta.removedChains, 'removed'),
      ...chainsText(delta.rewrittenChains, 'rewritten'),
      ...(addedElements === 0 ? [] : [`${plural(addedElements, 'element')} added`]),
      ...(removedElements === 0 ? [] : [`${plural(removedElements, 'element')} removed`]),
    ];
    const how =
      restore === undefined
        ? ''
        : restore === 'Full'
          ? '; kube-proxy wrote all of its rules'
          : '; kube-proxy wrote a part of its rules';
    const together = changes < 2 ? '' : `; together with ${plural(changes - 1, 'other change')}`;
    return `${listText(nodes)}: ${parts.length === 0 ? 'nothing' : parts.join(', ')}; ${plural(untouchedRules, 'rule')} of the Service untouched${how}${together}.`;
  });
}

function chainsText(chains: readonly string[], what: string): string[] {
  return chains.length === 0 ? [] : [`${plural(chains.length, 'chain')} ${what} (${listText(chains)})`];
}

function conntrackSentences({
  conntrack = [],
  connections = [],
  omittedConnections = 0,
  expected,
}: SliceChangeStatus): string[] {
  const isRemoval = expected.some(({ targets }) => targets.some((target) => !target.present));
  const opened = [
    ...connections.slice(0, maxNamed).flatMap(openedSentence),
    ...andMore(Math.max(0, connections.length - maxNamed) + omittedConnections, 'node and endpoint'),
  ];
  if (conntrack.length + opened.length === 0)
    return isRemoval ? ['No entry to what went was seen after the change.'] : [];
  return [...opened, ...conntrack.slice(0, maxNamed).map(keptSentence)];
}

function openedSentence(connections: EndpointConnectionsStatus): string[] {
  const { node, address, port, opened, unanswered, reset, lastOpened, isComplete } = connections;
  const target = hostPort(address, port);
  const [last, without, broken] = [
    lastOpened === undefined ? '' : `, the last by ${timeText(lastOpened)}`,
    unanswered === 0 ? '' : `; ${String(unanswered)} without an answer`,
    reset === 0 ? '' : `; ${plural(reset, 'connection')} there reset`,
  ];
  if (opened + reset > 0)
    return [
      `${node} sent ${isComplete ? '' : 'at least '}${plural(opened, 'new connection')} to ${target} after the change${last}${without}${broken}.`,
    ];
  return isComplete
    ? []
    : [`Whether ${node} sent new connections to ${target} after the change is not known: events are missing.`];
}

function keptSentence({ address, port, entries, most, nodes, seen, goneBy }: KeptConnectionsStatus): string {
  const target = hostPort(address, port);
  return entries > 0
    ? `${plural(entries, 'entry', 'entries')} to ${target} ${entries === 1 ? 'is' : 'are'} left on ${listText(nodes)} at ${timeText(seen)}; ${String(most)} at most.`
    : `Up to ${plural(most, 'entry', 'entries')} to ${target} ${most === 1 ? 'was' : 'were'} left until ${timeText(seen)}${goneBy === undefined ? '' : `; none at ${timeText(goneBy)}`}.`;
}

function churnSentences({ changes = [] }: ConvergenceStatus, now: number): string[] {
  const recent = changes.filter(({ latest }) => now - Date.parse(latest) <= churnMilliseconds);
  const [oldest] = recent;
  if (oldest === undefined || recent.length < 2) return [];
  const minutes = Math.max(1, (now - Date.parse(oldest.latest)) / 60_000);
  return [
    `${plural(recent.length, 'change')} of the Service's EndpointSlices in ${minutes.toFixed(0)} min: ${(recent.length / minutes).toFixed(1)} a minute.`,
  ];
}

function andMore(count: number, what: string): string[] {
  return count > 0 ? [`And ${String(count)} more ${what}${count === 1 ? '' : 's'}.`] : [];
}

function listText(texts: readonly string[]): string {
  const shown = texts.slice(0, maxNamed);
  return `${shown.join(', ')}${texts.length > shown.length ? ` and ${String(texts.length - shown.length)} more` : ''}`;
}

/** `11:00:00.400 UTC`, with milliseconds where the time has them. */
function timeText(time: string): string {
  const milliseconds = Date.parse(time);
  if (!Number.isFinite(milliseconds)) return 'an unknown time';
  return `${new Date(milliseconds)
    .toISOString()
    .slice(11, 23)
    .replace(/\.000$/, '')} UTC`;
}
