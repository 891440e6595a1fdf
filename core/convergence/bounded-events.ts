/** Keeps a list of connections' events short: older ones are counted together, and those without room are a gap. */
import { present } from '../lib/present.ts';
import type { ConnectionEvent, ConnectionGap } from './connection-event.ts';

/** Older events are counted together where they are of one such time: first those of a second. */
const spans = [1000, 10_000, 60_000];

/** The same event without its client. */
export function withoutClient({ id: _id, zone: _zone, mark: _mark, ...event }: ConnectionEvent): ConnectionEvent {
  const { original, reply } = event;
  return {
    ...event,
    original: { destination: original.destination, destinationPort: original.destinationPort },
    reply: { source: reply.source, sourcePort: reply.sourcePort },
  };
}

/** @param most events at most; the newest half stays as it is. Every one is counted, in an event or in a gap. */
export function boundedEvents(
  events: readonly ConnectionEvent[],
  most: number,
): { readonly events: readonly ConnectionEvent[]; readonly gaps: readonly ConnectionGap[] } {
  if (events.length <= most) return { events, gaps: [] };
  const newest = events.slice(events.length - Math.floor(most / 2));
  let older: readonly ConnectionEvent[] = events.slice(0, events.length - newest.length);
  for (const span of spans) {
    older = countedTogether(older, span);
    if (older.length + newest.length <= most) return { events: [...older, ...newest], gaps: [] };
  }
  const room = most - newest.length;
  const without = older.slice(0, older.length - room);
  return {
    events: [...older.slice(older.length - room), ...newest],
    gaps: [...Map.groupBy(without, ({ node }) => node)].map(([node, gone]) => ({
      node,
      earliest: gone.reduce((least, { earliest }) => Math.min(least, earliest), Infinity),
      latest: gone.reduce((greatest, { latest }) => Math.max(greatest, latest), -Infinity),
      ...present({ clock: gone[0]?.clock }),
      dropped: gone.reduce((sum, { count }) => sum + count, 0),
    })),
  };
}

function countedTogether(events: readonly ConnectionEvent[], span: number): ConnectionEvent[] {
  const together = new Map<string, ConnectionEvent>();
  for (const each of events) {
    const event = withoutClient(each);
    const { node, kind, protocol, original, reply, tcpState, isAnswered, earliest, latest, count } = event;
    const key = JSON.stringify([
      [node, kind, protocol, original, reply, tcpState, isAnswered],
      Math.floor(latest / span),
    ]);
    const known = together.get(key);
    together.set(
      key,
      known === undefined
        ? event
        : {
            ...known,
            count: known.count + count,
            earliest: Math.min(known.earliest, earliest),
            latest: Math.max(known.latest, latest),
          },
    );
  }
  return [...together.values()];
}
