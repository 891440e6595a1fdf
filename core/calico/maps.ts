/** What Calico's eBPF datapath has of Services on one node: its NAT maps and routes, decoded (felix/bpf-gpl/nat_types.h, routes.h). */
import type { Family, Protocol } from '../net/family.ts';

/** Maps of one machine. A map that was not dumped is absent, and nothing is known of what it holds. */
export interface CalicoMaps {
  /** The maps that were read, by the names of their pins. */
  readonly names: readonly string[];
  readonly IPv4: CalicoFamilyMaps;
  readonly IPv6: CalicoFamilyMaps;
}

export interface CalicoFamilyMaps {
  readonly frontends?: readonly CalicoFrontend[];
  /** Backends by the frontend's id, then by their ordinal. */
  readonly backends?: ReadonlyMap<number, ReadonlyMap<number, CalicoBackend>>;
  readonly routes?: readonly CalicoRoute[];
  /** The backend to which a client was sent last, by clientKey. */
  readonly clients?: ReadonlyMap<string, CalicoBackend>;
}

/** How packets to a frontend are treated (NAT_FLG_*). */
export type CalicoFlag = 'externalTrafficPolicy Local' | 'internalTrafficPolicy Local' | 'excluded' | 'Maglev';

/** An entry of cali_v4_nat_fe3: of one address, one port and the clients of one network. */
export interface CalicoFrontend {
  /** 255.255.255.255, or all ones, of a NodePort for addresses of all nodes. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** The clients that it is for: the longest prefix wins. */
  readonly clients: string;
  readonly id: number;
  /** Ordinals below it get connections; Drop for clients that are not in the source ranges. */
  readonly count: number | 'Drop';
  /** Ordinals below it are this node's own. */
  readonly local: number;
  readonly affinitySeconds: number;
  readonly flags: ReadonlySet<CalicoFlag>;
}

export interface CalicoBackend {
  readonly address: string;
  readonly port: number;
}

/** An entry of cali_v4_routes: whose the addresses of a network are. */
export interface CalicoRoute {
  readonly network: string;
  /** Of this node. */
  readonly isLocal: boolean;
  readonly isHost: boolean;
  readonly isWorkload: boolean;
}

/** @param address of the frontend as the packet has it, and of the client, both in their canonical text */
export function clientKey(address: string, port: number, protocol: Protocol, client: string): string {
  return [address, port, protocol, client].join(' ');
}

/** Dumps of one machine as one, none of which has a map of another one; undefined where there is none. */
export function mergeCalicoMaps(all: readonly CalicoMaps[]): CalicoMaps | undefined {
  const [first, ...others] = all;
  if (first === undefined) return undefined;
  const familyOf = (one: CalicoMaps, other: CalicoMaps, family: Family): CalicoFamilyMaps => ({
    ...one[family],
    ...other[family],
  });
  return others.reduce(
    (one, other) => ({
      names: [...one.names, ...other.names],
      IPv4: familyOf(one, other, 'IPv4'),
      IPv6: familyOf(one, other, 'IPv6'),
    }),
    first,
  );
}
