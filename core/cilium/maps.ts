/** What Cilium's datapath has of Services on one node: its load-balancing maps, decoded (bpf/lib/lb.h, bpf/lib/eps.h). */
import type { Family, Protocol } from '../net/family.ts';

/** Maps of one machine. A map that was not dumped is absent, and nothing is known of what it holds. */
export interface CiliumMaps {
  /** The maps that were read, by the names of their pins. */
  readonly names: readonly string[];
  readonly IPv4: CiliumFamilyMaps;
  readonly IPv6: CiliumFamilyMaps;
  /** cilium_lb_affinity_match: the backends to which a Service's clients may stay, as affinityMatchKey writes them. */
  readonly affinityMatches?: ReadonlySet<string>;
  /** cilium_lxc: endpoints of this node by their address. */
  readonly endpoints?: ReadonlyMap<string, CiliumEndpoint>;
}

export interface CiliumFamilyMaps {
  readonly services?: readonly CiliumFrontend[];
  readonly backends?: ReadonlyMap<number, CiliumBackend>;
  /** Prefixes by the frontend's id. */
  readonly sourceRanges?: ReadonlyMap<number, readonly string[]>;
  readonly reverseNat?: ReadonlyMap<number, AddressPort>;
  /** The frontends that have a table of Maglev, by their ids. */
  readonly maglev?: ReadonlySet<number>;
  /** The backend to which a client address was sent last, by clientKey. */
  readonly clients?: ReadonlyMap<string, number>;
}

export interface AddressPort {
  readonly address: string;
  readonly port: number;
}

/** What a frontend is, and how packets to it are treated (SVC_FLAG_* of bpf/lib/lb.h). */
export type CiliumFlag =
  | 'ExternalIP'
  | 'NodePort'
  | 'externalTrafficPolicy Local'
  | 'HostPort'
  | 'session affinity'
  | 'LoadBalancer'
  | 'routable'
  | 'source ranges'
  | 'source ranges denied'
  | 'local redirect'
  | 'NAT46x64'
  | 'L7 load balancer'
  | 'L7 delegate'
  | 'loopback'
  | 'internalTrafficPolicy Local'
  | 'two scopes'
  | 'DSR';

/** A master entry of cilium_lb4_services_v2 (slot 0), with its slots. */
export interface CiliumFrontend extends AddressPort {
  /** 0.0.0.0 or :: of the surrogate entry of a NodePort or HostPort, which stands for all addresses of the node. */
  readonly address: string;
  /** 0 in the wildcard entry, of which packets to all other ports are dropped. */
  readonly port: number;
  /** Absent for any: the wildcard entry, and all entries before protocols were distinguished. */
  readonly protocol?: Protocol;
  /** Internal: the second entry of a frontend with `two scopes`, for clients of the cluster. */
  readonly scope: 'External' | 'Internal';
  /** By which reverse NAT, source ranges and affinity know it (rev_nat_index). */
  readonly id: number;
  /** Slots from 1 to this number get new connections. */
  readonly count: number;
  /** Slots behind them. */
  readonly quarantined: number;
  /** The agent's default where no annotation chose one. */
  readonly algorithm: 'default' | 'random' | 'Maglev' | 'first' | 'custom';
  readonly affinitySeconds: number;
  /** Of `L7 load balancer`. */
  readonly proxyPort?: number;
  readonly flags: ReadonlySet<CiliumFlag>;
  /** Backend ids by slot, from 1. */
  readonly slots: ReadonlyMap<number, number>;
}

export type CiliumBackendState = 'active' | 'terminating' | 'quarantined' | 'maintenance';

/** An entry of cilium_lb4_backends_v3. */
export interface CiliumBackend extends AddressPort {
  /** Absent for any. */
  readonly protocol?: Protocol;
  readonly state: CiliumBackendState;
  /** Of a cluster mesh; 0 for this cluster. */
  readonly clusterId: number;
}

export interface CiliumEndpoint {
  /** An address of the node itself (ENDPOINT_F_HOST). */
  readonly isHost: boolean;
}

export function affinityMatchKey(frontendId: number, backendId: number): string {
  return `${String(frontendId)} ${String(backendId)}`;
}

/** @param address in its canonical text */
export function clientKey(frontendId: number, address: string): string {
  return `${String(frontendId)} ${address}`;
}

/** Dumps of one machine as one, none of which has a map of another one; undefined where there is none. */
export function mergeCiliumMaps(all: readonly CiliumMaps[]): CiliumMaps | undefined {
  const [first, ...others] = all;
  if (first === undefined) return undefined;
  const familyOf = (one: CiliumMaps, other: CiliumMaps, family: Family): CiliumFamilyMaps => ({
    ...one[family],
    ...other[family],
  });
  return others.reduce(
    (one, other) => ({
      ...one,
      ...other,
      names: [...one.names, ...other.names],
      IPv4: familyOf(one, other, 'IPv4'),
      IPv6: familyOf(one, other, 'IPv6'),
    }),
    first,
  );
}
