/** What is known of the names in a Service's rules from the Service itself. */
import { isSameAddress } from '../net/address.ts';
import { iptablesChainNames, nftablesChainNames, type ServicePortId } from '../kube-proxy/chain-names.ts';
import { servicePortName, type DesiredService } from '../api/service.ts';

export interface ServiceNames {
  /** The ServicePort whose chain it is, `default/auth-service:http`; undefined where it is another Service's. */
  readonly port: (chain: string) => string | undefined;
  /** The pod at the address. */
  readonly pod: (address: string) => string | undefined;
}

export function serviceNames({
  namespace,
  name: service,
  service: { ports: servicePorts },
  endpointSlices,
}: DesiredService): ServiceNames {
  const ports = new Map<string, string>();
  for (const { name, protocol } of servicePorts) {
    const port: ServicePortId = { namespace, name: service, portName: name, protocol };
    const text = servicePortName(namespace, service, name);
    for (const names of [iptablesChainNames(port), nftablesChainNames(port)])
      for (const chain of [names.cluster, names.local, names.external, names.firewall]) ports.set(chain, text);
  }
  const pods = new Map(
    endpointSlices.flatMap(({ endpoints }) =>
      endpoints.flatMap(({ addresses, targetRef }) =>
        addresses.flatMap((address) => (targetRef?.name === undefined ? [] : [[address, targetRef.name] as const])),
      ),
    ),
  );
  return {
    port: (chain) => ports.get(chain),
    pod: (address) => pods.get(address) ?? [...pods].find(([other]) => isSameAddress(other, address))?.[1],
  };
}
