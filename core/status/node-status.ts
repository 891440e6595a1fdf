/** What a status says of one node. */
import type {
  ConntrackStatus,
  ConntrackEntryStatus,
  DnatTargetStatus,
  DriftStatus,
  KubeProxyStatus,
  NodePortStatus,
  NodeStatus,
} from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { kubeProxyConfigOf } from '../diagnose/checks/kube-proxy-config-of.ts';
import { present } from '../lib/present.ts';
import { kubeProxyTotals } from '../kube-proxy/metric-totals.ts';
import type { KubeProxyState } from '../kube-proxy/health.ts';
import type { NodeFacts } from '../program/node-facts.ts';
import { fingerprintOf } from '../program/program-chains.ts';
import { recordsOf, type RecordOf } from '../wire/node-report.ts';
import type { StatusInput } from './input.ts';
import { askedDomain, problemOf } from '../dns/answers.ts';
import { serviceDomain } from '../dns/names.ts';
import type { DnatTarget, FrontendProgram } from '../program/program.ts';
import { hostPort } from '../net/address.ts';
import { parseConntrackLine } from '../conntrack/parse-entry.ts';
import { oncePer } from '../lib/once-per.ts';
import { frontendDrifts, type FrontendDrift } from '../diagnose/checks/frontend-drift.ts';
import { targetKey } from '../api/desired-targets.ts';

export function nodeStatus(
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
  const drifts = new Map(frontendDrifts(facts, desired).map((drift) => [drift.frontend, drift]));
  return {
    name: node,
    probe: {
      state: 'Collected',
      collectedAt: read.collectedAt,
      ...(read.rulesReadAt === undefined ? {} : { rulesReadAt: read.rulesReadAt }),
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
    ports: program.frontends.map((frontend) => frontendStatus(frontend, facts, desired, drifts.get(frontend))),
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

function frontendStatus(
  frontend: FrontendProgram,
  facts: NodeFacts,
  desired: DesiredService,
  drift: FrontendDrift | undefined,
): NodePortStatus {
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
    ...(drift === undefined ? {} : { drift: driftStatus(drift) }),
  };
}

function driftStatus({ desired, missing, stale }: FrontendDrift): DriftStatus {
  // Rules may name a target twice.
  const extra = [
    ...new Map(stale.map(({ address, port }) => [targetKey({ address, port }), { address, port }])).values(),
  ];
  return {
    desired: desired.length,
    missing: missing.length,
    extra: extra.length,
    ...(missing.length === 0
      ? {}
      : {
          missingTargets: missing.map(({ address, port, pod, nodeName }) => present({ address, port, pod, nodeName })),
        }),
    ...(extra.length === 0 ? {} : { extraTargets: extra }),
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
  // Part by part, for there are thousands, and a copy for each part costs more than all else of it.
  const status: DnatTargetStatus = { address: target.address, port: target.port };
  if (pod !== undefined) status.pod = pod;
  if (target.probability !== undefined) status.probability = target.probability;
  if (target.chosenBy !== undefined) status.chosenBy = target.chosenBy;
  if (target.weight !== undefined) status.weight = target.weight;
  if (target.hairpin !== undefined) status.hairpinMasquerade = target.hairpin.value;
  if (target.counters !== undefined) {
    status.packets = target.counters.packets;
    status.bytes = target.counters.bytes;
  }
  if (connections !== undefined) status.connections = connections;
  return status;
}

/** Conntrack entries from the frontend to the target; undefined where conntrack was not read. */
function connectionsTo(target: DnatTarget, frontend: FrontendProgram, facts: NodeFacts): number | undefined {
  const record = facts.read?.conntrack;
  if (record === undefined) return undefined;
  let connections = 0;
  for (const group of groupsByAnswer(record).get(hostPort(target.address, target.port)) ?? [])
    if (
      group.family === frontend.family &&
      group.destinationPort === frontend.port &&
      (frontend.address === '' || group.destination === frontend.address) &&
      group.protocol.toUpperCase() === frontend.protocol
    )
      connections += group.entries;
  return connections;
}

function podOf({ endpointSlices }: DesiredService, address: string): string | undefined {
  return podsByAddress(endpointSlices).get(address);
}

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

/** By who answers. */
const groupsByAnswer = oncePer(({ groups }: RecordOf<'conntrack'>) =>
  Map.groupBy(groups, ({ replySource, replySourcePort }) => hostPort(replySource, replySourcePort)),
);

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
