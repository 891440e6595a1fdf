/**
 * Which virtual server of IPVS takes a new connection, and to which real servers it may go.
 *
 * Where it stands among netfilter's hooks (ip_vs_ops in net/netfilter/ipvs/ip_vs_core.c):
 * - LOCAL_IN at NF_IP_PRI_NAT_SRC - 1 (99), for packets from pods and from outside: behind mangle and filter INPUT,
 *   before nat INPUT. The packet gets there only because routing finds the virtual address on the node itself
 *   (kube-proxy's kube-ipvs0), so PREROUTING of raw, mangle and nat has been walked before, and filter FORWARD is not.
 * - LOCAL_OUT at NF_IP_PRI_NAT_DST + 2 (-98), for packets of the node itself: behind raw, mangle and nat OUTPUT,
 *   before filter OUTPUT.
 * A packet that is scheduled by NAT (Masq) gets its new destination there and goes on through LOCAL_OUT (filter
 * OUTPUT among it) and POSTROUTING, where kube-proxy's KUBE-POSTROUTING masquerades it: net.ipv4.vs.conntrack, which
 * kube-proxy sets, keeps its conntrack entry. IPVS takes no part in a packet twice (ipvs_property).
 */
import { isSameAddress } from '../net/address.ts';
import { familyOf, type Protocol } from '../net/family.ts';
import type { RealServer, VirtualServer } from '../ipvs/virtual-server.ts';
import type { ChosenBy } from './share.ts';

/** The first packet of a connection, as it comes to IPVS's hook. */
export interface IpvsPacket {
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: Protocol;
  /** The packet's mark at that point; a server of a firewall mark takes it before any other. */
  readonly mark: number;
}

/** A real server that may get the connection. */
export interface IpvsCandidate {
  readonly realServer: RealServer;
  readonly address: string;
  /** The real server's, or the packet's own where that is 0. */
  readonly port: number;
  /** Its exact share of new connections; absent where the scheduler's choice depends on state or a hash. */
  readonly probability?: number;
}

/**
 * - passed: no virtual server takes it. It goes on as IPVS had not been there: to the node's own sockets, where the
 *   address is the node's (a closed port answers with a reset, a process of the host's network that listens on all
 *   addresses takes it).
 * - refused: its virtual server has no real server for it: ip_vs_leave drops the packet and sends ICMP port
 *   unreachable, for TCP too.
 * - scheduled: one of the candidates gets it. With mayRefuse, some clients are refused instead.
 */
