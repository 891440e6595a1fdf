/**
 * Service, EndpointSlices, pods, each node's rules and conntrack, side by side: for every port and endpoint what each of
 * them says, and which of them contradict the others.
 */
import { isSameAddress, isSameTarget } from './address.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import { desiredTargets } from './desired-targets.ts';
import { isSyncing } from './diagnose/frontend-drift.ts';
import type { NodeFacts } from './node-facts.ts';
import type { FrontendProgram } from './program.ts';
import { familyOf, type DesiredService, type Family, type Protocol } from './service.ts';
import type { EndpointStatus } from './service-trace.ts';

/** Of one port of the Service, in one family. */
export interface PortComparison {
  readonly family: Family;
  readonly portName?: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly rows: readonly ComparisonRow[];
}

/** One address and port that any of them names. */
export interface ComparisonRow {
  readonly address: string;
  readonly port: number;
  /** Of the EndpointSlices; absent where none has it. */
  readonly endpoint?: Pick<EndpointStatus, 'ready' | 'serving' | 'terminating'> & { readonly endpointSlice: string; readonly nodeName?: string };
  /** Absent where no pod has the address, or pods were not read. */
  readonly pod?: { readonly name: string; readonly ready: boolean; readonly phase: string; readonly isDeleting: boolean; readonly selected: boolean };
  /** Of each node that was read, in the order of their names. */
  readonly nodes: readonly NodeComparison[];
  /** In words, what contradicts what; empty where all agree. */
  readonly disagreements: readonly string[];
}

export interface NodeComparison {
  readonly node: string;
  /** unknown: the rules were not read, or not understood. */
  readonly rules: 'present' | 'absent' | 'unknown';
  /** Of new connections to the frontend that sends the most there; absent where it is not known. */
  readonly share?: number;
  /** Whether the node should send packets there, by any frontend, under the traffic policies and topology hints. */
  readonly wanted: boolean;
  /** Conntrack entries whose replies come from there; absent where conntrack was not read. */
  readonly connections?: number;
}

/** All ports, in the order of the Service; a port's rows in the order of its EndpointSlices, then what only rules or conntrack have. */
export function compareService(desired: DesiredService, nodes: readonly NodeFacts[], cluster?: ClusterFacts): PortComparison[] {
  const { service } = desired;
  if (service.notProxied !== undefined) return [];
  const families = [...new Set(service.clusterIPs.map(familyOf))];
  return service.ports.flatMap(({ name, protocol, port }) =>
    families.map((family): PortComparison => {
      const key = { family, protocol, portName: name };
      const endpoints = endpointsOf(desired, key);
      const known = [...endpoints.map(({ address, port: target }) => ({ address, port: target })), ...nodes.flatMap((facts) => namedBy(facts, key))];
      const targets = known.filter((target, index) => known.findIndex((each) => isSameTarget(each, target)) === index);
      return {
        family,
        ...(name === undefined || name === '' ? {} : { portName: name }),
        protocol,
        port,
        rows: targets.map((target) => rowOf(target, endpoints, desired, nodes, cluster, key)),
      };
    }),
  );
}

/** The rows whose sources disagree, at most so many: what a status has room for. */
export function disagreeingRows(comparison: readonly PortComparison[], most = 50): PortComparison[] {
  let left = most;
  return comparison.flatMap((each) => {
    const rows = each.rows.filter(({ disagreements }) => disagreements.length > 0).slice(0, left);
    left -= rows.length;
    return rows.length === 0 ? [] : [{ ...each, rows }];
  });
}

interface PortKey {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly portName: string | undefined;
}

interface Target {
  readonly address: string;
  readonly port: number;
}

function endpointsOf({ endpointSlices }: DesiredService, { family, protocol, portName }: PortKey): (Target & { readonly endpoint: EndpointStatus; readonly endpointSlice: string })[] {
  return endpointSlices.filter(({ addressType }) => addressType === family).flatMap((slice) => {
    const port = slice.ports.find((each) => (each.name ?? '') === (portName ?? '') && (each.protocol ?? 'TCP') === protocol)?.port;
    return port === undefined ? [] : slice.endpoints.flatMap((endpoint) => endpoint.addresses.slice(0, 1).map((address) => ({ address, port, endpoint, endpointSlice: slice.name })));
  });
}

