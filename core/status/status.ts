/** From what was collected to the status of a ServiceTrace: bounded in size, in a stable order. */
import { readRulesTogether } from '../program/read-node-report.ts';
import { withoutLoopingChains } from '../program/looping-chains.ts';
import { boundStatus } from './bound.ts';
import { clientStatus } from './client-status.ts';
import { comparisonOf } from '../diagnose/checks/compare-service.ts';
import { conditionsOf } from './conditions.ts';
import { diagnose, withCuts } from '../diagnose/diagnose.ts';
import type { FromFacts } from '../diagnose/checks/finding.ts';
import { connectionEventsStatus } from './connection-events-status.ts';
import { convergenceStatus } from './convergence-status.ts';
import { unconfirmed } from './second-look.ts';
import { endpointsCost } from '../api/endpoints-cost.ts';
import { endpointsSummary } from './progress.ts';
import { readNodeFacts, type NodeFacts } from '../program/node-facts.ts';
import { present } from '../lib/present.ts';
import type { DesiredService } from '../api/service.ts';
import type { FindingStatus, ServiceTraceStatus, SummaryStatus } from '../api/service-trace.ts';
import type { StatusInput } from './input.ts';
import { nodeStatus } from './node-status.ts';
import { programsOf } from './program-status.ts';
import { walksOf } from './walk-status.ts';

/** The whole status of a trace. Pure: the same input gives the same status. */
export function buildStatus(collected: StatusInput): ServiceTraceStatus {
  readRulesTogether(collected.answers.flatMap((answer) => ('report' in answer ? [answer.report] : [])));
  const input = { ...collected, answers: withoutLoopingChains(collected.answers) };
  const { desired, now } = input;
  const generation = input.generation === undefined ? {} : { observedGeneration: input.generation };
  if (desired === undefined) {
    return {
      ...generation,
      collectedAt: now,
      ...(input.similarServices === undefined ? {} : { similarServices: [...input.similarServices] }),
      conditions: conditionsOf({ ...input, nodes: [], findings: [] }),
      nodes: [],
      findings: [],
      summary: { nodes: '0/0', endpoints: '0/0', findings: 0, errors: 0, warnings: 0 },
    };
  }
  const nodes = [...input.answers]
    .sort((one, other) => (one.node < other.node ? -1 : 1))
    .map((answer) => readNodeFacts(answer, desired, input.nodeZones?.[answer.node]));
  const facts = {
    desired,
    nodes,
    now,
    ...present({ cluster: input.cluster, from: fromFacts(input), previous: input.previous }),
  };
  const believed = (all: FindingStatus[]): FindingStatus[] => {
    const doubted = new Set(input.foundBefore === undefined ? [] : unconfirmed(all, input.foundBefore));
    return all.filter((finding) => !doubted.has(finding));
  };
  const found = diagnose(facts);
  const findings = believed(found);
  const walks = walksOf(input, desired, nodes);
  const convergence = convergenceStatus(input, desired, nodes);
  const whole: ServiceTraceStatus = {
    ...generation,
    collectedAt: now,
    conditions: conditionsOf({ ...input, nodes, findings, convergence }),
    service: desired.service,
    endpointSlices: [...desired.endpointSlices],
    ...present({ endpoints: endpointsCost(desired, input.cluster) }),
    programs: programsOf(nodes),
    nodes: nodes.map((each) => nodeStatus(each, desired, input)),
    ...(input.cluster?.client?.connected === undefined
      ? {}
      : { client: clientStatus(input.cluster.client, input.cluster.client.connected) }),
    ...(walks.length === 0 ? {} : { walks }),
    findings,
    comparison: comparisonOf(facts),
    convergence,
    ...present({ connectionEvents: connectionEventsStatus(input.connections) }),
    summary: summaryOf(desired, nodes, findings),
    truncated: [],
  };
  const bounded = boundStatus(whole);
  if (bounded.truncated === undefined || bounded.truncated.length === 0) return bounded;
  // That something was cut is itself a finding.
  const believedWithCuts = believed(withCuts(found, { ...facts, truncated: bounded.truncated }));
  return boundStatus({
    ...whole,
    conditions: conditionsOf({ ...input, nodes, findings: believedWithCuts }),
    findings: believedWithCuts,
    summary: summaryOf(desired, nodes, believedWithCuts),
  });
}

function fromFacts({ spec, walkFrom = [] }: StatusInput): FromFacts | undefined {
  const addresses = [...new Set(walkFrom.map(({ address }) => address))];
  return addresses.length === 0 ? undefined : { ...present({ pod: spec.from?.pod, node: spec.from?.node }), addresses };
}

function summaryOf(
  desired: DesiredService,
  nodes: readonly NodeFacts[],
  findings: readonly { severity: string }[],
): SummaryStatus {
  return {
    nodes: `${nodes.filter(({ read }) => read !== undefined).length}/${nodes.length}`,
    endpoints: endpointsSummary(desired),
    findings: findings.length,
    errors: findings.filter(({ severity }) => severity === 'error').length,
    warnings: findings.filter(({ severity }) => severity === 'warning').length,
  };
}
