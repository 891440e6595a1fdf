/** Entries of Calico's maps as bytes: `struct calico_nat_key` and the others of felix/bpf-gpl/nat_types.h and routes.h. */
import { protocolNumbers, struct, type DumpedEntry } from './map-bytes.ts';

type ServiceProtocol = 'TCP' | 'UDP' | 'SCTP';
const lengthOf = (address: string): number => (address.includes(':') ? 16 : 4);

export interface CalicoFrontendEntry {
  readonly address: string;
  readonly port: number;
  readonly protocol?: ServiceProtocol;
  /** A network of clients, and the length of its prefix. */
  readonly clients?: readonly [string, number];
  readonly id?: number;
  readonly count?: number;
  readonly local?: number;
  readonly affinity?: number;
  readonly flags?: number;
}

/** struct calico_nat_key, packed: the prefix counts the destination, its port and its protocol, too; and struct calico_nat_value. */
export function frontendEntry({
  address,
  port,
  protocol = 'TCP',
  clients = [address.includes(':') ? '::' : '0.0.0.0', 0],
  id = 1,
  count = 0,
  local = 0,
  affinity = 0,
  flags = 0,
}: CalicoFrontendEntry): DumpedEntry {
  return {
    key: struct(
      ['u32', 8 * (lengthOf(address) + 2 + 1) + clients[1]],
      ['address', address],
      ['u16', port],
      ['u8', protocolNumbers[protocol]],
      ['address', clients[0]],
      ['u8', 0],
    ),
    value: struct(['u32', id], ['u32', count], ['u32', local], ['u32', affinity], ['u32', flags]),
  };
}

/** struct calico_nat_secondary_key and struct calico_nat_dest. */
export function natBackendEntry(id: number, ordinal: number, address: string, port: number): DumpedEntry {
  return {
    key: struct(['u32', id], ['u32', ordinal]),
    value: struct(['address', address], ['u16', port], ['u16', 0]),
  };
}

/** Flags of struct cali_rt. */
export const routeFlag = { workload: 4, local: 8, host: 16 } as const;

/** struct cali_rt_key and struct cali_rt, whose next hop is as long as an address. */
export function routeEntry(network: string, length: number, flags: number): DumpedEntry {
  return {
    key: struct(['u32', length], ['address', network]),
    value: struct(['u32', flags], ['address', network.includes(':') ? '::' : '0.0.0.0']),
  };
}

/** struct calico_nat_affinity_key and struct calico_nat_affinity_val, whose time is aligned to 8 bytes. */
export function natAffinityEntry(
  frontend: { readonly address: string; readonly port: number; readonly protocol?: ServiceProtocol },
  client: string,
  backend: { readonly address: string; readonly port: number },
): DumpedEntry {
  const { address, port, protocol = 'TCP' } = frontend;
  return {
    key: struct(
      ['address', address],
      ['u16', port],
      ['u8', protocolNumbers[protocol]],
      ['u8', 0],
      ['address', client],
      ['u32', 0],
    ),
    value: struct(
      ['address', backend.address],
      ['u16', backend.port],
      ['u16', 0],
      ...(lengthOf(address) === 16 ? ([['u32', 0]] as const) : []),
      ['u64', 1_234_567],
    ),
  };
}

export const natFlag = { externalLocal: 1, internalLocal: 2, excluded: 4, maglev: 8 } as const;
export const dropCount = 0xffff_ffff;
