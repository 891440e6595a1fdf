/** From what was collected to the status of a ServiceTrace: bounded in size, in a stable order. */
import { hostPort } from './address.ts';
import { boundStatus } from './bound-status.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import { clientStatus } from './client-status.ts';
import { comparisonOf } from './compare-service.ts';
import { conditionsOf } from './conditions.ts';
import { diagnose, withCuts } from './diagnose/diagnose.ts';
import type { FromFacts } from './diagnose/finding.ts';
import { convergenceOf } from './diagnose/frontend-drift.ts';
import { kubeProxyConfigOf } from './diagnose/kube-proxy-config-of.ts';
import { unconfirmed } from './diagnose/second-look.ts';
import { mergeDurations, quantile } from './durations.ts';
import { askedDomain, problemOf } from './dns-answers.ts';
import { serviceDomain } from './dns-names.ts';
import { endpointsCost } from './endpoints-cost.ts';
import { endpointsSummary } from './progress-status.ts';
import { entryOf } from './evaluate/walk-hooks.ts';
import { walkPacket, type Walk } from './evaluate/walk-packet.ts';
import { kubeProxyTotals } from './kube-proxy-totals.ts';
import { withoutLoopingChains } from './looping-chains.ts';
import { fingerprintOf } from './node-program.ts';
import { readNodeFacts, type NodeFacts } from './node-facts.ts';
import type { NodeAnswer } from './node-report.ts';
import { recordsOf, type RecordOf } from './node-report.ts';
import { oncePer } from './once-per.ts';
import { parseConntrackLine } from './parse/conntrack.ts';
import type { KubeProxyState } from './parse/kube-proxy.ts';
import { present } from './present.ts';
import type { DnatTarget, FrontendProgram, NodeProgram } from './program.ts';
import { familyOf, type DesiredService } from './service.ts';
import type {
  ChainStatus,
  ConntrackEntryStatus,
  ConntrackStatus,
  ConvergenceStatus,
  DnatTargetStatus,
  FindingStatus,
  KubeProxyStatus,
  NodePortStatus,
  NodeStatus,
  ProgramStatus,
  RuleStatus,
  ServiceTraceSpec,
  ServiceTraceStatus,
  SummaryStatus,
  WalkStatus,
} from './service-trace.ts';

export interface StatusInput {
  readonly spec: ServiceTraceSpec;
  readonly generation: number | undefined;
  /** Undefined where the Service is not there. */
  readonly desired: DesiredService | undefined;
  /** Names near a Service that is not there. */
  readonly similarServices?: readonly string[];
  /** One for each chosen node. */
  readonly answers: readonly NodeAnswer[];
  /** What the API server tells around the Service; absent where nobody asked. */
  readonly cluster?: ClusterFacts;
  /** Zone by node name, for topology hints. */
  readonly nodeZones?: Readonly<Record<string, string>>;
  /** The client of spec.from, by node. */
  readonly walkFrom?: readonly { readonly node: string; readonly address: string }[];
  /** What the looks before found; given, a finding that only a moment may have caused, and that is not among them, is left out. */
  readonly foundBefore?: readonly FindingStatus[];
  /** The status before, for the times at which conditions changed. */
  readonly previous: ServiceTraceStatus | undefined;
  /** RFC 3339. */
  readonly now: string;
}