function frontendsOfPort({ read }: NodeFacts, { family, protocol, portName }: PortKey): readonly FrontendProgram[] {
  return read?.program.frontends.filter((each) => each.family === family && each.protocol === protocol && (each.portName ?? '') === (portName ?? '')) ?? [];
}

/** What the node's rules name. */
function namedBy(facts: NodeFacts, key: PortKey): Target[] {
  return frontendsOfPort(facts, key).flatMap(({ dnatTargets }) => dnatTargets.map(({ address, port }) => ({ address, port })));
}

function rowOf(target: Target, endpoints: ReturnType<typeof endpointsOf>, desired: DesiredService, nodes: readonly NodeFacts[], cluster: ClusterFacts | undefined, key: PortKey): ComparisonRow {
  const same = endpoints.filter((each) => isSameTarget(each, target));
  const found = same.find(({ endpoint }) => endpoint.ready) ?? same[0];
  const pod = cluster?.pods?.find(({ addresses }) => addresses.some((address) => isSameAddress(address, target.address)));
  const rows = nodes.map((facts) => nodeComparison(target, facts, desired, key));
  const disagreements = [
    ...(found === undefined ? ['no EndpointSlice has it'] : []),
    ...(cluster?.pods !== undefined && found?.endpoint.targetRef?.kind === 'Pod' && pod === undefined ? ['an EndpointSlice has it, and no pod has its address'] : []),
    ...(found !== undefined && pod !== undefined && found.endpoint.ready !== pod.ready && desired.service.publishNotReadyAddresses !== true ? [`its endpoint is ${found.endpoint.ready ? 'ready' : 'not ready'}, and pod ${pod.name} is ${pod.ready ? 'ready' : 'not'}`] : []),
    ...nodes.flatMap((facts, index) => {
      const row = rows[index];
      if (row === undefined || row.rules === 'unknown' || isSyncing(facts, desired, cluster)) return [];
      if (row.wanted && row.rules === 'absent') return [`${row.node} should send packets there, and does not`];
      return !row.wanted && row.rules === 'present' ? [`${row.node} sends packets there, and should not`] : [];
    }),
  ];
  return {
    ...target,
    ...(found === undefined
      ? {}
      : {
          endpoint: {
            ready: found.endpoint.ready,
            serving: found.endpoint.serving,
            terminating: found.endpoint.terminating,
            endpointSlice: found.endpointSlice,
            ...(found.endpoint.nodeName === undefined ? {} : { nodeName: found.endpoint.nodeName }),
          },
        }),
    ...(pod === undefined ? {} : { pod: { name: pod.name, ready: pod.ready, phase: pod.phase, isDeleting: pod.deletionTimestamp !== undefined, selected: pod.selected } }),
    nodes: rows,
    disagreements,
  };
}

function nodeComparison(target: Target, facts: NodeFacts, desired: DesiredService, key: PortKey): NodeComparison {
  const frontends = frontendsOfPort(facts, key);
  const isUnknown = frontends.length === 0 || frontends.some(({ verdict }) => verdict === 'Unknown');
  const present = frontends.flatMap(({ dnatTargets }) => dnatTargets.filter((each) => isSameTarget(each, target)));
  const shares = present.flatMap(({ probability }) => probability ?? []);
  const wanted = frontends.some((frontend) =>
    desiredTargets(desired, frontend, { node: facts.node, traffic: frontend.frontend === 'ClusterIP' ? 'internal' : 'external', ...(facts.zone === undefined ? {} : { zone: facts.zone }) }).some((each) => isSameTarget(each, target)),
  );
  const groups = facts.read?.conntrack?.groups;
  return {
    node: facts.node,
    rules: isUnknown ? 'unknown' : present.length > 0 ? 'present' : 'absent',
    ...(shares.length === 0 ? {} : { share: Math.max(...shares) }),
    wanted,
    ...(groups === undefined ? {} : { connections: groups.filter((group) => group.protocol.toUpperCase() === key.protocol && isSameTarget({ address: group.replySource, port: group.replySourcePort }, target)).reduce((sum, { entries }) => sum + entries, 0) }),
  };
}
