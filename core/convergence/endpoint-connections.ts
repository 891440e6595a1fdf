/** What connections did, node by node, to endpoints that a change of the EndpointSlices took away. */
import type { EndpointConnectionsStatus, ExpectedTargetStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { present } from '../lib/present.ts';
import { comparableAddress } from '../net/address.ts';
import type { ClockOffset } from '../wire/clock-offset.ts';
import type { ConnectionEvent, ConnectionRecords } from './connection-event.ts';
import { expectedOf } from './history.ts';

/** What one node's conntrack kept, by endpoint, when it was read. */
export interface ConntrackReading {
  readonly node: string;
  /** Milliseconds since 1970, by the collector's clock. */
  readonly readAt: number;
  readonly entries: readonly {
    readonly protocol: string;
    readonly address: string;
    readonly port: number;
    readonly entries: number;
  }[];
}

export interface EndpointConnectionsInput {
  readonly change: SliceChangeStatus;
  /** The changes after it. */
  readonly later: readonly SliceChangeStatus[];
  /** Absent where nobody follows connections. */
  readonly records: ConnectionRecords | undefined;
  /** Of the nodes that answered. */
  readonly readings: readonly ConntrackReading[];
  /** Milliseconds since 1970, by the collector's clock. */
  readonly now: number;
}

/** Connections to what a change took away count for so long after it. */
export const countedMilliseconds = 600_000;

/** Rows of all changes together; the newest changes have them first. */
const keptRows = 300;
/** Of one change. */
const keptRowsOfChange = 100;

type Row = EndpointConnectionsStatus;
type Target = Pick<ExpectedTargetStatus, 'protocol' | 'address' | 'port'>;

/**
 * The same for the same input, whatever was worked out of it before: counts of what is still known are counted again. Of what
 * is no longer known, those of the change stay.
 */
export function endpointConnections({
  change,
  later,
  records,
  readings,
  now,
}: EndpointConnectionsInput): Row[] | undefined {
  const former = change.connections ?? [];
  // An older change of many endpoints: what it asked for is not known any more.
  if (records === undefined || change.expected.length === 0) return change.connections;
  const gone = goneAddresses(change);
  if (gone.size === 0) return change.connections;
  const formerByKey = new Map(former.map((row) => [`${row.node} ${keyOf(row)}`, row]));
  const byNode = Map.groupBy(records.events, ({ node }) => node);
  const names = new Set([...records.nodes.map(({ node }) => node), ...former.map(({ node }) => node)]);
  const rows = [...names].flatMap((node) => {
    const reading = readings.find((each) => each.node === node);
    const byEndpoint = Map.groupBy(byNode.get(node) ?? [], (event) => endpointKeyOf(event));
    const targets = new Map(
      expectedOf(change.expected, node)
        .filter((target) => !target.present && gone.has(comparableAddress(target.address)))
        .map((target) => [keyOf(target), target]),
    );
    return [...targets].flatMap(([key, target]): Row[] => {
      const row = rowOf({
        node,
        target,
        until: backAt(later, node, key),
        change,
        former: formerByKey.get(`${node} ${key}`),
        records,
        events: byEndpoint.get(key) ?? [],
        reading,
        now,
      });
      return row === undefined ? [] : [row];
    });
  });
  return rows.length === 0 ? undefined : rows.sort(byWeight);
}

interface RowInput {
  readonly node: string;
  readonly target: Target;
  /** When packets were to be sent there again; Infinity where they are not. */
  readonly until: number;
  readonly change: SliceChangeStatus;
  readonly former: Row | undefined;
  readonly records: ConnectionRecords;
  /** Of this node and endpoint. */
  readonly events: readonly ConnectionEvent[];
  readonly reading: ConntrackReading | undefined;
  readonly now: number;
}

function rowOf({
  node,
  target,
  until: backAt,
  change,
  former,
  records,
  events,
  reading,
  now,
}: RowInput): Row | undefined {
  const [earliest, latest] = [Date.parse(change.earliest), Date.parse(change.latest)];
  // What came that long ago may have been forgotten since: what was counted holds.
  const isOver = now > latest + countedMilliseconds && former !== undefined;
  const until = Math.min(backAt, latest + countedMilliseconds);
  const after = events.filter((event) => {
    const { from } = bounds(event);
    return from >= latest && from < until;
  });
  const sum = (isOf: (event: ConnectionEvent) => boolean): number =>
    after.filter(isOf).reduce((total, { count }) => total + count, 0);
  const opened = sum(({ kind }) => kind === 'New');
  const refused = sum(isRefused);
  const counted = {
    opened,
    unanswered:
      target.protocol === 'TCP'
        ? Math.max(
            0,
            sum(({ kind, isAnswered }) => kind === 'New' && !isAnswered) -
              sum(({ kind }) => kind === 'Answered') -
              refused,
          )
        : sum(({ kind, isAnswered }) => kind === 'Destroyed' && !isAnswered),
    reset: sum(({ kind }) => kind === 'Reset') + refused,
  };
  const known = coverage(node, records, { earliest, until });
  const isComplete = (isOver || known === 'All') && former?.isComplete !== false;
  // Events that are no longer known were counted before.
  const counts =
    former === undefined || (isComplete && !isOver)
      ? counted
      : {
          opened: Math.max(counted.opened, former.opened),
          unanswered: Math.max(counted.unanswered, former.unanswered),
          reset: Math.max(counted.reset, former.reset),
        };
  const lastOpened = newest([...after.filter(({ kind }) => kind === 'New').map(latestOf), timeOf(former?.lastOpened)]);
  const isRead = reading !== undefined && reading.readAt >= earliest && backAt === Infinity;
  const kept = isRead ? entriesOf(reading, target) : former?.kept;
  const destroyed = events.filter(
    (event) => event.kind === 'Destroyed' && bounds(event).to >= earliest && bounds(event).from < backAt,
  );
  // Where the last entry went without an event, it was gone when that was read.
  const isGone = kept === 0 && former?.kept !== undefined && former.kept > 0 && isRead;
  const keptUntil =
    kept === 0
      ? (newest([...destroyed.map(latestOf), timeOf(former?.keptUntil)]) ?? (isGone ? reading.readAt : undefined))
      : undefined;
  const hasSomething = counts.opened + counts.unanswered + counts.reset + (kept ?? 0) > 0 || keptUntil !== undefined;
  if (former === undefined && !hasSomething && known !== 'Part') return undefined;
  return {
    node,
    protocol: target.protocol,
    address: target.address,
    port: target.port,
    ...counts,
    ...present({ lastOpened: textOf(lastOpened), kept, keptUntil: textOf(keptUntil) }),
    isComplete,
  };
}

/** All: each event since before the change. None: the node was never followed. */
function coverage(
  name: string,
  { nodes, gaps }: ConnectionRecords,
  { earliest, until }: { readonly earliest: number; readonly until: number },
): 'All' | 'Part' | 'None' {
  const node = nodes.find((each) => each.node === name);
  if (node === undefined || !('since' in node)) return 'None';
  const { to: since } = bounds({ earliest: node.since, latest: node.since, ...present({ clock: node.clock }) });
  if (since > earliest) return 'Part';
  return gaps.some((gap) => gap.node === name && bounds(gap).to >= earliest && bounds(gap).from < until)
    ? 'Part'
    : 'All';
}

/** Endpoints that went, or that stopped being ready. */
function goneAddresses({ endpoints }: SliceChangeStatus): ReadonlySet<string> {
  return new Set(
    endpoints
      .filter(({ was, is }) => was !== undefined && (is === undefined || (was.ready && !is.ready)))
      .map(({ address }) => comparableAddress(address)),
  );
}

function backAt(later: readonly SliceChangeStatus[], node: string, key: string): number {
  const back = later.find(({ expected }) =>
    expectedOf(expected, node).some((target) => target.present && keyOf(target) === key),
  );
  return back === undefined ? Infinity : Date.parse(back.earliest);
}

/** A RST in answer to the SYN. */
function isRefused({ kind, tcpState, isAnswered }: ConnectionEvent): boolean {
  return kind === 'Destroyed' && tcpState === 'CLOSE' && !isAnswered;
}

/** By the collector's clock. */
function bounds({
  earliest,
  latest,
  clock,
}: {
  readonly earliest: number;
  readonly latest: number;
  readonly clock?: ClockOffset;
}): { readonly from: number; readonly to: number } {
  const { milliseconds, uncertainty } = clock ?? { milliseconds: 0, uncertainty: 0 };
  return { from: earliest - milliseconds - uncertainty, to: latest - milliseconds + uncertainty };
}

const latestOf = (event: ConnectionEvent): number => bounds(event).to;

function newest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.flatMap((time) => time ?? []);
  return known.length === 0 ? undefined : known.reduce((one, other) => Math.max(one, other));
}

const timeOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));
const textOf = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(Math.ceil(time)).toISOString();

function entriesOf({ entries }: ConntrackReading, target: Target): number {
  return entries
    .filter(
      ({ protocol, address, port }) =>
        protocol.toUpperCase() === target.protocol && keyOf({ ...target, address, port }) === keyOf(target),
    )
    .reduce((sum, each) => sum + each.entries, 0);
}

function keyOf({ protocol, address, port }: Target): string {
  return `${protocol} ${comparableAddress(address)} ${String(port)}`;
}

const endpointKeyOf = ({ protocol, reply }: ConnectionEvent): string =>
  keyOf({ protocol, address: reply.source, port: reply.sourcePort });

function byWeight(one: Row, other: Row): number {
  return (
    other.opened - one.opened ||
    (other.kept ?? 0) - (one.kept ?? 0) ||
    (one.node < other.node ? -1 : Number(one.node > other.node)) ||
    (keyOf(one) < keyOf(other) ? -1 : 1)
  );
}

/** The same, with so many rows together as a status can hold; those with the fewest connections go. */
export function withBoundedConnections<Change extends Pick<SliceChangeStatus, 'connections' | 'omittedConnections'>>(
  changes: readonly Change[],
): Change[] {
  let room = keptRows;
  return [...changes]
    .reverse()
    .map((change) => {
      const kept = withFewerConnections(change, Math.min(keptRowsOfChange, room));
      room -= kept.connections?.length ?? 0;
      return kept;
    })
    .reverse();
}

/** The same with so many rows at most. */
export function withFewerConnections<Change extends Pick<SliceChangeStatus, 'connections' | 'omittedConnections'>>(
  change: Change,
  most: number,
): Change {
  const { connections = [], omittedConnections = 0 } = change;
  if (connections.length <= most) return change;
  return {
    ...change,
    connections: connections.slice(0, most),
    omittedConnections: omittedConnections + connections.length - most,
  };
}
