/** The conditions of a trace: Ready as kstatus, Argo CD and Flux read it; Collected; Converged; Healthy. */
import { boundedList, boundedText } from '../lib/bounded-text.ts';
import type { ClusterFacts } from '../api/cluster-facts.ts';
import { ruleForeignUnknown } from '../diagnose/findings/rule-foreign-unknown.ts';
import { convergenceOf, isSyncing } from '../diagnose/checks/frontend-drift.ts';
import { namesText } from '../diagnose/checks/listed.ts';
import { uncheckedAddresses } from '../api/external-addresses.ts';
import type { NodeFacts } from '../program/node-facts.ts';
import { isTried, untriedTexts } from './untried.ts';
import type { NodeAnswer } from '../wire/node-report.ts';
import { plural } from '../lib/plural.ts';
import type { DesiredService } from '../api/service.ts';
import { lagText } from '../convergence/lag-text.ts';
import type { SliceChange } from '../convergence/slice-changes.ts';
import type {
  Condition,
  ConvergenceStatus,
  FindingStatus,
  ServiceTraceSpec,
  ServiceTraceStatus,
} from '../api/service-trace.ts';

export interface ConditionsInput {
  readonly spec: ServiceTraceSpec;
  readonly generation: number | undefined;
  readonly desired: DesiredService | undefined;
  readonly similarServices?: readonly string[];
  readonly nodes: readonly NodeFacts[];
  readonly findings: readonly FindingStatus[];
  readonly cluster?: ClusterFacts;
  readonly convergence?: ConvergenceStatus;
  readonly previous: ServiceTraceStatus | undefined;
  readonly now: string;
}

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>;

/** All four conditions; lastTransitionTime stays as it was where the status did not change. */
export function conditionsOf(input: ConditionsInput): Condition[] {
  const missing = serviceNotFound(input);
  return dated(input, [
    ['Ready', missing === undefined ? ready(input.nodes) : { status: 'False', ...missing }],
    ['Collected', missing === undefined ? collected(input.nodes) : { status: 'False', ...missing }],
    ['Converged', converged(input)],
    ['Healthy', healthy(input)],
  ]);
}

/**
 * The conditions before the answers are judged, from nothing but who has answered. Ready stays Unknown when all have: who reads
 * the status takes another value for the result, and this one has no findings.
 */
export function collectingConditions(
  input: Pick<ConditionsInput, 'generation' | 'previous' | 'now'>,
  answers: readonly NodeAnswer[],
): Condition[] {
  const nodes = answers.map((answer) => ({ node: answer.node, answer }));
  const unknown = {
    status: 'Unknown',
    reason: 'Collecting',
    message: 'not known before all nodes have answered',
  } as const;
  const unjudged = {
    status: 'Unknown',
    reason: 'Collecting',
    message: 'every node has answered or failed; the answers are being compared',
  } as const;
  return dated(input, [
    ['Ready', countNodes(nodes).waiting.length > 0 ? ready(nodes) : unjudged],
    ['Collected', collected(nodes)],
    ['Converged', unknown],
    ['Healthy', unknown],
  ]);
}

function dated(
  input: Pick<ConditionsInput, 'generation' | 'previous' | 'now'>,
  verdicts: readonly [Condition['type'], Verdict][],
): Condition[] {
  return verdicts.map(([type, verdict]) => {
    const before = input.previous?.conditions?.find((condition) => condition.type === type);
    return {
      type,
      ...verdict,
      message: boundedText(verdict.message),
      lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : input.now,
      ...(input.generation === undefined ? {} : { observedGeneration: input.generation }),
    };
  });
}

/**
 * The condition Converged from when a change of the EndpointSlices is known until the nodes have been asked: it is not what it was.
 * @param observedGeneration of the trace; absent where it is not known
 */
export function changedCondition(
  { endpointSlice, resourceVersion }: Pick<SliceChange, 'endpointSlice' | 'resourceVersion'>,
  now: string,
  observedGeneration: number | undefined,
): Condition {
  return {
    type: 'Converged',
    status: 'False',
    reason: 'Syncing',
    message: boundedText(
      `EndpointSlice ${endpointSlice} changed (resourceVersion ${resourceVersion}); whether the rules of all nodes have it is being looked at`,
    ),
    lastTransitionTime: now,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
  };
}

type AnsweredNode = Pick<NodeFacts, 'node' | 'answer'>;

