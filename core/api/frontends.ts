/** The addresses and ports on which a Service is to be reached. */
import { isAddressChecked } from './external-addresses.ts';
import type { DesiredService } from './service.ts';
import { familyOf, type Protocol, type Family } from '../net/family.ts';

/** What makes an address the Service's. */
export type FrontendKind = 'ClusterIP' | 'ExternalIP' | 'LoadBalancerIP' | 'NodePort';

/** An address and port on which a Service is to be reached. */
export interface Frontend {
  readonly family: Family;
  readonly frontend: FrontendKind;
  /** Empty for a NodePort. */
  readonly address: string;
  readonly portName?: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** All frontends of a Service that kube-proxy serves, ports in the order of the Service. */
export function frontendsOf(desired: DesiredService): Frontend[] {
  const { service } = desired;
  if (service.notProxied !== undefined) return [];
  const families = [...new Set(service.clusterIPs.map(familyOf))];
  return service.ports.flatMap(({ name, protocol, port, nodePort }): Frontend[] => {
    const common = { protocol, ...(name === undefined || name === '' ? {} : { portName: name }) };
    const at = (frontend: Frontend['frontend'], addresses: readonly string[]): Frontend[] =>
      addresses.map((address) => ({ ...common, family: familyOf(address), frontend, address, port }));
    return [
      ...at('ClusterIP', service.clusterIPs),
      ...at('ExternalIP', service.externalIPs),
      ...at('LoadBalancerIP', service.loadBalancerIPs),
      ...(nodePort === undefined || nodePort === 0
        ? []
        : families.map((family): Frontend => ({
            ...common,
            family,
            frontend: 'NodePort',
            address: '',
            port: nodePort,
          }))),
    ];
  });
}

/** The frontends that nodes are asked for: not those whose address is not, or may not be, the Service's own. */
export function checkedFrontends(desired: DesiredService): Frontend[] {
  return frontendsOf(desired).filter((frontend) => isFrontendChecked(desired, frontend));
}

export function isFrontendChecked(desired: DesiredService, { frontend, address }: Frontend): boolean {
  return (frontend !== 'ExternalIP' && frontend !== 'LoadBalancerIP') || isAddressChecked(desired, address);
}
