/** Connections' events as text, for every view that shows them. */
import type { ConnectionEventsStatus, ConnectionEventStatus } from '../api/service-trace.ts';
import { plural } from '../lib/plural.ts';
import { hostPort } from '../net/address.ts';

/** `new tcp 10.244.0.5:40112 to 10.96.0.7:80, sent to 10.244.1.7:8080`; of several, how many. */
export function connectionText(event: ConnectionEventStatus): string {
  const { count, protocol, client, clientPort = 0, address, port, endpoint, endpointPort } = event;
  const who = client === undefined ? '' : ` ${hostPort(client, clientPort)} to`;
  const times = count === 1 ? '' : `${String(count)} `;
  return `${times}${kindText(event)} ${protocol.toLowerCase()}${who} ${hostPort(address, port)}, sent to ${hostPort(endpoint, endpointPort)}`;
}

function kindText({ kind, tcpState, isAnswered }: ConnectionEventStatus): string {
  switch (kind) {
    case 'New':
      return 'new';
    case 'Answered':
      return 'answered';
    case 'Reset':
      return 'reset';
    case 'Destroyed':
      if (tcpState === 'CLOSE' && !isAnswered) return 'refused';
      return `gone${tcpState === undefined ? '' : ` (${tcpState})`}${isAnswered ? '' : ', unanswered'}`;
  }
}

/** What is known of all nodes; of the missing events, those that are counted. */
export function connectionEventsText({ followedNodes, notFollowed, gaps }: ConnectionEventsStatus): string {
  const dropped = gaps.reduce((sum, gap) => sum + (gap.dropped ?? 0), 0);
  const isUnknown = gaps.some((gap) => gap.dropped === undefined);
  const missing =
    gaps.length === 0
      ? ''
      : `; ${dropped > 0 ? plural(dropped, 'event') : ''}${dropped > 0 && isUnknown ? ' and ' : ''}${isUnknown ? 'an unknown number of events' : ''} dropped`;
  const others = notFollowed.map(
    ({ reason, count, nodes }) => `; not on ${count === 1 ? (nodes[0] ?? 'one') : plural(count, 'node')}: ${reason}`,
  );
  return `connections are followed on ${plural(followedNodes, 'node')}${missing}${others.join('')}`;
}
