/**
 * Entries of Cilium's maps as bytes, field by field at the offsets of `struct lb4_key` and the others (bpf/lib/lb.h, common.h,
 * eps.h): written independently of the decoder, so that a wrong offset of either is seen.
 */
import ipaddr from 'ipaddr.js';

export interface DumpedEntry {
  readonly key: readonly string[];
  readonly value: readonly string[];
}

type Field =
  | readonly ['address', string]
  /** Two bytes, the higher first. */
  | readonly ['be16', number]
  | readonly ['u8' | 'u16' | 'u32' | 'u64', number]
  /** An address in a field of so many bytes, zeros behind it. */
  | readonly ['padded', string, number];

/** A structure's fields one after the other, without gaps: each of Cilium's has its padding written out. */
function struct(...fields: readonly Field[]): string[] {
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

const numbers = { TCP: 6, UDP: 17, SCTP: 132, ANY: 0 } as const;
export type DumpedProtocol = keyof typeof numbers;

export interface ServiceEntry {
  readonly address: string;
  readonly port: number;
  readonly protocol?: DumpedProtocol;
  readonly slot?: number;
  readonly internal?: boolean;
  /** Of slot 0: algorithm << 24 | seconds of affinity; of others the backend's id. */
  readonly union?: number;
  readonly count?: number;
  readonly id?: number;
  readonly flags?: number;
  readonly flags2?: number;
  readonly quarantined?: number;
}

/** struct lb4_key or lb6_key, and struct lb4_service. */
export function serviceEntry({
  address,
  port,
  protocol = 'TCP',
  slot = 0,
  internal = false,
  union = 0,
  count = 0,
  id = 1,
  flags = 0,
  flags2 = 0,
  quarantined = 0,
}: ServiceEntry): DumpedEntry {
  return {
    key: struct(
      ['address', address],
      ['be16', port],
      ['u16', slot],
      ['u8', numbers[protocol]],
      ['u8', internal ? 1 : 0],
      ['u16', 0],
    ),
    value: struct(['u32', union], ['u16', count], ['be16', id], ['u8', flags], ['u8', flags2], ['u16', quarantined]),
  };
}

/** A frontend with its slots, which have its flags, as the agent writes them. */
export function frontendEntries(frontend: ServiceEntry, backends: readonly number[]): DumpedEntry[] {
  return [
    serviceEntry({ count: backends.length, ...frontend }),
    ...backends.map((union, index) => serviceEntry({ ...frontend, count: 0, quarantined: 0, slot: index + 1, union })),
  ];
}

export interface BackendEntry {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly protocol?: DumpedProtocol;
  readonly state?: number;
  readonly cluster?: number;
}

/** struct lb4_backend or lb6_backend; @param version 2 was without cluster_id, zone and padding */
export function backendEntry(
  { id, address, port, protocol = 'TCP', state = 0, cluster = 0 }: BackendEntry,
  version: 2 | 3 = 3,
): DumpedEntry {
  const common: Field[] = [
    ['address', address],
    ['be16', port],
    ['u8', numbers[protocol]],
    ['u8', state],
  ];
  return {
    key: struct(['u32', id]),
    value: version === 2 ? struct(...common) : struct(...common, ['u16', cluster], ['u8', 0], ['u8', 0]),
  };
}

/** struct lb4_src_range_key: the prefix counts the id and its padding, too. */
export function sourceRangeEntry(id: number, network: string, length: number): DumpedEntry {
  return { key: struct(['u32', length + 32], ['be16', id], ['u16', 0], ['address', network]), value: ['0x00'] };
}

/** struct lb4_reverse_nat, packed. */
export function reverseNatEntry(id: number, address: string, port: number): DumpedEntry {
  return { key: struct(['be16', id]), value: struct(['address', address], ['be16', port]) };
}

/** struct lb_affinity_match. */
export function affinityMatchEntry(id: number, backend: number): DumpedEntry {
  return { key: struct(['u32', backend], ['be16', id], ['u16', 0]), value: ['0x00'] };
}

/** struct lb4_affinity_key and struct lb_affinity_val. */
export function affinityEntry(id: number, client: string, backend: number, byNamespace = false): DumpedEntry {
  return {
    key: struct(
      ['padded', client, client.includes(':') ? 16 : 8],
      ['be16', id],
      ['u8', byNamespace ? 1 : 0],
      ['u8', 0],
      ['u32', 0],
    ),
    value: struct(['u64', 1_234_567], ['u32', backend], ['u32', 0]),
  };
}

/** The outer map of Maglev; of the inner one its id alone. */
export function maglevEntry(id: number): DumpedEntry {
  return { key: struct(['be16', id]), value: struct(['u32', 77]) };
}

/** struct endpoint_key, packed, and struct endpoint_info. */
export function endpointEntry(address: string, isHost = false): DumpedEntry {
  return {
    key: struct(['padded', address, 16], ['u8', address.includes(':') ? 2 : 1], ['u8', 0], ['u16', 0]),
    value: struct(
      ['u32', 12],
      ['u16', 0],
      ['u16', 345],
      ['u32', isHost ? 1 : 0],
      ['u32', 0],
      ['u64', 0x0102_0304_0506],
      ['u64', 0x0102_0304_0507],
      ['u32', 4321],
      ['u32', 0],
      ['u64', 0],
    ),
  };
}

export const serviceFlag = {
  externalIP: 1,
  nodePort: 2,
  externalLocal: 4,
  hostPort: 8,
  affinity: 16,
  loadBalancer: 32,
  routable: 64,
  sourceRange: 128,
} as const;
export const serviceFlag2 = {
  nat46x64: 2,
  l7: 4,
  delegateOrLoopback: 8,
  internalLocal: 16,
  twoScopes: 32,
  rangeDenied: 64,
  dsr: 128,
} as const;
