/** What happened to a Service between two results of its trace: itself, endpoints, rules of nodes, nodes, findings. */
import { hostPort, isSameAddress } from '../net/address.ts';
import { endpointStateText, sliceChangeText } from '../convergence/change-text.ts';
import { newArrivals } from '../convergence/arrivals.ts';
import { changeKey } from '../convergence/history.ts';
import { lagSummary } from '../convergence/lag-text.ts';
import { endpointsByAddress } from '../api/endpoints-by-address.ts';
import { wholeOf, type Pieces } from '../lib/pieces.ts';
import { plural } from '../lib/plural.ts';
import { connectionText } from '../convergence/connection-text.ts';
import type {
  DnatTargetStatus,
  EndpointConnectionsStatus,
  EndpointStatus,
  FindingStatus,
  NodeLagStatus,
  NodePortStatus,
  NodeStatus,
  ServiceStatus,
  ServiceTraceStatus,
  SliceChangeStatus,
} from '../api/service-trace.ts';

export interface StatusChange {
  /** RFC 3339: when it was collected, which is at or after it happened. */
  readonly at: string;
  readonly kind: 'service' | 'endpoint' | 'rules' | 'lag' | 'flow' | 'node' | 'finding';
  /** Whether it is something that somebody should look at, all is well again, or neither. */
  readonly severity: 'bad' | 'good' | 'neutral';
  /** The node, for what happened on one. */
  readonly node?: string;
  /** One line; of what rules do, to be read beside the node (changeText). */
  readonly text: string;
  /** The change of the EndpointSlices that it is of (changeKey). */
  readonly sliceChange?: string;
  /** Of rules: how long they took. */
  readonly lag?: NodeLagStatus;
}

/** One line that names the node itself. */
export function changeText({
  kind,
  node,
  text,
}: Pick<StatusChange, 'text'> & { readonly kind: string; readonly node?: string | undefined }): string {
  return (kind === 'rules' || kind === 'flow') && node !== undefined ? `${node}: ${text}` : text;
}

/** In the order of the path: the Service, endpoints, then what nodes made of them, then what is found in it. */
export function changesBetween(before: ServiceTraceStatus | undefined, after: ServiceTraceStatus): StatusChange[] {
  return wholeOf(changesInPieces(before, after));
}

/** The same, for who cannot wait for all nodes at once. */
export function* changesInPieces(
  before: ServiceTraceStatus | undefined,
  after: ServiceTraceStatus,
): Pieces<StatusChange[]> {
  if (before === undefined) return [];
  const at = after.collectedAt ?? '';
  // What a Service had that is gone is gone with it; of one that came back, all is new.
  if (isGone(after)) return serviceChanges(before, after, at);
  if (isGone(before)) return [...serviceChanges(before, after, at), ...findingChanges(before, after, at)];
  const beforeNodes = [...serviceChanges(before, after, at), ...endpointChanges(before, after, at)];
  yield undefined;
  const ofNodes = yield* nodeChanges(before, after, at);
  return [
    ...beforeNodes,
    ...ofNodes,
    ...lagChanges(before, after, at),
    ...connectionChanges(before, after, at),
    ...findingChanges(before, after, at),
  ];
}

function serviceChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): StatusChange[] {
  const [was, is] = [before.service, after.service];
  const change = (severity: StatusChange['severity'], text: string): StatusChange => ({
    at,
    kind: 'service',
    severity,
    text,
  });
  if (was !== undefined && is === undefined) return isGone(after) ? [change('bad', 'the Service is gone')] : [];
  if (was === undefined && is !== undefined)
    return isGone(before) ? [change('good', 'the Service is there again')] : [];
  if (was === undefined || is === undefined) return [];
  return serviceFacts.flatMap(([name, read]) =>
    read(was) === read(is)
      ? []
      : [change('neutral', `${name} of the Service: ${read(is) || 'none'}, was ${read(was) || 'none'}`)],
  );
}

/** Without this reason, a status without a Service does not know it; that is not a change. */
function isGone({ conditions = [] }: ServiceTraceStatus): boolean {
  return conditions.some(({ type, reason }) => type === 'Ready' && reason === 'ServiceNotFound');
}

