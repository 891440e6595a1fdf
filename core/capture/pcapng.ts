/** Writes pcapng (IETF draft-ietf-opsawg-pcapng): one section, an interface for each node, packets with comments. */
import { linuxSll2 } from './pcap-stream.ts';

export interface PcapngInterface {
  /** Such as the node's name. */
  readonly name: string;
  readonly description: string;
  readonly filter: string;
  readonly snapLength: number;
}

export interface PcapngPacket {
  /** Index of its interface. */
  readonly interfaceIndex: number;
  /** Microseconds since 1970. */
  readonly time: number;
  readonly length: number;
  readonly data: Uint8Array;
  readonly comment: string;
}

/** The bytes of a file, piece by piece. */
export function* printPcapng(
  application: string,
  interfaces: readonly PcapngInterface[],
  packets: Iterable<PcapngPacket>,
): Generator<Uint8Array> {
  yield block(0x0a0d0d0a, [
    // Byte-order magic, version 1.0, and an unspecified length of the section.
    ...uint32(0x1a2b3c4d),
    ...uint16(1),
    ...uint16(0),
    ...uint32(0xffffffff),
    ...uint32(0xffffffff),
    ...options([[4, text(application)]]),
  ]);
  for (const { name, description, filter, snapLength } of interfaces) {
    yield block(1, [
      ...uint16(linuxSll2),
      ...uint16(0),
      ...uint32(snapLength),
      // if_name, if_description, if_tsresol (microseconds), if_filter (0: in pcap's language).
      ...options([
        [2, text(name)],
        [3, text(description)],
        [9, [6]],
        [11, [0, ...text(filter)]],
      ]),
    ]);
  }
  for (const { interfaceIndex, time, length, data, comment } of packets) {
    yield block(6, [
      ...uint32(interfaceIndex),
      ...uint32(Math.floor(time / 2 ** 32)),
      ...uint32(time % 2 ** 32),
      ...uint32(data.length),
      ...uint32(length),
      ...padded([...data]),
      ...options([[1, text(comment)]]),
    ]);
  }
}

/** Type, length, body, length again; the body is a multiple of four bytes. */
function block(type: number, body: readonly number[]): Uint8Array {
  const length = uint32(body.length + 12);
  return Uint8Array.from([...uint32(type), ...length, ...body, ...length]);
}

function options(list: readonly (readonly [number, readonly number[]])[]): number[] {
  return [
    ...list.flatMap(([code, value]) => [...uint16(code), ...uint16(value.length), ...padded(value)]),
    ...uint32(0),
  ];
}

function padded(bytes: readonly number[]): number[] {
  return [...bytes, ...Array.from({ length: (4 - (bytes.length % 4)) % 4 }, () => 0)];
}

function text(value: string): number[] {
  return [...new TextEncoder().encode(value)];
}

/** Little-endian, as the magic says. */
function uint16(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function uint32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}
