/** Packets of a classic pcap file that comes in pieces: pcap-savefile(5). */

export interface PcapPacket {
  /** Microseconds since 1970. */
  readonly time: number;
  /** Bytes on the wire. */
  readonly length: number;
  /** What was captured of it. */
  readonly data: Uint8Array;
}

class PcapError extends Error {
  override readonly name = 'PcapError';
}

const headerBytes = 24;
const packetHeaderBytes = 16;
/** No interface has a larger packet; a larger number means that the place of a header is lost. */
const maxPacketBytes = 262_144;
/** LINKTYPE_LINUX_SLL2: what the pseudo-interface any gives, with the number of the real one. */
export const linuxSll2 = 276;

/**
 * `push` takes the next piece, and calls back for each packet that is whole by then.
 * @throws PcapError where it is not a pcap file of LINUX_SLL2
 */
export function createPcapReader(onPacket: (packet: PcapPacket) => void): { push: (chunk: Uint8Array) => void } {
  let rest = new Uint8Array(0);
  let format: { readonly littleEndian: boolean; readonly unitsPerMicrosecond: number } | undefined;
  return {
    push(chunk) {
      const bytes = new Uint8Array(rest.length + chunk.length);
      bytes.set(rest);
      bytes.set(chunk, rest.length);
      const view = new DataView(bytes.buffer);
      let at = 0;
      if (format === undefined) {
        if (bytes.length < headerBytes) {
          rest = bytes;
          return;
        }
        format = readHeader(view);
        at = headerBytes;
      }
      const { littleEndian, unitsPerMicrosecond } = format;
      while (bytes.length - at >= packetHeaderBytes) {
        const captured = view.getUint32(at + 8, littleEndian);
        if (captured > maxPacketBytes) throw new PcapError(`a packet of ${String(captured)} bytes is none`);
        const end = at + packetHeaderBytes + captured;
        if (bytes.length < end) break;
        onPacket({
          time:
            view.getUint32(at, littleEndian) * 1_000_000 +
            Math.floor(view.getUint32(at + 4, littleEndian) / unitsPerMicrosecond),
          length: view.getUint32(at + 12, littleEndian),
          data: bytes.slice(at + packetHeaderBytes, end),
        });
        at = end;
      }
      rest = bytes.slice(at);
    },
  };
}

/** The magic number, as it is read with little-endian bytes, shows the order of bytes and the unit of the fraction. */
const magics = new Map([
  [0xa1b2c3d4, { littleEndian: true, unitsPerMicrosecond: 1 }],
  [0xd4c3b2a1, { littleEndian: false, unitsPerMicrosecond: 1 }],
  [0xa1b23c4d, { littleEndian: true, unitsPerMicrosecond: 1000 }],
  [0x4d3cb2a1, { littleEndian: false, unitsPerMicrosecond: 1000 }],
]);

function readHeader(view: DataView): { readonly littleEndian: boolean; readonly unitsPerMicrosecond: number } {
  const format = magics.get(view.getUint32(0, true));
  if (format === undefined) throw new PcapError('it does not begin as a pcap file does');
  const linkType = view.getUint32(20, format.littleEndian) & 0xffff;
  if (linkType !== linuxSll2) throw new PcapError(`its link type is ${String(linkType)}, not LINUX_SLL2`);
  return format;
}
