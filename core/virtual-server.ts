/** IPVS: what ipvsadm(8) prints of the kernel's virtual servers. */
import type { Protocol } from './service.ts';

/** Connections, packets and bytes since the server was added (`--stats`), or for each second (`--rate`). */
export interface IpvsTraffic {
  readonly connections: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

/** Where a virtual server sends connections. */
export interface RealServer {
  readonly address: string;
  readonly port: number;
  /** Masq is NAT, what kube-proxy uses. */
  readonly forward: 'Masq' | 'Route' | 'Tunnel' | 'Local' | 'unknown';
  /** 0: no new connection is sent here (it drains). */
  readonly weight: number;
  /** Of `-Ln` alone. */
  readonly activeConnections?: number;
  readonly inactiveConnections?: number;
  readonly stats?: IpvsTraffic;
  readonly rate?: IpvsTraffic;
}

export interface VirtualServer {
  /** Absent for a server of a firewall mark. */
  readonly protocol?: Protocol;
  readonly address?: string;
  readonly port?: number;
  readonly firewallMark?: number;
  /** rr, wrr, lc, wlc, sh, dh, mh, sed, nq, lblc, lblcr, … */
  readonly scheduler: string;
  readonly schedulerFlags: readonly string[];
  /** ops: each packet is scheduled by itself. */
  readonly isOnePacket: boolean;
  /** Seconds for which a client stays with its real server (session affinity); absent without persistence. */
  readonly persistence?: number;
  readonly persistenceMask?: string;
  readonly stats?: IpvsTraffic;
  readonly rate?: IpvsTraffic;
  readonly realServers: readonly RealServer[];
  /** Line of the dump that declares it, from 1. */
  readonly line: number;
}