/** The whole status of a trace. Pure: the same input gives the same status. */
export function buildStatus(collected: StatusInput): ServiceTraceStatus {
  const input = { ...collected, answers: withoutLoopingChains(collected.answers) };
  const { desired, now } = input;
  const generation = input.generation === undefined ? {} : { observedGeneration: input.generation };
  if (desired === undefined) {
    return {
      ...generation,
      collectedAt: now,
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
  const convergence = convergenceStatus(desired, nodes);
  const whole: ServiceTraceStatus = {
    ...generation,
    collectedAt: now,
    conditions: conditionsOf({ ...input, nodes, findings }),
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

function convergenceStatus(desired: DesiredService, nodes: readonly NodeFacts[]): ConvergenceStatus {
  const measured = nodes.flatMap(({ read }) =>
    read?.kubeProxy?.metrics === undefined ? [] : (kubeProxyTotals(read.kubeProxy.metrics).networkProgramming ?? []),
  );
  const together = mergeDurations(measured);
  const bound = (share: number): number | undefined => {
    const seconds = quantile(together, share);
    return seconds === Infinity ? undefined : seconds;
  };
  return {
    ...(desired.lastChange === undefined ? {} : { lastChange: desired.lastChange }),
    convergedNodes: nodes.filter((facts) => convergenceOf(facts, desired) === 'Converged').length,
    totalNodes: nodes.length,
    ...(together.count === 0
      ? {}
      : {
          networkProgramming: {
            changes: together.count,
            nodes: measured.length,
            ...present({ p50Seconds: bound(0.5), p99Seconds: bound(0.99), maxSeconds: bound(1) }),
          },
        }),
  };
}

function fromFacts({ spec, walkFrom = [] }: StatusInput): FromFacts | undefined {
  const addresses = [...new Set(walkFrom.map(({ address }) => address))];
  return addresses.length === 0 ? undefined : { ...present({ pod: spec.from?.pod, node: spec.from?.node }), addresses };
}

function nodeStatus(
  facts: NodeFacts,
  desired: DesiredService,
  { spec, cluster }: Pick<StatusInput, 'spec' | 'cluster'>,
): NodeStatus {
  const { node, answer, read } = facts;
  if (read === undefined) {
    const probe =
      'report' in answer
        ? { state: 'Failed' as const }
        : { state: answer.state, reason: answer.reason, message: answer.message };
    return { name: node, probe, proxyMode: 'unknown', ports: [] };
  }
  const { program, kubeProxy } = read;
  const dns = dnsStatus(facts, desired);
  const end = recordsOf(read.report, 'end')[0];
  const conntrack = conntrackStatus(facts, desired);
  return {
    name: node,
    probe: {
      state: 'Collected',
      collectedAt: read.collectedAt,
      ...(end === undefined ? {} : { durationMilliseconds: end.durationMilliseconds }),
      ...(read.clock === undefined
        ? {}
        : { clock: { offsetMilliseconds: read.clock.milliseconds, uncertaintyMilliseconds: read.clock.uncertainty } }),
      ...(read.unread.length === 0 ? {} : { unread: read.unread.map(({ what, reason }) => ({ what, reason })) }),
    },
    proxyMode: program.proxyMode,
    proxyModeSource: program.proxyModeSource,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    ...(kubeProxy === undefined
      ? {}
      : { kubeProxy: kubeProxyStatus(kubeProxy, kubeProxyConfigOf(facts, cluster)?.source) }),
    ...(spec.collect?.rules === false ? {} : { program: fingerprintOf(program) }),
    ports: program.frontends.map((frontend) => frontendStatus(frontend, facts, desired)),
    ...(conntrack === undefined ? {} : { conntrack }),
    ...(read.conntrackStatistics === undefined
      ? {}
      : {
          conntrackStatistics: Object.fromEntries(
            statisticsShown.flatMap((name) => {
              const count = read.conntrackStatistics?.last[name];
              return count === undefined ? [] : [[name, count]];
            }),
          ),
        }),
    ...(read.datapath?.replacesKubeProxy === true ? { datapath: read.datapath.name } : {}),
    ...(dns === undefined ? {} : { dns }),
    ...(read.connections === undefined
      ? {}
      : {
          connections: read.connections.map(({ hop, address, port, protocol, outcome, status, milliseconds }) => ({
            ...{ hop, address, port, protocol, outcome, milliseconds },
            ...(status === undefined ? {} : { status }),
          })),
        }),
  };
}

/** Counters of conntrack that something is wrong where they grow. */
const statisticsShown = ['drop', 'early_drop', 'error', 'insert_failed', 'invalid'] as const;

function kubeProxyStatus(state: KubeProxyState, configSource: 'configz' | 'ConfigMap' | undefined): KubeProxyStatus {
  const { healthy, message, lastSync, metrics } = state;
  const totals = metrics === undefined ? {} : kubeProxyTotals(metrics);
  const { lastQueued, pendingChanges, fullSyncs, partialSyncs, failures, apiErrors, invalidPackets } = totals;
  return present({
    healthy,
    message,
    lastSync,
    lastQueued: lastQueued === undefined ? undefined : new Date(lastQueued * 1000).toISOString(),
    version: metrics?.version,
    configSource,
    pendingChanges,
    fullSyncs,
    partialSyncs,
    failures,
    apiErrors,
    invalidPackets,
  });
}

/** The addresses of the Service's own name, as the DNS Service answered the node. */
function dnsStatus({ read }: NodeFacts, desired: DesiredService): NodeStatus['dns'] {
  const answers = read?.dnsAnswers ?? [];
  const domain = askedDomain(answers, desired);
  if (domain === undefined) return undefined;
  const name = serviceDomain(desired, domain);
  const own = answers.filter((answer) => answer.role === 'Service' && answer.name === name && answer.type !== 'SRV');
  const server = own[0]?.server;
  if (server === undefined) return undefined;
  const addresses = own
    .filter((answer) => answer.server === server)
    .flatMap((answer) => answer.answers)
    .sort();
  const failed = own.find((answer) => answer.server === server && answer.responseCode !== 'NOERROR');
  return { name, server, answers: addresses, ...(failed === undefined ? {} : { error: problemOf(failed) }) };
}

function frontendStatus(frontend: FrontendProgram, facts: NodeFacts, desired: DesiredService): NodePortStatus {
  return {
    family: frontend.family,
    frontend: frontend.frontend,
    address: frontend.address,
    ...(frontend.portName === undefined ? {} : { portName: frontend.portName }),
    protocol: frontend.protocol,
    port: frontend.port,
    verdict: frontend.verdict,
    ...(frontend.counters === undefined ? {} : { packets: frontend.counters.packets, bytes: frontend.counters.bytes }),
    ...(frontend.trafficPolicy === undefined ? {} : { trafficPolicy: frontend.trafficPolicy.value }),
    ...(frontend.sourceRanges === undefined ? {} : { sourceRanges: [...frontend.sourceRanges.value] }),
    ...(frontend.sessionAffinity?.value === undefined
      ? {}
      : { sessionAffinitySeconds: frontend.sessionAffinity.value }),
    ...(frontend.masquerade === undefined
      ? {}
      : { masquerade: { outside: frontend.masquerade.outside.value, node: frontend.masquerade.node.value } }),
    dnatTargets: frontend.dnatTargets.map((target) => targetStatus(target, frontend, facts, desired)),
  };
}

function targetStatus(
  target: DnatTarget,
  frontend: FrontendProgram,
  facts: NodeFacts,
  desired: DesiredService,
): DnatTargetStatus {
  const pod = podOf(desired, target.address);
  const connections = connectionsTo(target, frontend, facts);
  return {
    address: target.address,
    port: target.port,
    ...(pod === undefined ? {} : { pod }),
    ...(target.probability === undefined ? {} : { probability: target.probability }),
    ...(target.weight === undefined ? {} : { weight: target.weight }),
    ...(target.hairpin === undefined ? {} : { hairpinMasquerade: target.hairpin.value }),
    ...(target.counters === undefined ? {} : { packets: target.counters.packets, bytes: target.counters.bytes }),
    ...(connections === undefined ? {} : { connections }),
  };
}

/** Conntrack entries from the frontend to the target; undefined where conntrack was not read. */
function connectionsTo(target: DnatTarget, frontend: FrontendProgram, facts: NodeFacts): number | undefined {
  const record = facts.read?.conntrack;
  if (record === undefined) return undefined;
  return (groupsByAnswer(record).get(hostPort(target.address, target.port)) ?? [])
    .filter(
      (group) =>
        group.family === frontend.family &&
        group.protocol.toUpperCase() === frontend.protocol &&
        group.destinationPort === frontend.port &&
        (frontend.address === '' || group.destination === frontend.address),
    )
    .reduce((sum, { entries }) => sum + entries, 0);
}

/** By who answers. */
const groupsByAnswer = oncePer(({ groups }: RecordOf<'conntrack'>) =>
  Map.groupBy(groups, ({ replySource, replySourcePort }) => hostPort(replySource, replySourcePort)),
);

function podOf({ endpointSlices }: DesiredService, address: string): string | undefined {
  return podsByAddress(endpointSlices).get(address);
}

/** The first pod of each address. */
const podsByAddress = oncePer((slices: DesiredService['endpointSlices']): ReadonlyMap<string, string> => {
  const pods = new Map<string, string>();
  for (const { endpoints } of slices) {
    for (const { addresses, targetRef } of endpoints) {
      if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) continue;
      for (const address of addresses) if (!pods.has(address)) pods.set(address, targetRef.name);
    }
  }
  return pods;
});

function conntrackStatus(facts: NodeFacts, desired: DesiredService): ConntrackStatus | undefined {
  const record = facts.read?.conntrack;
  if (record === undefined) return undefined;
  const table = facts.read?.conntrackTable;
  const states: { [state: string]: number } = {};
  let unreplied = 0;
  for (const group of record.groups) {
    const key =
      group.state === undefined ? group.protocol.toUpperCase() : `${group.protocol.toUpperCase()} ${group.state}`;
    states[key] = (states[key] ?? 0) + group.entries;
    if (group.unreplied) unreplied += group.entries;
  }
  const entries = record.lines.flatMap((line): ConntrackEntryStatus[] => {
    const entry = parseConntrackLine(line);
    if (entry === undefined) return [];
    const pod = podOf(desired, entry.reply.source);
    return [
      {
        protocol: entry.protocol.toUpperCase(),
        ...(entry.state === undefined ? {} : { state: entry.state }),
        ...(entry.unreplied ? { unreplied: true } : {}),
        original: tupleStatus(entry.original),
        reply: tupleStatus(entry.reply),
        ...(pod === undefined ? {} : { pod }),
      },
    ];
  });
  return {
    matched: record.matched,
    unreplied,
    ...(table === undefined ? {} : { count: table.count, max: table.max }),
    states,
    ...(entries.length === 0 ? {} : { entries, omitted: record.matched - entries.length }),
  };
}

function tupleStatus(tuple: ConntrackEntryStatus['original']): ConntrackEntryStatus['original'] {
  const { source, sourcePort, destination, destinationPort } = tuple;
  return { source, sourcePort, destination, destinationPort };
}

/** Each different program once; counters summed over the nodes that have it. */
function programsOf(nodes: readonly NodeFacts[]): ProgramStatus[] {
  const byFingerprint = new Map<string, { program: NodeProgram; nodes: string[]; chains: ChainStatus[] }>();
  for (const { node, read } of nodes) {
    if (read === undefined || read.program.chains.length === 0) continue;
    const fingerprint = fingerprintOf(read.program);
    const chains = read.program.chains.map(chainStatus);
    const present = byFingerprint.get(fingerprint);
    if (present === undefined) byFingerprint.set(fingerprint, { program: read.program, nodes: [node], chains });
    else {
      present.nodes.push(node);
      present.chains = present.chains.map((chain, index) => sumChains(chain, chains[index]));
    }
  }
  return [...byFingerprint].map(([fingerprint, { program, nodes: owners, chains }]) => ({
    fingerprint,
    proxyMode: program.proxyMode,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    nodes: owners,
    chains,
  }));
}

function chainStatus(chain: NodeProgram['chains'][number]): ChainStatus {
  return {
    family: chain.family,
    table: chain.table,
    name: chain.name,
    rules: chain.rules.map(({ text, counters }): RuleStatus => ({ text, ...(counters ?? {}) })),
  };
}

/** Programs of one fingerprint have the same chains with the same rules in the same order. */
function sumChains(one: ChainStatus, other: ChainStatus | undefined): ChainStatus {
  return {
    ...one,
    rules: one.rules.map((rule, index) => {
      const twin = other?.rules[index];
      if (rule.packets === undefined || twin?.packets === undefined) return rule;
      return { ...rule, packets: rule.packets + twin.packets, bytes: (rule.bytes ?? 0) + (twin.bytes ?? 0) };
    }),
  };
}

function walksOf(input: StatusInput, desired: DesiredService, nodes: readonly NodeFacts[]): WalkStatus[] {
  const walks: WalkStatus[] = [];
  for (const from of input.walkFrom ?? []) {
    const read = nodes.find(({ node }) => node === from.node)?.read;
    if (read === undefined) continue;
    for (const frontend of read.program.frontends) {
      if (frontend.frontend !== 'ClusterIP' || frontend.family !== familyOf(from.address)) continue;
      const walk: Walk = walkPacket(
        read.report,
        desired,
        {
          source: from.address,
          destination: frontend.address,
          destinationPort: frontend.port,
          protocol: frontend.protocol,
          entersAt: entryOf(recordsOf(read.report, 'start')[0]?.addresses ?? [], from.address),
        },
        input.cluster,
      );
      walks.push({
        node: from.node,
        source: from.address,
        destination: frontend.address,
        destinationPort: frontend.port,
        protocol: frontend.protocol,
        verdict: walk.verdict,
        masquerade: walk.masquerade,
        destinations: walk.destinations.map(({ address, port, probability }) => ({ address, port, probability })),
        path: walk.path.map(({ table, chain, rule, effect }) => ({ table, chain, rule, effect })),
        unknown: [...walk.unknown],
      });
    }
  }
  return walks;
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
