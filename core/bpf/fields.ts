/** Fields of an entry of a map, by their place. Hosts are little-endian: the datapaths that are read run on no others. */
import { addressText } from '../net/address.ts';

export function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** Two bytes in network order, as ports are kept. */
export function networkShort(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at) << 8) | byteAt(bytes, at + 1);
}

export function hostShort(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at + 1) << 8) | byteAt(bytes, at);
}

export function hostInt(bytes: Uint8Array, at: number): number {
  return hostShort(bytes, at + 2) * 0x1_0000 + hostShort(bytes, at);
}

/** The address in its canonical text. @param length 4 or 16 bytes */
export function addressAt(bytes: Uint8Array, at: number, length: 4 | 16): string {
  let value = 0n;
  for (const byte of bytes.subarray(at, at + length)) value = (value << 8n) | BigInt(byte);
  return addressText(value, length === 4 ? 32 : 128);
}
