/** A virtual server of IPVS in plain words, a line for each of its real servers (ipvsadm(8)). */
import { hostPort } from '../net/address.ts';
import { realServerText } from '../evaluate/walk-ipvs.ts';
import type { RealServer, VirtualServer } from '../ipvs/virtual-server.ts';
import { notKnown, withPod, type Explained, type Names } from './explained.ts';
import { percent } from './sentence.ts';
import { plural } from '../lib/plural.ts';

/** @param shareOf of the new connections that the real server gets; undefined where it is not known */
export function explainVirtualServer(
  server: VirtualServer,
  names: Names,
  shareOf: (server: RealServer) => number | undefined,
): Explained {
  const {
    protocol = '',
    address,
    port,
    firewallMark,
    scheduler,
    persistence,
    persistenceMask,
    isOnePacket,
    realServers,
    others,
  } = server;
  const subject =
    firewallMark === undefined
      ? `${protocol} connections to ${address ?? ''}${port === 0 ? ', any port that no other virtual server has' : ` port ${String(port)}`}`
      : `Packets with the firewall mark ${String(firewallMark)}`;
  const words = schedulers.get(scheduler);
  const unknown = [...(words === undefined ? [`scheduler ${scheduler}`] : []), ...others];
  const extras = [
    ...(persistence === undefined
      ? []
      : [
          `a client${persistenceMask === undefined ? '' : ` (by the mask ${persistenceMask})`} stays with its real server for ${plural(persistence, 'second')}`,
        ]),
    ...(isOnePacket ? ['each packet is scheduled by itself'] : []),
    ...unknown.map(notKnown),
  ];
  const to =
    realServers.length === 0
      ? 'are refused, for it has no real server'
      : `get one of its ${String(realServers.length)} real servers as their destination: ${scheduler}, ${words ?? 'a scheduler of its own'}`;
  return {
    sentence: `${subject} are taken by IPVS, and ${to}${extras.map((each) => `; ${each}`).join('')}.`,
    lines: realServers.map((real) => explainRealServer(real, names, shareOf(real))),
    unknown,
  };
}

/** @param share of the new connections; undefined where it is not known */
export function explainRealServer(
  real: RealServer,
  names: Names,
  share: number | undefined,
): Explained['lines'][number] {
  const target = withPod(hostPort(real.address, real.port), real.address, names);
  const forward = forwards.get(real.forward) ?? notKnown(`forwarding ${real.forward}`);
  const text = realServerText(real);
  if (real.weight === 0)
    return {
      text,
      sentence: `${target} gets no new connection (weight 0, it drains); those that it has go on.`,
      share: 0,
    };
  return {
    text,
    sentence: `${share === undefined ? 'A share that is not known' : percent(share)}: to ${target}, ${forward}, weight ${String(real.weight)}.`,
    ...(share === undefined ? {} : { share }),
  };
}

const forwards: ReadonlyMap<string, string> = new Map([
  ['Masq', 'by rewriting the destination (DNAT)'],
  ['Route', 'as they are, by the route to its address'],
  ['Local', 'as they are, on this node'],
  ['Tunnel', 'wrapped in a tunnel'],
]);

/** ipvsadm(8), --scheduler. */
const schedulers: ReadonlyMap<string, string> = new Map([
  ['rr', 'in turn'],
  ['wrr', 'in turn by weight'],
  ['lc', 'to the one with the fewest connections'],
  ['wlc', 'to the one with the fewest connections for its weight'],
  ['lblc', 'to the one that the address had before, unless it has too many connections'],
  ['lblcr', 'to one of those that the address had before, unless they have too many connections'],
  ['dh', 'by a hash of the destination'],
  ['sh', 'by a hash of the source'],
  ['mh', 'by a consistent hash of the source'],
  ['sed', 'to the one with the shortest delay to expect'],
  ['nq', 'to one without connections, else to the one with the shortest delay to expect'],
  ['fo', 'to the one with the highest weight'],
  ['ovf', 'to the one with the highest weight that has room'],
  ['twos', 'to the better of two, drawn at random'],
]);
