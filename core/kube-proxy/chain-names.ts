/** Names of the chains that kube-proxy makes for a Service's port: a function of the Service alone. */
import { sha256 } from '@noble/hashes/sha2.js';
import { base32 } from 'rfc4648';
import { servicePortName } from '../api/service.ts';
import type { Protocol } from '../net/family.ts';

/** A Service's port, as far as its chains' names depend on it. */
export interface ServicePortId {
  readonly namespace: string;
  readonly name: string;
  readonly portName?: string | undefined;
  readonly protocol: Protocol;
}

/** The chains of one port; which of them exist depends on the Service. In the iptables modes they are called as below. */
export interface ServiceChainNames {
  /** The policy Cluster: KUBE-SVC-… */
  readonly cluster: string;
  /** The policy Local: KUBE-SVL-… */
  readonly local: string;
  /** Traffic to external addresses: KUBE-EXT-… */
  readonly external: string;
  /** loadBalancerSourceRanges: KUBE-FW-… */
  readonly firewall: string;
}

export function allChains({ cluster, local, external, firewall }: ServiceChainNames): string[] {
  return [cluster, local, external, firewall];
}

/** Names in the iptables modes; source: pkg/proxy/iptables/proxier.go portProtoHash and the functions below it, 1.37. */
export function iptablesChainNames(port: ServicePortId): ServiceChainNames {
  const hash = hashText(servicePortName(port.namespace, port.name, port.portName) + port.protocol.toLowerCase()).slice(
    0,
    16,
  );
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
}

/** The KUBE-SEP-… chain of one endpoint, `10.0.0.1:80` or `[fd00::1]:80`. */
export function iptablesEndpointChainName(port: ServicePortId, endpoint: string): string {
  return `KUBE-SEP-${hashText(servicePortName(port.namespace, port.name, port.portName) + port.protocol.toLowerCase() + endpoint).slice(0, 16)}`;
}

/** Names in the nftables mode; source: pkg/proxy/nftables/proxier.go servicePortChainNameBase, 1.37: it never gets so long that it is cut. */
export function nftablesChainNames(port: ServicePortId): ServiceChainNames {
  const name = `${port.namespace}/${port.name}/${port.protocol.toLowerCase()}/${port.portName ?? ''}`;
  const base = `${hashText(name).slice(0, 8)}-${name}`;
  return {
    cluster: `service-${base}`,
    local: `local-${base}`,
    external: `external-${base}`,
    firewall: `firewall-${base}`,
  };
}

const nftChainPattern = /^(?:service|local|external|firewall|endpoint)-[A-Z2-7]{8}-([^/]+\/[^/]+)\/(?:tcp|udp|sctp)\//;

/** `namespace/name` of the Service that a chain of the nftables mode is for; undefined where its name has none. */
export function nftablesChainService(chain: string): string | undefined {
  return nftChainPattern.exec(chain)?.[1];
}

/** Upper case base32 of SHA-256, as Go's base32.StdEncoding writes it. */
export function hashText(text: string): string {
  return base32.stringify(sha256(new TextEncoder().encode(text)));
}
