/** Entries of maps of eBPF as bytes, field by field: written independently of the decoders, so that a wrong offset of either is seen. */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';

export interface DumpedEntry {
  readonly key: readonly string[];
  readonly value: readonly string[];
}

/** Of bytes as tools print them: `0a 60 00 0a`. */
export const hex = (text: string): string[] => text.split(' ').map((byte) => `0x${byte}`);

/** The bytes with another one at that place. */
export const withByte = (bytes: readonly string[], at: number, byte: string): string[] =>
  bytes.map((each, index) => (index === at ? byte : each));

/** An address of either family. */
export const anyAddress = fc.oneof(
  fc.ipV4(),
  fc
    .array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.map((each) => each.toString(16)).join(':')),
);
export const anyPort = fc.integer({ min: 0, max: 65535 });

export type Field =
  | readonly ['address', string]
  /** Two bytes, the higher first. */
  | readonly ['be16', number]
  | readonly ['u8' | 'u16' | 'u32' | 'u64', number]
  /** An address in a field of so many bytes, zeros behind it. */
  | readonly ['padded', string, number];

/** A structure's fields one after the other, without gaps: a padding is a field of its own. */
export function struct(...fields: readonly Field[]): string[] {
  return fields
    .flatMap((field): number[] => {
      switch (field[0]) {
        case 'address':
          return ipaddr.parse(field[1]).toByteArray();
        case 'padded': {
          const bytes = ipaddr.parse(field[1]).toByteArray();
          return [...bytes, ...Array.from({ length: field[2] - bytes.length }, () => 0)];
        }
        case 'be16':
          return [field[1] >>> 8, field[1] & 0xff];
        case 'u8':
        case 'u16':
        case 'u32':
        case 'u64': {
          const view = new DataView(new ArrayBuffer(8));
          view.setBigUint64(0, BigInt(field[1]), true);
          const size = { u8: 1, u16: 2, u32: 4, u64: 8 }[field[0]];
          return Array.from({ length: size }, (_, at) => view.getUint8(at));
        }
      }
    })
    .map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);
}

export const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132, ANY: 0 } as const;
export type DumpedProtocol = keyof typeof protocolNumbers;