function ready(nodes: readonly AnsweredNode[]): Verdict {
  const { waiting, failed, skipped, answered, asked, total } = countNodes(nodes);
  if (total === 0) return { status: 'False', reason: 'NoNodes', message: 'spec.nodes chooses no node of this cluster' };
  if (asked === 0) return { status: 'False', reason: 'NoNodes', message: describeAll(skipped) };
  if (waiting.length > 0)
    return { status: 'Unknown', reason: 'Collecting', message: `waiting for ${describeAll(waiting)}` };
  if (failed.length > 0) return { status: 'False', reason: 'NodesDidNotAnswer', message: describeAll(failed) };
  const rest = skipped.length === 0 ? '' : `; ${describeAll(skipped)}`;
  return {
    status: 'True',
    reason: 'Collected',
    message: `collected from ${answered} of ${plural(asked, 'node')}${rest}`,
  };
}

function collected(nodes: readonly AnsweredNode[]): Verdict {
  const { waiting, failed, skipped, answered, asked } = countNodes(nodes);
  const rest = skipped.length === 0 ? '' : `; not looked at: ${boundedList(skipped.map(({ node }) => node))}`;
  const message = `${answered} of ${plural(asked, 'node')} answered${rest}`;
  if (waiting.length > 0) return { status: 'Unknown', reason: 'Collecting', message };
  if (failed.length > 0 || asked === 0) return { status: 'False', reason: 'NodesDidNotAnswer', message };
  return { status: 'True', reason: 'AllNodesAnswered', message };
}

function converged({ desired, nodes, ...input }: ConditionsInput): Verdict {
  if (desired === undefined)
    return { status: 'Unknown', ...(serviceNotFound({ desired, nodes, ...input }) ?? unknownVerdict) };
  if (desired.service.notProxied !== undefined) {
    return {
      status: 'Unknown',
      reason: 'NotProxied',
      message: `kube-proxy writes no rules, because ${desired.service.notProxied}`,
    };
  }
  if (input.spec.collect?.rules === false)
    return { status: 'Unknown', reason: 'RulesNotCollected', message: 'spec.collect.rules is false' };
  const different = nodes.filter((facts) => convergenceOf(facts, desired) === 'Different');
  const unknown = nodes.filter((facts) => convergenceOf(facts, desired) === 'Unknown');
  const names = (list: readonly NodeFacts[]): string => boundedList(list.map(({ node }) => node));
  if (different.length > 0) {
    return different.every((facts) => isSyncing(facts, desired, input.cluster))
      ? {
          status: 'False',
          reason: 'Syncing',
          message: `the EndpointSlices changed so shortly before that kube-proxy may still wait to write; not there yet: ${names(different)}`,
        }
      : {
          status: 'False',
          reason: 'RulesDiffer',
          message: `the rules differ from the EndpointSlices on ${names(different)}`,
        };
  }
  const datapaths = new Set(
    unknown.map(({ read }) => (read?.datapath?.replacesKubeProxy === true ? read.datapath.name : undefined)),
  );
  const [datapath] = datapaths;
  if (datapaths.size === 1 && datapath !== undefined)
    return {
      status: 'Unknown',
      reason: 'OtherDatapath',
      message: `${datapath} serves Services in kube-proxy's place on ${names(unknown)}`,
    };
  if (unknown.length > 0 || nodes.length === 0)
    return { status: 'Unknown', reason: 'NodesUnknown', message: `not known of ${names(unknown) || 'any node'}` };
  const unchecked = uncheckedAddresses(desired);
  return {
    status: 'True',
    reason: 'RulesEqual',
    message: `the rules of ${plural(nodes.length, 'node')} equal the EndpointSlices${unchecked.length === 0 ? '' : `; not asked: ${namesText(unchecked)}`}${tookText(input.convergence)}`,
  };
}

/** How long the newest change took that nodes had something to write for; empty where that is not known. */
function tookText(convergence: ConvergenceStatus | undefined): string {
  const lag = convergence?.changes?.findLast((change) => change.lag.nodes > 0)?.lag;
  if (lag?.max === undefined || lag.lastNode === undefined || lag.pending > 0) return '';
  return `; the last change took ${lagText(lag.max)}, ${lag.lastNode} had it last`;
}

