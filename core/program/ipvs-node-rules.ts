/** What virtual servers and kube-proxy's sets of the IPVS mode say of a Service (pkg/proxy/ipvs/proxier.go, 1.37). */
import { isSameAddress } from '../net/address.ts';
import { ipvsChainName, ipvsTable } from '../api/chain-name.ts';
import { virtualServerText } from '../evaluate/walk-ipvs.ts';
import { ipSetContains } from '../ipset/contains.ts';
import type { IpSet } from '../ipset/set.ts';
import { referenceOf, type FrontendKey, type NodeRules, type WalkedRules } from './node-rules.ts';
import type { VirtualServer } from '../ipvs/virtual-server.ts';

export function ipvsNodeRules(
  walked: WalkedRules,
  servers: readonly VirtualServer[],
  sets: readonly IpSet[],
): NodeRules {
  const serverOf = ({ address, port, protocol, frontend }: FrontendKey): VirtualServer | undefined =>
    servers.find(
      (server) =>
        server.port === port &&
        server.protocol === protocol &&
        (frontend === 'NodePort' || (server.address !== undefined && isSameAddress(server.address, address))),
    );
  const set = (name: string): IpSet | undefined =>
    sets.find((each) => each.name === name || each.name === name.replace('KUBE-', 'KUBE-6-').slice(0, 31));
  return {
    ...walked,
    // Chains of this mode are for all Services alike.
    chain: () => undefined,
    kindOf: () => undefined,
    isEntry: ({ table }) => table === ipvsTable,
    reference: referenceOf,
    trafficPolicy({ frontend, address, port, protocol }) {
      const [local, cluster] =
        frontend === 'NodePort'
          ? [`KUBE-NODE-PORT-LOCAL-${protocol}`, `KUBE-NODE-PORT-${protocol}`]
          : (policySets[frontend] ?? []);
      for (const [name, value] of [
        [local, 'Local'],
        [cluster, 'Cluster'],
      ] as const) {
        // SCTP's sets of NodePorts are of another type and name.
        const found = name === undefined ? undefined : (set(name) ?? set(`${name}-HASH`));
        if (found === undefined) continue;
        const element = found.elements.find(
          ({ parts }) =>
            parts.at(-1) === String(port) ||
            (parts.at(-1) === `${protocol.toLowerCase()}:${String(port)}` &&
              (frontend === 'NodePort' || isSameAddress(parts[0] ?? '', address))),
        );
        if (element !== undefined)
          return { value, by: { table: 'ipset', chain: found.name, rule: element.parts.join(',') } };
      }
      return undefined;
    },
    sourceRanges({ address, port, protocol }) {
      const ranges = set('KUBE-LOAD-BALANCER-SOURCE-CIDR');
      const own =
        ranges?.elements.filter(
          ({ parts }) =>
            isSameAddress(parts[0] ?? '', address) && parts[1] === `${protocol.toLowerCase()}:${String(port)}`,
        ) ?? [];
      const [first] = own;
      return ranges === undefined || first === undefined
        ? undefined
        : {
            value: own.map(({ parts }) => parts[2] ?? ''),
            by: { table: 'ipset', chain: ranges.name, rule: first.parts.join(',') },
          };
    },
    sessionAffinity(frontend) {
      const server = serverOf(frontend);
      return server?.persistence === undefined
        ? undefined
        : {
            value: server.persistence,
            by: { table: ipvsTable, chain: ipvsChainName(server), rule: virtualServerText(server) },
          };
    },
    hairpin({ address, port }, protocol) {
      const loopback = set('KUBE-LOOP-BACK');
      const contains =
        loopback === undefined
          ? undefined
          : ipSetContains(loopback, ['dst', 'dst', 'src'], {
              source: address,
              destination: address,
              destinationPort: port,
              protocol,
            });
      if (loopback === undefined || contains === undefined) return undefined;
      return contains
        ? {
            value: true,
            by: {
              table: 'ipset',
              chain: loopback.name,
              rule: `${address},${protocol.toLowerCase()}:${String(port)},${address}`,
            },
          }
        : { value: false };
    },
    weight: (frontend, { address, port }) =>
      serverOf(frontend)?.realServers.find((real) => isSameAddress(real.address, address) && real.port === port)
        ?.weight,
  };
}

/** The sets of one kind of frontend: with the external policy Local, and with Cluster. A ClusterIP's internal policy is in no set. */
const policySets: Readonly<Partial<Record<FrontendKey['frontend'], readonly [local: string, cluster: string]>>> = {
  ExternalIP: ['KUBE-EXTERNAL-IP-LOCAL', 'KUBE-EXTERNAL-IP'],
  LoadBalancerIP: ['KUBE-LOAD-BALANCER-LOCAL', 'KUBE-LOAD-BALANCER'],
};
