/** IPVS: what ipvsadm(8) prints of the kernel's virtual servers. */
import type { Protocol, Family } from '../net/family.ts';

/** Connections, packets and bytes since the server was added (`--stats`), or for each second (`--rate`). */
export interface IpvsTraffic {
  readonly connections: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** Without --exact, ipvsadm cuts numbers from 100 million on to `830843K`: such a number here is the least that it can be. */
  readonly isRounded: boolean;
}

/** Where a virtual server sends connections. */
export interface RealServer {
  readonly address: string;
  /** 0 under a firewall mark or a virtual server of all ports: the connection keeps its port. */
  readonly port: number;
  /** Masq is NAT, what kube-proxy uses. `ipvsadm -Sn` writes Local as Route. */
  readonly forward: 'Masq' | 'Route' | 'Tunnel' | 'Local' | 'unknown';
  /** 0: no new connection is sent here (it drains). */
  readonly weight: number;
  /** Of `-Ln` alone. */
  readonly activeConnections?: number;
  readonly inactiveConnections?: number;
  readonly stats?: IpvsTraffic;
  readonly rate?: IpvsTraffic;
  /** Words of `ipvsadm -Sn` behind the weight, such as `--tun-type ipip`, as printed. */
  readonly others: readonly string[];
}

export interface VirtualServer {
  /** Absent for a server of a firewall mark. */
  readonly protocol?: Protocol;
  readonly address?: string;
  /** 0: all ports that have no virtual server of their own (with persistence only). */
  readonly port?: number;
  readonly firewallMark?: number;
  /** Of a firewall mark; /proc/net/ip_vs does not say it. */
  readonly family?: Family;
  /** rr, wrr, lc, wlc, sh, dh, mh, sed, nq, lblc, lblcr, … */
  readonly scheduler: string;
  readonly schedulerFlags: readonly string[];
  /** ops: each packet is scheduled by itself. Not in /proc/net/ip_vs for IPv6. */
  readonly isOnePacket: boolean;
  /** Seconds for which a client stays with its real server (session affinity); absent without persistence. */
  readonly persistence?: number;
  /** The same of /proc/net/ip_vs, in ticks of the kernel, whose length (CONFIG_HZ) that file does not say. */
  readonly persistenceTicks?: number;
  /** Clients under one mask are one client: `255.255.255.0`, or a prefix length of IPv6; absent for single addresses. */
  readonly persistenceMask?: string;
  readonly stats?: IpvsTraffic;
  readonly rate?: IpvsTraffic;
  readonly realServers: readonly RealServer[];
  /** Words of `ipvsadm -Sn` that have no field here, such as `--pe sip`, as printed. */
  readonly others: readonly string[];
  /** Line of the dump that declares it, from 1. */
  readonly line: number;
}
