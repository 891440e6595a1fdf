/** Addresses and ports in the entries of a legacy table: in the byte order of the network. */
import { addressText } from '../../net/address.ts';

export function ipv4Text(bytes: Buffer, at: number): string {
  return `${String(bytes[at])}.${String(bytes[at + 1])}.${String(bytes[at + 2])}.${String(bytes[at + 3])}`;
}

/** As inet_ntop of the C library prints it: what holds an IPv4 address ends with it. */
export function networkAddressText(bytes: Buffer, at: number, length: 4 | 16): string {
  if (length === 4) return ipv4Text(bytes, at);
  const hex = bytes.toString('hex', at, at + 16);
  if (/^0{20}ffff/.test(hex)) return `::ffff:${ipv4Text(bytes, at + 12)}`;
  if (/^0{24}(?!0000)/.test(hex)) return `::${ipv4Text(bytes, at + 12)}`;
  return addressText(BigInt(`0x${hex}`), 128);
}

export function portAt(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at);
}

/** How many bits a mask has from its first on; undefined where others follow. */
export function prefixLength(mask: Buffer): number | undefined {
  let bits = 0;
  let isOver = false;
  for (const byte of mask) {
    const ones = Math.clz32(~(byte << 24));
    if (isOver ? byte !== 0 : (byte << ones) & 0xff) return undefined;
    bits += isOver ? 0 : ones;
    isOver ||= ones < 8;
  }
  return bits;
}