/** Undefined where none of the findings is an error. */
export function errorsVerdict(findings: readonly FindingStatus[]): Verdict | undefined {
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return undefined;
  const ids = [...new Set(errors.map(({ id }) => id))].join(', ');
  return {
    status: 'False',
    reason: 'FindingsOfSeverityError',
    message: `${plural(errors.length, 'finding')} of severity error: ${ids}`,
  };
}

/** What a verdict without an error has not tried, as the end of its message. */
function untriedText(
  { endpointSlices }: DesiredService,
  nodes: readonly NodeFacts[],
  cluster: ClusterFacts | undefined,
): string {
  const { connected, pod = '' } = cluster?.client ?? {};
  return untriedTexts({
    hasEndpoints: endpointSlices.some(({ endpoints }) => endpoints.some(({ ready }) => ready)),
    isTriedFromNodes: nodes.some(({ read }) => read?.connections?.some(isTried) === true),
    isRefused: cluster?.connectRefusal !== undefined,
    ...(connected === undefined ? {} : { client: { pod, untried: connected.untried } }),
  })
    .map((text) => `; ${text}`)
    .join('');
}

function healthy({ desired, nodes, findings, ...input }: ConditionsInput): Verdict {
  if (desired === undefined)
    return { status: 'False', ...(serviceNotFound({ desired, nodes, findings, ...input }) ?? unknownVerdict) };
  const errors = errorsVerdict(findings);
  if (errors !== undefined) return errors;
  const { waiting, failed, skipped, total } = countNodes(nodes);
  const unread = nodes.filter(({ read }) => read !== undefined && read.unread.length > 0);
  if (waiting.length + failed.length + skipped.length + unread.length > 0 || total === 0) {
    return {
      status: 'Unknown',
      reason: 'NotAllKnown',
      message: `no error was found in what could be read, and not all could be read${untriedText(desired, nodes, input.cluster)}`,
    };
  }
  // Where a rule may stop packets, and whether it does is not known, nobody knows that the Service is well.
  const unjudged = findings.filter(({ id }) => id === ruleForeignUnknown.id);
  if (unjudged.length > 0)
    return {
      status: 'Unknown',
      reason: 'RulesNotJudged',
      message: `no error was found in what could be judged; ${unjudged.map(({ message }) => message).join(' ')}`,
    };
  const unchecked = uncheckedAddresses(desired);
  if (unchecked.length > 0)
    return {
      status: 'Unknown',
      reason: 'AddressesNotAsked',
      message: `no error was found in what could be read; nodes were not asked for ${namesText(unchecked)}`,
    };
  // What the API server reports around the Service explains errors of the path; the path itself was read whole.
  const apiUnread = (input.cluster?.unread ?? []).map(({ what }) => what);
  return {
    status: 'True',
    reason: 'NoErrors',
    message: `no finding of severity error among ${findings.length}${apiUnread.length === 0 ? '' : `; not read: ${apiUnread.join(', ')}`}${untriedText(desired, nodes, input.cluster)}`,
  };
}

const unknownVerdict = { reason: 'Unknown', message: 'not known' } as const;

function serviceNotFound({
  desired,
  spec,
  similarServices,
}: ConditionsInput): Pick<Verdict, 'reason' | 'message'> | undefined {
  if (desired !== undefined) return undefined;
  const near =
    similarServices === undefined || similarServices.length === 0
      ? ''
      : `; names near it: ${similarServices.join(', ')}`;
  return {
    reason: 'ServiceNotFound',
    message: `there is no Service ${spec.serviceRef.name} in the namespace of this trace${near}`,
  };
}

function countNodes(nodes: readonly AnsweredNode[]): {
  waiting: AnsweredNode[];
  failed: AnsweredNode[];
  skipped: AnsweredNode[];
  answered: number;
  /** All but those that are skipped. */
  asked: number;
  total: number;
} {
  const waiting = nodes.filter(({ answer }) => 'state' in answer && answer.state === 'Waiting');
  const failed = nodes.filter(({ answer }) => 'state' in answer && answer.state === 'Failed');
  const skipped = nodes.filter(({ answer }) => 'state' in answer && answer.state === 'Skipped');
  const asked = nodes.length - skipped.length;
  return { waiting, failed, skipped, answered: asked - waiting.length - failed.length, asked, total: nodes.length };
}

function describeAll(nodes: readonly AnsweredNode[]): string {
  return boundedList(
    nodes.map(({ node, answer }) => ('report' in answer ? node : `${node}: ${answer.message}`)),
    '; ',
  );
}
