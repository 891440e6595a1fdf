/** What a rollout's result says, as sentences without a full stop. Nothing decides by them. */
import { lagText } from '../convergence/lag-text.ts';
import { plural } from '../lib/plural.ts';
import { hostPort } from '../net/address.ts';
import type { Gap, GoneEndpoint, PreStopSleep, RolloutResult } from './result.ts';

/** So many names are written out. */
const maxNames = 5;

export function verdictText({ verdict, goneEndpoints, changes, gaps }: RolloutResult): string {
  const count = goneEndpoints.length;
  const atRisk = goneEndpoints.filter(({ risk }) => risk === 'atRisk').length;
  switch (verdict) {
    case 'someAtRisk':
      if (count === 1) return 'the endpoint that went was sent new connections after it could stop accepting them';
      return `of ${plural(count, 'endpoint')} that went, ${String(atRisk)} ${atRisk === 1 ? 'was' : 'were'} sent new connections after ${atRisk === 1 ? 'it' : 'they'} could stop accepting them`;
    case 'noneAtRisk':
      if (changes === 0) return 'no EndpointSlice of the Service changed';
      return count === 0
        ? 'no endpoint went'
        : `every node stopped sending new connections to the ${count === 1 ? 'endpoint' : plural(count, 'endpoint')} that went before ${count === 1 ? 'it' : 'they'} could stop accepting them`;
    case 'partial':
      return `whether connections were at risk is not known${gaps.length === 0 ? '' : ', for the reasons below'}`;
  }
}

/** What a preStop hook has to sleep, and what it rests on. */
export function sleepText({ seconds, isEnough, from, took, address, pod, node, present }: PreStopSleep): string {
  const amount = `${String(seconds)} s`;
  const since = from === 'podDeletion' ? 'its pod was deleted' : 'the EndpointSlice changed';
  const endpoint = pod === undefined ? address : `${address} (${pod})`;
  const how = isEnough
    ? present !== undefined && present.preStopMinSeconds >= seconds
      ? `the preStop hook of the pods was long enough: ${amount} would have been, too`
      : `a preStop hook that sleeps ${amount} would have been enough`
    : `a preStop hook has to sleep ${amount} at least, and maybe more`;
  const last =
    took.maxMilliseconds === undefined
      ? `${node} is not known to have stopped sending new connections to ${endpoint}`
      : `${node} was the last to send new connections to ${endpoint}, for ${lagText(took)} after ${since}`;
  return `${how}; ${last}${present === undefined ? '' : `; ${presentText(seconds, present)}`}`;
}

function presentText(
  seconds: number,
  { preStopMinSeconds, terminationGracePeriodSeconds }: NonNullable<PreStopSleep['present']>,
): string {
  const hook = preStopMinSeconds === 0 ? 'no hook' : `one that takes ${String(preStopMinSeconds)} s`;
  const grace = `a grace period of ${String(terminationGracePeriodSeconds)} s`;
  const more = seconds > terminationGracePeriodSeconds ? ', which ends the hook before that: raise it, too' : '';
  return `the pods have ${hook}, and ${grace}${more}`;
}

/** Of one endpoint with its node that was last. */
export function goneText({ address, ports, pod, nodes, lastNode, preStop }: GoneEndpoint): string {
  const last = nodes.find(({ node }) => node === lastNode);
  const [port] = ports;
  const name = `${port === undefined ? address : hostPort(address, port)}${pod === undefined ? '' : ` (${pod})`}`;
  const hook =
    preStop === undefined
      ? ''
      : `; its pod has ${preStop.maxSeconds === 0 ? 'no preStop hook' : `a preStop hook of ${preStop.minSeconds === preStop.maxSeconds ? '' : `${String(preStop.minSeconds)} to `}${String(preStop.maxSeconds)} s`}`;
  if (last === undefined) return name;
  const { sentFor, sentAfterEnd, connections } = last;
  const after =
    sentAfterEnd === undefined || sentAfterEnd.maxMilliseconds === 0
      ? ''
      : `, of that ${lagText(sentAfterEnd)} after it could stop accepting them`;
  const counts =
    connections === undefined
      ? ''
      : `; ${plural(connections.opened, 'new connection')}, ${String(connections.unanswered)} unanswered, ${String(connections.reset)} reset`;
  return `${last.node} sent new connections to ${name} for ${lagText(sentFor)}${after}${counts}${hook}`;
}

export function gapText(gap: Gap): string {
  switch (gap.kind) {
    case 'commandFailed':
      return gap.signal === undefined
        ? `the command ended with status ${String(gap.exitCode ?? 0)}: nobody knows whether the rollout is the one that was meant`
        : `the command was ended by ${gap.signal}: nobody knows whether the rollout is the one that was meant`;
    case 'timedOut':
      return `it was not over after ${String(gap.timeoutSeconds)} s; --timeout says how long to follow it`;
    case 'interrupted':
      return 'it was interrupted before it was over';
    case 'traceEnded':
      return `it could be followed no longer: ${gap.reason}`;
    case 'traceReplaced':
      return 'the ServiceTrace was deleted and created again: changes in between are not known';
    case 'nodeUnanswered':
      return `${gap.node} did not answer`;
    case 'nodeBehind':
      return `${gap.node} is not known to have ${plural(gap.changes, 'change')}`;
    case 'orderUnknown':
      return `${gap.node}: whether it stopped sending new connections to ${plural(gap.endpoints, 'endpoint')} in time is not known`;
    case 'changesLost':
      return `${plural(gap.changes, 'change')} came and went between two results`;
    case 'changeCut':
      return `the change with resourceVersion ${gap.resourceVersion} is too large to be followed as a whole`;
    case 'endpointsTerminating':
      return `${namesText(gap.addresses)} ${gap.addresses.length === 1 ? 'is' : 'are'} still terminating`;
    case 'workloadFailed':
      return `${gap.workload} did not roll out: ${gap.reason}`;
    case 'workloadUnfinished':
      return `${gap.workload} has not rolled out: ${gap.reason}`;
    case 'podsUnreadable':
      return 'you may not list and watch pods: when they were deleted, and what their preStop hooks do, is not known';
    case 'podsUnseen':
      return `when ${namesText(gap.pods)} got SIGTERM is not known: the pod was not seen`;
    case 'clocksDiffer':
      return `the clocks of the API server and of who follows it differ: when ${namesText(gap.pods)} got SIGTERM is not known`;
    case 'connectionsNotFollowed':
      return 'connections are not followed by the probes: whether any went to an endpoint that had gone is not known';
    case 'connectionsIncomplete':
      return `connections are not known as a whole on ${namesText(gap.nodes)}`;
  }
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, maxNames).join(', ');
  return names.length > maxNames ? `${shown} and ${String(names.length - maxNames)} more` : shown;
}
