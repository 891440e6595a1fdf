/** The rules and the walks of an operator's trace, as `explain` and `report` show them. */
import { isSameAddress } from '../../core/net/address.ts';
import { desiredOfTrace } from '../../core/api/desired-of-trace.ts';
import type { FamilyExplanation } from '../../core/explain/explanation.ts';
import { explainStatusFamilies, type StatusExplainOptions } from '../../core/explain/explain-status.ts';
import type { PacketPath } from '../../core/explain/follow-client.ts';
import { statusPacketPath } from '../../core/explain/status-packet-path.ts';
import type { NodeStatus, ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { UsageError } from '../cli/errors.ts';
import type { ClientName } from '../cli/request.ts';

/** A node, and what its rules are for the Service. */
export interface StatusProgram {
  readonly node: NodeStatus;
  /** Other nodes with the very same rules. */
  readonly identicalNodes: readonly string[];
  readonly families: readonly FamilyExplanation[];
  /** What is not known of its rules, and why. */
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

/** core/status/bound.ts cuts whole programs. */
const cutRules = {
  what: 'rules',
  reason: 'the status of the trace had no room for them; choose fewer nodes with --node',
};

/**
 * One node of each different program, or those that are asked for.
 * @param nodes empty: one of each program
 */
export function statusPrograms(
  trace: ServiceTrace,
  nodes: readonly string[],
  options?: StatusExplainOptions,
): StatusProgram[] {
  const { programs = [], nodes: all = [] } = trace.status ?? {};
  const desired = desiredOfTrace(trace);
  const answered = all.filter(({ probe }) => probe.state === 'Collected');
  const groups =
    nodes.length > 0
      ? answered.filter(({ name }) => nodes.includes(name)).map((node) => [node])
      : [...Map.groupBy(answered, ({ name, program }) => program ?? name).values()];
  return groups.flatMap(([node, ...others]) => {
    if (node === undefined) return [];
    const program = programs.find(({ fingerprint }) => fingerprint === node.program);
    const families = program === undefined ? [] : explainStatusFamilies(program, desired, node.ports, options);
    const cut = program?.chains.length === 0 ? [cutRules] : [];
    const unread = [...(node.probe.unread ?? []), ...cut];
    return [{ node, identicalNodes: others.map(({ name }) => name), families, unread }];
  });
}

/**
 * The packet paths of the trace's client to cluster IPs: over its own node where it is known, else over one node of each program.
 * @param nodes empty: those
 * @param wants by the address and port that the client connects to; absent: all
 * @throws UsageError where the trace has walked no packet of the client
 */
export function statusPacketPaths(
  trace: ServiceTrace,
  from: ClientName,
  nodes: readonly string[] = [],
  wants: (destination: { readonly address: string; readonly port: number }) => boolean = () => true,
): PacketPath[] {
  const { status = {} } = trace;
  const walks = (status.walks ?? []).filter(({ source }) => !('ip' in from) || isSameAddress(source, from.ip));
  if (walks.length === 0)
    throw new UsageError(
      `--from ${'ip' in from ? from.ip : from.pod}: the trace has no walk of a packet of this client to a cluster IP of the Service${unknownClient(status)}.`,
    );
  const ownNode = 'ip' in from ? ownNodeOf(status, from.ip) : undefined;
  const first = new Map((status.nodes ?? []).map(({ name, program }) => [program ?? name, name] as const).reverse());
  const chosen = new Set(nodes.length > 0 ? nodes : ownNode === undefined ? first.values() : [ownNode]);
  const desired = desiredOfTrace(trace);
  return walks
    .filter(({ node }) => 'pod' in from || chosen.has(node))
    .filter(({ destination, destinationPort }) => wants({ address: destination, port: destinationPort }))
    .map((walk) => statusPacketPath(walk, status, desired, podOf(status, from, walk.source)));
}

function unknownClient({ conditions = [] }: ServiceTraceStatus): string {
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready?.status === 'False' ? `: ${ready.message}` : '';
}

function podOf(status: ServiceTraceStatus, from: ClientName, address: string): string | undefined {
  return 'pod' in from ? from.pod : endpointAt(status, address)?.targetRef?.name;
}

/** The node of an endpoint, or the one whose conntrack holds connections of the client, where it is one alone. */
function ownNodeOf(status: ServiceTraceStatus, address: string): string | undefined {
  const own = endpointAt(status, address)?.nodeName;
  if (own !== undefined) return own;
  const tracking = (status.nodes ?? []).filter(({ conntrack }) =>
    conntrack?.entries?.some(({ original }) => isSameAddress(original.source, address)),
  );
  return tracking.length === 1 ? tracking[0]?.name : undefined;
}

type Endpoint = NonNullable<ServiceTraceStatus['endpointSlices']>[number]['endpoints'][number];

function endpointAt({ endpointSlices = [] }: ServiceTraceStatus, address: string): Endpoint | undefined {
  return endpointSlices
    .flatMap(({ endpoints }) => endpoints)
    .find(({ addresses }) => addresses.some((each) => isSameAddress(each, address)));
}