const serviceFacts: readonly (readonly [string, (service: ServiceStatus) => string])[] = [
  ['type', ({ type }) => type],
  [
    'addresses',
    ({ clusterIPs, externalIPs, loadBalancerIPs }) => [...clusterIPs, ...externalIPs, ...loadBalancerIPs].join(', '),
  ],
  [
    'ports',
    ({ ports }) =>
      ports
        .map(
          ({ name = '', port, protocol, targetPort = '', nodePort = 0 }) =>
            `${name === '' ? '' : `${name} `}${String(port)}/${protocol}${targetPort === '' ? '' : ` to ${targetPort}`}${nodePort === 0 ? '' : ` (NodePort ${String(nodePort)})`}`,
        )
        .join(', '),
  ],
  [
    'selector',
    ({ selector = {} }) =>
      Object.entries(selector)
        .map(([name, value]) => `${name}=${value}`)
        .sort()
        .join(', '),
  ],
  ['internalTrafficPolicy', ({ internalTrafficPolicy = '' }) => internalTrafficPolicy],
  ['externalTrafficPolicy', ({ externalTrafficPolicy = '' }) => externalTrafficPolicy],
  ['sessionAffinity', ({ sessionAffinity = '' }) => sessionAffinity],
];

function endpointChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): StatusChange[] {
  // A status without slices does not know them; that is not a change of theirs.
  if (before.endpointSlices === undefined || after.endpointSlices === undefined) return [];
  const old = endpointsByAddress(before);
  const now = endpointsByAddress(after);
  const known = new Set((before.convergence?.changes ?? []).map(changeKey));
  const fresh = (after.convergence?.changes ?? []).filter((each) => !known.has(changeKey(each)));
  const change = (severity: StatusChange['severity'], address: string, text: string): StatusChange => {
    const own = fresh.findLast(({ endpoints }) => endpoints.some((each) => isSameAddress(each.address, address)));
    return {
      at,
      kind: 'endpoint',
      severity,
      text,
      ...(own === undefined ? {} : { sliceChange: changeKey(own) }),
    };
  };
  return [
    ...[...old]
      .filter(([address]) => !now.has(address))
      .map(([address, endpoint]) =>
        change('neutral', address, `endpoint ${describe(address, endpoint)} left the EndpointSlices`),
      ),
    ...[...now].flatMap(([address, endpoint]): StatusChange[] => {
      const former = old.get(address);
      const state = endpointStateText(endpoint);
      if (former === undefined)
        return [change('neutral', address, `endpoint ${describe(address, endpoint)} came, ${state}`)];
      return endpointStateText(former) === state
        ? []
        : [
            change(
              endpoint.ready ? 'good' : 'neutral',
              address,
              `endpoint ${describe(address, endpoint)} is ${state}, was ${endpointStateText(former)}`,
            ),
          ];
    }),
  ];
}

function* nodeChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): Pieces<StatusChange[]> {
  const old = new Map((before.nodes ?? []).map((node) => [node.name, node]));
  const present = new Set((after.nodes ?? []).map(({ name }) => name));
  // Without nodes, nothing was asked at all; the reason is shown elsewhere.
  const left = present.size === 0 ? [] : [...old.keys()].filter((name) => !present.has(name));
  const changes = left.map((name): StatusChange => ({
    at,
    kind: 'node',
    severity: 'neutral',
    node: name,
    text: `${name} is asked no more`,
  }));
  const arrived = new Map(
    newArrivals(before.convergence?.changes, after.convergence?.changes).map(({ change, lag }) => [
      lag.node,
      { sliceChange: changeKey(change), lag },
    ]),
  );
  for (const node of after.nodes ?? []) {
    const former = old.get(node.name);
    if (former === undefined)
      changes.push({ at, kind: 'node', severity: 'neutral', node: node.name, text: `${node.name} is asked now` });
    else
      changes.push(
        ...probeChanges(former, node, at),
        ...kubeProxyChanges(former, node, at),
        ...(isRead(former) && isRead(node)
          ? frontendChanges(former, node, node.probe.collectedAt ?? at, arrived.get(node.name))
          : []),
      );
    yield undefined;
  }
  return changes;
}

