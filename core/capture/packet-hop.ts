/** Where a captured packet of a Service is on its path: which side of DNAT, which direction, on which interface. */
import { hostPort, isSameAddress } from '../net/address.ts';
import ipaddr from 'ipaddr.js';
import type { CapturePlace } from './request.ts';
import { serviceProtocol } from '../net/ip-protocol.ts';

export interface PacketHeader {
  readonly interfaceIndex: number;
  readonly direction: 'in' | 'out';
  readonly source: string;
  readonly destination: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/**
 * Reads a packet with its header of LINUX_SLL2: protocol (2 bytes), reserved (2), interface (4), ARPHRD (2), type (1),
 * length of the address (1), address (8); type 4 is one that the node sends (packet(7), PACKET_OUTGOING).
 * @returns undefined where it is cut, a fragment without ports, or of another protocol
 */
export function readPacketHeader(data: Uint8Array): PacketHeader | undefined {
  if (data.length < 40) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const base = {
    interfaceIndex: view.getUint32(4),
    direction: view.getUint8(10) === 4 ? ('out' as const) : ('in' as const),
  };
  const etherType = view.getUint16(0);
  const packet = etherType === 0x0800 ? readIpv4(view) : etherType === 0x86dd ? readIpv6(view) : undefined;
  if (packet === undefined) return undefined;
  const protocol = serviceProtocol(packet.protocol);
  if (protocol === undefined || data.length < packet.payload + 4) return undefined;
  return {
    ...base,
    source: packet.source,
    destination: packet.destination,
    protocol,
    sourcePort: view.getUint16(packet.payload),
    destinationPort: view.getUint16(packet.payload + 2),
  };
}

const headerBytes = 20;

interface NetworkHeader {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Where the transport's header begins. */
  readonly payload: number;
}

function readIpv4(view: DataView): NetworkHeader | undefined {
  const isLaterFragment = (view.getUint16(headerBytes + 6) & 0x1fff) !== 0;
  if (isLaterFragment) return undefined;
  const address = (at: number): string => ipaddr.fromByteArray(bytesAt(view, headerBytes + at, 4)).toString();
  return {
    source: address(12),
    destination: address(16),
    protocol: view.getUint8(headerBytes + 9),
    payload: headerBytes + (view.getUint8(headerBytes) & 0xf) * 4,
  };
}

/** Without extension headers, which the filter does not let through either. */
function readIpv6(view: DataView): NetworkHeader | undefined {
  if (view.byteLength < headerBytes + 40) return undefined;
  const address = (at: number): string => ipaddr.fromByteArray(bytesAt(view, headerBytes + at, 16)).toString();
  return {
    source: address(8),
    destination: address(24),
    protocol: view.getUint8(headerBytes + 6),
    payload: headerBytes + 40,
  };
}

function bytesAt(view: DataView, at: number, length: number): number[] {
  return Array.from({ length }, (_, index) => view.getUint8(at + index));
}

/** Descriptions of packets, in the order of their times: a client is remembered by its address and port. */
export interface HopDescriber {
  /** `node-a eth0 in: client 10.244.1.9:40000 to ClusterIP 10.96.0.7:80, before DNAT` */
  describe(node: string, interfaceName: string, header: PacketHeader | undefined): string;
}

/** @param nodeAddresses of all nodes: a NodePort is asked on one of them */
export function createHopDescriber(
  places: readonly CapturePlace[],
  nodeAddresses: readonly string[],
  podOf: (address: string) => string | undefined,
): HopDescriber {
  const before = new Set<string>();
  const placeOf = (protocol: string, address: string, port: number): CapturePlace | undefined =>
    places.find(
      (place) =>
        place.port === port &&
        place.protocol === protocol &&
        (place.address === undefined
          ? nodeAddresses.some((own) => isSameAddress(own, address))
          : isSameAddress(place.address, address)),
    );
  const name = (place: CapturePlace, address: string, port: number): string => {
    const pod = place.hop === 'Endpoint' ? podOf(address) : undefined;
    return `${place.hop === 'Endpoint' ? 'endpoint' : place.hop} ${hostPort(address, port)}${pod === undefined ? '' : ` (pod ${pod})`}`;
  };
  return {
    describe(node, interfaceName, header) {
      const where = `${node} ${interfaceName}`;
      if (header === undefined) return `${where}: not understood, cut or a fragment`;
      const { direction, source, sourcePort, destination, destinationPort, protocol } = header;
      const to = placeOf(protocol, destination, destinationPort);
      const from = placeOf(protocol, source, sourcePort);
      const start = `${where} ${direction}: `;
      if (to !== undefined) {
        const client = `${protocol} ${hostPort(source, sourcePort)}`;
        if (to.hop !== 'Endpoint') before.add(client);
        const side =
          to.hop !== 'Endpoint'
            ? 'before DNAT'
            : before.has(client)
              ? 'after DNAT'
              : 'after DNAT (its source too may be another), or sent to the endpoint itself';
        return `${start}client ${hostPort(source, sourcePort)} to ${name(to, destination, destinationPort)}, ${side}`;
      }
      if (from !== undefined) {
        const side = from.hop === 'Endpoint' ? 'answer, before DNAT is undone' : 'answer, after DNAT was undone';
        return `${start}${name(from, source, sourcePort)} to client ${hostPort(destination, destinationPort)}, ${side}`;
      }
      return `${start}${hostPort(source, sourcePort)} to ${hostPort(destination, destinationPort)}`;
    },
  };
}
