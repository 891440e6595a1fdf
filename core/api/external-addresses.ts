/**
 * Whether a Service's external addresses are its own. Whoever may write a Service chooses its externalIPs, and may write
 * there what belongs to somebody else: the API server gives out cluster IPs and node ports, and nothing else.
 */
import { comparableAddress, prefixContains } from '../net/address.ts';
import type { AddressUse, DesiredService, ExternalAddress } from './service.ts';
import type { Protocol } from '../net/family.ts';

/** A Service, as far as it says who has which address. */
export interface AddressHolder {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: readonly string[];
  /** externalIPs and every address of status.loadBalancer. */
  readonly external: readonly string[];
  readonly ports: readonly { readonly protocol: Protocol; readonly port: number; readonly nodePort?: number }[];
}

/** Who else may have an address. */
export interface OtherAddresses {
  /** All Services of the cluster, the asked one perhaps among them; undefined where they may not be listed. */
  readonly services: readonly AddressHolder[] | undefined;
  /** Every address of every node. */
  readonly nodes: readonly string[];
  /** The ranges that nodes give to their pods. */
  readonly podCIDRs: readonly string[];
  /** Addresses that a pod has, as far as they were asked for. */
  readonly pods: readonly string[];
}

/** So many external addresses of one Service are looked at. */
export const maxExternalAddresses = 32;

/** The external addresses of a Service that kube-proxy serves, each once, in the order of the Service. */
export function externalAddressesOf({ service }: Pick<DesiredService, 'service'>): string[] {
  if (service.notProxied !== undefined) return [];
  return [...new Set([...service.externalIPs, ...service.loadBalancerIPs].map(comparableAddress))];
}

/** Of each external address, whose it is. */
export function classifyExternalAddresses(
  desired: Pick<DesiredService, 'namespace' | 'name' | 'service'>,
  others: OtherAddresses,
): ExternalAddress[] {
  const { namespace, name, service } = desired;
  const chosen = new Set(service.externalIPs.map(comparableAddress));
  const clusterIPs = new Set(service.clusterIPs.map(comparableAddress));
  const nodes = new Set(others.nodes.map(comparableAddress));
  const pods = new Set(others.pods.map(comparableAddress));
  const holders = others.services
    ?.filter((each) => each.namespace !== namespace || each.name !== name)
    .map((each) => ({
      ports: each.ports,
      clusterIPs: new Set(each.clusterIPs.map(comparableAddress)),
      external: new Set(each.external.map(comparableAddress)),
    }));
  const isSamePort = (holder: Pick<AddressHolder, 'ports'>): boolean =>
    holder.ports.some(({ protocol, port }) =>
      service.ports.some((own) => own.protocol === protocol && own.port === port),
    );
  const isNodePort = (holder: Pick<AddressHolder, 'ports'>): boolean =>
    holder.ports.some(({ protocol, nodePort }) =>
      service.ports.some((own) => own.protocol === protocol && own.port === nodePort),
    );
  const useOf = (address: string): AddressUse => {
    if (clusterIPs.has(address)) return 'Own';
    if (holders === undefined) return 'Unlisted';
    if (pods.has(address) || others.podCIDRs.some((range) => prefixContains(range, address) === true)) return 'Taken';
    if (holders.some((holder) => holder.clusterIPs.has(address))) return 'Taken';
    const sharing = holders.filter((holder) => holder.external.has(address));
    if (sharing.some(isSamePort)) return 'Taken';
    // A node's address is a load balancer's where a controller has made it so (status is not the Service's owner's to write).
    if (nodes.has(address)) return chosen.has(address) || holders.some(isNodePort) ? 'Taken' : 'Shared';
    return sharing.length > 0 ? 'Shared' : 'Own';
  };
  return externalAddressesOf(desired).map((address, index) => ({
    address,
    use: index < maxExternalAddresses ? useOf(address) : 'Beyond',
  }));
}

/** Whether nodes are asked for this external address; where nobody has looked whose it is, as in older traces, they were. */
export function isAddressChecked(
  { externalAddresses }: Pick<DesiredService, 'externalAddresses'>,
  address: string,
): boolean {
  const text = comparableAddress(address);
  const known = externalAddresses?.find((each) => each.address === text);
  return known === undefined || isCheckedUse(known.use);
}

function isCheckedUse(use: AddressUse): boolean {
  return use === 'Own' || use === 'Shared';
}

/** The external addresses that nodes are not asked for. */
export function uncheckedAddresses({ externalAddresses = [] }: Pick<DesiredService, 'externalAddresses'>): string[] {
  return externalAddresses.flatMap(({ address, use }) => (isCheckedUse(use) ? [] : [address]));
}

/** Those of a Service that nobody else has. */
export function ownExternalAddresses({ externalAddresses = [] }: Pick<DesiredService, 'externalAddresses'>): string[] {
  return externalAddresses.flatMap(({ address, use }) => (use === 'Own' ? [address] : []));
}
