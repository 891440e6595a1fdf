/** Entries of Cilium's maps as bytes: `struct lb4_key` and the others of bpf/lib/lb.h, common.h and eps.h. */
import { protocolNumbers, struct, type DumpedEntry, type DumpedProtocol, type Field } from './map-bytes.ts';

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
      ['u8', protocolNumbers[protocol]],
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
    ['u8', protocolNumbers[protocol]],
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