/** New connections to endpoints that went, and events that are missing. */
function connectionChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): StatusChange[] {
  const known = new Map(
    (before.convergence?.changes ?? []).flatMap((change) =>
      (change.connections ?? []).map((row) => [connectionsKey(change, row), row] as const),
    ),
  );
  const toGone = (after.convergence?.changes ?? []).flatMap((change) =>
    (change.connections ?? []).flatMap((row): StatusChange[] => {
      const more = row.opened - (known.get(connectionsKey(change, row))?.opened ?? 0);
      const text = `${plural(more, 'new connection')} to ${hostPort(row.address, row.port)} after it stopped being ready`;
      return more > 0
        ? [{ at, kind: 'flow', severity: 'bad', node: row.node, text, sliceChange: changeKey(change) }]
        : [];
    }),
  );
  const gaps = new Set((before.connectionEvents?.gaps ?? []).map((gap) => JSON.stringify(gap)));
  const missing = (after.connectionEvents?.gaps ?? []).filter((gap) => !gaps.has(JSON.stringify(gap)));
  return [
    ...toGone,
    ...missing.map(({ node, to, dropped }): StatusChange => {
      const count = dropped === undefined ? 'an unknown number of events' : plural(dropped, 'event');
      return { at: to, kind: 'flow', severity: 'neutral', node, text: `${count} of connections dropped` };
    }),
  ];
}

/** Each connection that the status lists and the one before did not: where clients are shown. */
export function connectionsBetween(before: ServiceTraceStatus | undefined, after: ServiceTraceStatus): StatusChange[] {
  const former = before?.connectionEvents?.recent ?? [];
  const old = new Set(former.map((event) => JSON.stringify(event)));
  const recent = after.connectionEvents?.recent ?? [];
  const fresh = recent.filter((event) => event.client !== undefined && !old.has(JSON.stringify(event)));
  const lines = fresh.map((event): StatusChange => ({
    at: event.latest,
    kind: 'flow',
    severity: 'neutral',
    node: event.node,
    text: connectionText(event),
  }));
  const [first] = lines;
  // A status has the last ones alone.
  const hasMore = first !== undefined && former.length > 0 && fresh.length === recent.length;
  return hasMore
    ? [{ at: first.at, kind: 'flow', severity: 'neutral', text: 'more connections than are listed' }, ...lines]
    : lines;
}

function connectionsKey(
  change: Pick<SliceChangeStatus, 'endpointSlice' | 'resourceVersion'>,
  { node, protocol, address, port }: EndpointConnectionsStatus,
): string {
  return [changeKey(change), node, protocol, address, port].join(' ');
}

function isRead({ probe }: NodeStatus): boolean {
  return probe.state === 'Collected';
}

function probeChanges(former: NodeStatus, node: NodeStatus, at: string): StatusChange[] {
  if (former.probe.state === node.probe.state || ['Waiting', 'Skipped'].includes(node.probe.state)) return [];
  return node.probe.state === 'Collected'
    ? [{ at, kind: 'node', severity: 'good', node: node.name, text: `${node.name} answers` }]
    : [
        {
          at,
          kind: 'node',
          severity: 'bad',
          node: node.name,
          text: `${node.name} does not answer: ${node.probe.reason ?? 'no reason given'}`,
        },
      ];
}

function kubeProxyChanges(former: NodeStatus, node: NodeStatus, at: string): StatusChange[] {
  const [was, is] = [former.kubeProxy?.healthy, node.kubeProxy?.healthy];
  if (was === is || was === undefined || is === undefined) return [];
  return [
    {
      at,
      kind: 'node',
      severity: is ? 'good' : 'bad',
      node: node.name,
      text: `kube-proxy of ${node.name} is ${is ? 'healthy again' : 'not healthy'}`,
    },
  ];
}

type LagOfChange = Required<Pick<StatusChange, 'sliceChange' | 'lag'>>;

/** Changes of the EndpointSlices that all nodes have by now, or that were undone before. */
function lagChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): StatusChange[] {
  const done = new Set(
    (before.convergence?.changes ?? []).filter(({ lag }) => lag.pending === 0).map((change) => changeKey(change)),
  );
  return (after.convergence?.changes ?? [])
    .filter((change) => change.lag.nodes > 0 && change.lag.pending === 0 && !done.has(changeKey(change)))
    .map((change) => ({
      at,
      kind: 'lag',
      severity: change.lag.arrived === change.lag.nodes ? 'good' : 'neutral',
      text: `${lagSummary(change.lag)}: ${sliceChangeText(change)}`,
      sliceChange: changeKey(change),
    }));
}

