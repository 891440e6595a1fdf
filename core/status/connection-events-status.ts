/** Of the events of connections, what a status shows: the last ones, what is missing, and which nodes report none. */
import type { ConnectionEventsStatus, ConnectionEventStatus } from '../api/service-trace.ts';
import type { ConnectionEvent, ConnectionGap, ConnectionRecords } from '../convergence/connection-event.ts';
import { boundedText } from '../lib/bounded-text.ts';
import { present } from '../lib/present.ts';

const maxRecent = 50;
const maxGaps = 20;
const maxNames = 50;
const maxReasons = 10;

export function connectionEventsStatus(records: ConnectionRecords | undefined): ConnectionEventsStatus | undefined {
  if (records === undefined) return undefined;
  const followed = records.nodes.filter((node) => 'since' in node);
  const reasons = Map.groupBy(
    records.nodes.flatMap((node) => ('notFollowed' in node ? [node] : [])),
    ({ notFollowed }) => notFollowed,
  );
  return {
    followedNodes: followed.length,
    notFollowed: [...reasons].slice(0, maxReasons).map(([reason, nodes]) => ({
      reason: boundedText(reason),
      count: nodes.length,
      nodes: nodes.slice(0, maxNames).map(({ node }) => node),
    })),
    gaps: records.gaps.slice(-maxGaps).map((gap) => {
      const { earliest, latest } = timesOf(gap);
      return { node: gap.node, from: earliest, to: latest, ...present({ dropped: gap.dropped }) };
    }),
    recent: records.events.slice(-maxRecent).map(eventStatus),
  };
}

function eventStatus(event: ConnectionEvent): ConnectionEventStatus {
  const { node, kind, count, protocol, original, reply, tcpState, isAnswered } = event;
  return {
    node,
    kind,
    ...timesOf(event),
    count,
    protocol,
    ...present({ client: original.source, clientPort: original.sourcePort }),
    address: original.destination,
    port: original.destinationPort,
    endpoint: reply.source,
    endpointPort: reply.sourcePort,
    ...present({ tcpState }),
    isAnswered,
  };
}

/** By the collector's clock. */
function timesOf({ earliest, latest, clock }: ConnectionEvent | ConnectionGap): { earliest: string; latest: string } {
  const { milliseconds, uncertainty } = clock ?? { milliseconds: 0, uncertainty: 0 };
  return {
    earliest: new Date(Math.floor(earliest - milliseconds - uncertainty)).toISOString(),
    latest: new Date(Math.ceil(latest - milliseconds + uncertainty)).toISOString(),
  };
}
