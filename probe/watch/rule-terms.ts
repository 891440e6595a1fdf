/** By which bytes of the kernel's messages a change of one Service's rules is known. */
import { addressNumber } from '../../core/net/address.ts';
import { allChains, iptablesChainNames, nftablesChainNames } from '../../core/kube-proxy/chain-names.ts';
import { bigEndianBytes } from '../../core/nftables/netlink/message.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import { commonChains, sharedFilterChains, sharedNatChains } from '../rules/service-selector.ts';

/** A name as netlink has it. */
function ended(name: string): Buffer {
  return Buffer.from(`${name}\0`);
}

/** Its name in comments and in names of chains; its chains, computed as kube-proxy does; its addresses. */
export function termsOf(service: ProbeRequestService): Buffer[] {
  const id = `${service.namespace}/${service.name}`;
  const chains = service.ports.flatMap(({ name, protocol }) => {
    const port = { namespace: service.namespace, name: service.name, portName: name, protocol };
    return [...allChains(iptablesChainNames(port)), ...allChains(nftablesChainNames(port))];
  });
  const addresses = [...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs].flatMap((text) => {
    const number = addressNumber(text);
    return number === undefined ? [] : [Buffer.from(bigEndianBytes(number.value, number.bits / 8))];
  });
  return [...[':', ' ', '"', '/', '\0'].map((end) => Buffer.from(`${id}${end}`)), ...chains.map(ended), ...addresses];
}

/** kube-proxy writes these again whenever any Service changes; what is this Service's in them has its name, chain or address. */
const shared = new Set([...sharedNatChains, ...sharedFilterChains, ...commonChains]);

/** Chains and tables that its packets meet, and that have none of its own terms: third-party ones, and base chains. */
export function otherTermsOf(records: readonly NodeReportRecord[]): string[] {
  const names = records.flatMap((record): string[] => {
    switch (record.kind) {
      case 'nftChain':
      case 'hookChain':
        return [record.chain];
      case 'iptablesChain':
        return record.scope === 'all' && !record.absent ? [record.chain] : [];
      case 'foreignTable':
        return [record.name];
      default:
        return [];
    }
  });
  const isBuiltIn = (name: string): boolean => name === 'PREROUTING' || name === 'OUTPUT';
  return [...new Set(names)].filter((name) => isBuiltIn(name) || !(shared.has(name) || name.startsWith('KUBE-')));
}

export function otherTerms(names: Iterable<string>): Buffer[] {
  return [...names].map(ended);
}