function frontendChanges(
  former: NodeStatus,
  node: NodeStatus,
  at: string,
  arrived: LagOfChange | undefined,
): StatusChange[] {
  const old = new Map(former.ports.map((port) => [keyOf(port), port]));
  return node.ports.flatMap((port): StatusChange[] => {
    const was = old.get(keyOf(port));
    const change = (severity: StatusChange['severity'], text: string): StatusChange => ({
      at,
      kind: 'rules',
      severity,
      node: node.name,
      text,
      ...arrived,
    });
    if (was === undefined || port.verdict === 'Unknown' || was.verdict === 'Unknown') return [];
    const { added, removed } = targetChanges(was.dnatTargets, port.dnatTargets);
    return [
      ...(was.verdict === port.verdict
        ? []
        : [
            change(
              port.verdict === 'DNAT' ? 'good' : 'bad',
              `${nameOf(port)} is ${verdictText(port)}, was ${verdictText(was)}`,
            ),
          ]),
      ...(added.length === 0 ? [] : [change('neutral', `rules of ${nameOf(port)} send to ${added.join(', ')} now`)]),
      ...(removed.length === 0
        ? []
        : [change('neutral', `rules of ${nameOf(port)} send no more to ${removed.join(', ')}`)]),
    ];
  });
}

function targetChanges(
  before: readonly DnatTargetStatus[],
  now: readonly DnatTargetStatus[],
): { readonly added: readonly string[]; readonly removed: readonly string[] } {
  // Mostly nothing changed, of thousands on each of many nodes.
  if (
    before.length === now.length &&
    now.every(({ address, port }, index) => before[index]?.address === address && before[index].port === port)
  )
    return { added: [], removed: [] };
  const textsOf = (targets: readonly DnatTargetStatus[]): Set<string> =>
    new Set(targets.map(({ address, port }) => hostPort(address, port)));
  const [old, next] = [textsOf(before), textsOf(now)];
  return {
    added: [...next].filter((target) => !old.has(target)),
    removed: [...old].filter((target) => !next.has(target)),
  };
}

/**
 * A finding is the same as long as its kind and place are, whatever its text says by now: counts and times in it change
 * all the time. Several of one kind at one place, such as one for each endpoint, come and go by their number.
 */
function findingChanges(before: ServiceTraceStatus, after: ServiceTraceStatus, at: string): StatusChange[] {
  if (before.findings === undefined || after.findings === undefined) return [];
  const old = Map.groupBy(before.findings, findingKey);
  const now = Map.groupBy(after.findings, findingKey);
  const change = ({ node }: FindingStatus, severity: StatusChange['severity'], text: string): StatusChange => ({
    at,
    kind: 'finding',
    severity,
    ...(node === undefined ? {} : { node }),
    text,
  });
  const came = [...now].flatMap(([key, findings]) => {
    const were = old.get(key) ?? [];
    const known = new Set(were.map(({ message }) => message));
    // Those with a text of before are the ones of before.
    const fresh = findings
      .filter(({ message }) => !known.has(message))
      .slice(0, Math.max(0, findings.length - were.length));
    return fresh.map((finding) =>
      change(finding, finding.severity === 'info' ? 'neutral' : 'bad', `${finding.id}: ${finding.message}`),
    );
  });
  const went = [...old].flatMap(([key, were]) => {
    const [first] = were;
    const left = now.get(key)?.length ?? 0;
    if (first === undefined || left >= were.length) return [];
    if (left > 0)
      return [
        change(first, 'neutral', `${first.id} of ${first.where}: ${String(left)} of ${String(were.length)} are left`),
      ];
    return [change(first, first.severity === 'info' ? 'neutral' : 'good', `${first.id} of ${first.where} is gone`)];
  });
  return [...came, ...went];
}

/** What makes two findings the same one: their kind and their place, never their words. */
export function findingKey({ id, where }: Pick<FindingStatus, 'id' | 'where'>): string {
  return `${id} ${where}`;
}

function describe(address: string, { targetRef, nodeName }: EndpointStatus): string {
  const pod =
    targetRef?.name === undefined ? '' : ` (${targetRef.name}${nodeName === undefined ? '' : ` on ${nodeName}`})`;
  return `${address}${pod}`;
}

function keyOf({ family, frontend, address, protocol, port }: NodePortStatus): string {
  return [family, frontend, address, protocol, port].join(' ');
}

function nameOf({ frontend, address, port, protocol }: NodePortStatus): string {
  return frontend === 'NodePort'
    ? `NodePort ${String(port)}/${protocol}`
    : `${frontend} ${hostPort(address, port)}/${protocol}`;
}

function verdictText({ verdict }: NodePortStatus): string {
  return verdict === 'None' ? 'without a rule' : verdict;
}