export type IpvsOutcome =
  | { readonly kind: 'passed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly virtualServer: VirtualServer; readonly reason: string }
  | {
      readonly kind: 'scheduled';
      readonly virtualServer: VirtualServer;
      readonly candidates: readonly IpvsCandidate[];
      readonly mayRefuse: boolean;
      /** What decides among candidates without a share; absent where each has one. */
      readonly chosenBy?: ChosenBy;
      /** What the shares depend on; absent where they are exact and hold for every new connection. */
      readonly reason?: string;
    };

/** Follows ip_vs_service_find, ip_vs_schedule and ip_vs_leave of the kernel. */
export function scheduleIpvs(virtualServers: readonly VirtualServer[], packet: IpvsPacket): IpvsOutcome {
  const virtualServer = findVirtualServer(virtualServers, packet);
  const target = `${packet.destination} port ${packet.destinationPort}/${packet.protocol.toLowerCase()}`;
  if (virtualServer === undefined) return { kind: 'passed', reason: `no virtual server of IPVS is for ${target}` };
  const isPersistent = virtualServer.persistence !== undefined || virtualServer.persistenceTicks !== undefined;
  if (virtualServer.firewallMark === undefined && virtualServer.port !== packet.destinationPort && !isPersistent) {
    // FTP's data connections come to the server of port 21; they are let through where they are not its business.
    if (virtualServer.port === ftpPort)
      return { kind: 'passed', reason: `the virtual server of FTP leaves ${target} alone` };
    return {
      kind: 'refused',
      virtualServer,
      reason: 'a virtual server of all ports schedules nothing without persistence',
    };
  }
  const usable = virtualServer.realServers.filter(({ weight }) => weight > 0);
  if (usable.length === 0) {
    const count = virtualServer.realServers.length;
    return {
      kind: 'refused',
      virtualServer,
      reason: count === 0 ? 'the virtual server has no real server' : `all ${count} real servers have weight 0`,
    };
  }
  const { shares, chosenBy, mayRefuse, reason } = chooseBy(virtualServer, usable);
  const reasons = [
    reason,
    isPersistent ? 'a client that came before stays with its real server while the persistence lasts' : undefined,
  ].filter((text) => text !== undefined);
  return {
    kind: 'scheduled',
    virtualServer,
    candidates: usable.flatMap((realServer, index) => {
      const probability = shares?.[index];
      if (probability === 0) return [];
      const port = realServer.port === 0 ? packet.destinationPort : realServer.port;
      return [{ realServer, address: realServer.address, port, ...(probability === undefined ? {} : { probability }) }];
    }),
    mayRefuse,
    ...(chosenBy === undefined ? {} : { chosenBy }),
    ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
  };
}

const ftpPort = 21;
const ftpDataPort = 20;
/** Ports below are the system's own (net.ipv4.ip_unprivileged_port_start). */
const firstFreePort = 1024;

/** In this order: the firewall mark, the exact port, FTP's data connections, the server of all ports. */
function findVirtualServer(
  virtualServers: readonly VirtualServer[],
  { destination, destinationPort, protocol, mark }: IpvsPacket,
): VirtualServer | undefined {
  if (mark !== 0) {
    const marked = virtualServers.find((server) => server.firewallMark === mark && isOfMark(server, destination));
    if (marked !== undefined) return marked;
  }
  const same = virtualServers.filter(
    (server) =>
      server.protocol === protocol && server.address !== undefined && isSameAddress(server.address, destination),
  );
  const ofPort = (port: number): VirtualServer | undefined => same.find((server) => server.port === port);
  const mayBeFtpData = protocol === 'TCP' && (destinationPort === ftpDataPort || destinationPort >= firstFreePort);
  return ofPort(destinationPort) ?? (mayBeFtpData ? ofPort(ftpPort) : undefined) ?? ofPort(0);
}

/** Whether the server takes packets by their mark, and of the destination's family. */
export function isOfMark(server: VirtualServer, destination: string): boolean {
  const family = familyOf(destination);
  return server.firewallMark !== undefined && (server.family ?? familyOfRealServers(server) ?? family) === family;
}

/** /proc/net/ip_vs does not say the family of a firewall mark; its real servers may. */
function familyOfRealServers({ realServers: [first] }: VirtualServer): ReturnType<typeof familyOf> | undefined {
  return first === undefined ? undefined : familyOf(first.address);
}

interface Choice {
  /** For each usable real server, in order; absent where they are not known. */
  readonly shares?: readonly number[];
  /** Absent where there are shares. */
  readonly chosenBy?: ChosenBy;
  readonly mayRefuse: boolean;
  readonly reason?: string;
}

/** Schedulers that take the least loaded: the load is the kernel's count of connections at that moment. */
const byLoad = new Set(['lc', 'wlc', 'sed', 'nq', 'ovf', 'twos']);
/** Schedulers that keep a client or a destination on one server by a hash. */
const byHash = new Map<string, { readonly of: string; readonly chosenBy: ChosenBy }>([
  ['sh', { of: "the client's address", chosenBy: 'ClientHash' }],
  ['dh', { of: 'the destination address', chosenBy: 'DestinationHash' }],
  ['mh', { of: "the client's address", chosenBy: 'ClientHash' }],
]);
/** Schedulers that remember for a destination where it went. */
const byMemory = new Set(['lblc', 'lblcr']);
/** Schedulers of byLoad that take another one than the least loaded: ovf fills the heaviest first, twos draws two at random. */
const byLoadOfSome = new Set(['ovf', 'twos']);

function chooseBy({ scheduler, schedulerFlags, realServers }: VirtualServer, usable: readonly RealServer[]): Choice {
  const overload = realServers.some(({ others }) =>
    others.some((option) => /^(-x|-y|--u-threshold|--l-threshold) /.test(option)),
  );
  if (overload)
    return {
      chosenBy: 'Unknown',
      mayRefuse: true,
      reason: 'real servers have thresholds of connections, and one that is over its own gets none',
    };
  const hashed = byHash.get(scheduler);
  if (hashed !== undefined) {
    // Weight 0 keeps its places in the table (ip_vs_sh_reassign; last_weight in ip_vs_mh.c), and who falls on one is refused.
    const hasDrained = usable.length < realServers.length;
    const hasFallback = schedulerFlags.some((flag) => flag.endsWith('-fallback'));
    const mayRefuse = hasDrained && !hasFallback;
    const reason = `${scheduler} chooses by a hash of ${hashed.of}${mayRefuse ? ', and clients whose hash falls on a real server of weight 0 are refused' : ''}`;
    return usable.length === 1 && !mayRefuse
      ? { shares: [1], mayRefuse }
      : { chosenBy: hashed.chosenBy, mayRefuse, reason };
  }
  if (usable.length === 1) return { shares: [1], mayRefuse: false };
  switch (scheduler) {
    case 'rr':
      return { shares: usable.map(() => 1 / usable.length), mayRefuse: false };
    case 'wrr': {
      const sum = usable.reduce((total, { weight }) => total + weight, 0);
      return { shares: usable.map(({ weight }) => weight / sum), mayRefuse: false };
    }
    case 'fo': {
      const highest = Math.max(...usable.map(({ weight }) => weight));
      const atTop = usable.filter(({ weight }) => weight === highest);
      if (atTop.length === 1)
        return { shares: usable.map(({ weight }) => (weight === highest ? 1 : 0)), mayRefuse: false };
      return {
        chosenBy: 'Unknown',
        mayRefuse: false,
        reason: 'fo takes the first real server of the highest weight, and several have it',
      };
    }
    default:
      return {
        chosenBy:
          (byLoad.has(scheduler) && !byLoadOfSome.has(scheduler)) || byMemory.has(scheduler)
            ? 'LeastConnections'
            : 'Unknown',
        mayRefuse: false,
        reason: reasonOf(scheduler),
      };
  }
}

function reasonOf(scheduler: string): string {
  if (byLoad.has(scheduler)) return `${scheduler} chooses by the connections that each real server has at that moment`;
  if (byMemory.has(scheduler))
    return `${scheduler} chooses by where earlier connections to the same destination went, and by load`;
  return `how the scheduler ${scheduler} chooses is not known`;
}
