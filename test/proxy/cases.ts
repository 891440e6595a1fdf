/** The cases of a Service: which client asks which of its addresses, through which node's rules. */
import { familyOf, type Protocol, type Family } from '../../core/net/family.ts';
import { ownAddresses, type RandomService } from './random-service.ts';
import type { Inquirer } from './ask.ts';
import type { OutsideNetwork } from './outside.ts';
import type { KeptService } from './program-services.ts';
import type { ProxyCluster, ProxyNode } from './proxy-cluster.ts';

/** Who asks: one address of a network namespace. */
export interface Client {
  /** Such as `pod-a1`, `node-a`, or `outside (near)`. */
  readonly name: string;
  readonly source: string;
  readonly entersAt: 'PREROUTING' | 'OUTPUT';
  readonly inquirer: Inquirer;
}

/** One packet of one client to one frontend of one Service, which the rules of one node decide about. */
export interface Case {
  readonly service: string;
  readonly random: RandomService;
  readonly node: ProxyNode;
  readonly client: Client;
  readonly frontend: 'ClusterIP' | 'another port' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'localhost';
  readonly protocol: Protocol;
  readonly destination: string;
  readonly port: number;
}

interface Frontend {
  readonly frontend: Case['frontend'];
  readonly protocol: Protocol;
  readonly destination: string;
  readonly port: number;
}

/** Every case of a Service: each of its frontends, from each kind of client, through each node. */
export function casesOf(kept: KeptService, random: RandomService, number: number, cluster: ProxyCluster): Case[] {
  const service = kept.metadata.name;
  return cluster.nodes.flatMap((node) =>
    frontendsOf(kept, random, number, node).flatMap((frontend) =>
      clientsOf(random, cluster, node, familyOf(frontend.destination))
        .filter(({ entersAt }) => frontend.frontend !== 'localhost' || entersAt === 'OUTPUT')
        .map((client): Case => ({
          service,
          random,
          node,
          client: frontend.frontend === 'localhost' ? { ...client, source: frontend.destination } : client,
          ...frontend,
        })),
    ),
  );
}

function frontendsOf({ spec }: KeptService, random: RandomService, number: number, node: ProxyNode): Frontend[] {
  const own = ownAddresses(number);
  const hasFamily = (address: string): boolean => random.families.includes(familyOf(address));
  const nodeAddresses = Object.values(node.place.addresses).filter(hasFamily);
  return spec.ports
    .flatMap(({ protocol, port, nodePort }): Frontend[] => [
      ...spec.clusterIPs.map((destination) => ({ frontend: 'ClusterIP' as const, protocol, destination, port })),
      ...(nodePort === undefined
        ? []
        : nodeAddresses.map((destination) => ({
            frontend: 'NodePort' as const,
            protocol,
            destination,
            port: nodePort,
          }))),
      ...(nodePort === undefined || !random.families.includes('IPv4')
        ? []
        : [{ frontend: 'localhost' as const, protocol, destination: '127.0.0.1', port: nodePort }]),
      ...(random.hasExternalIps
        ? own.external
            .filter(hasFamily)
            .map((destination) => ({ frontend: 'ExternalIP' as const, protocol, destination, port }))
        : []),
      // Also where its mode is Proxy, or it has none: then no rule is to be there.
      ...(random.type === 'LoadBalancer'
        ? own.ingress
            .filter(hasFamily)
            .map((destination) => ({ frontend: 'LoadBalancerIP' as const, protocol, destination, port }))
        : []),
    ])
    .concat(
      spec.clusterIPs
        .slice(0, 1)
        .map((destination) => ({ frontend: 'another port', protocol: 'TCP', destination, port: 4 })),
    );
}

/** The node itself, a pod on it that is not an endpoint, one that is (its packets may come back to it), and two outside. */
function clientsOf(
  random: RandomService,
  { places, outside }: ProxyCluster,
  node: ProxyNode,
  family: Family,
): Client[] {
  const here = places.flatMap((place, index) =>
    place.node === node.name && !place.isNode ? [{ place, isEndpoint: random.endpoints[index] !== 'absent' }] : [],
  );
  const pods = [here.find(({ isEndpoint }) => isEndpoint), here.find(({ isEndpoint }) => !isEndpoint)].flatMap(
    (found) => (found === undefined ? [] : [found.place]),
  );
  const networks: readonly OutsideNetwork[] = ['near', 'far'];
  return [
    { name: node.name, source: node.place.addresses[family], entersAt: 'OUTPUT', inquirer: node.place },
    ...pods.map((pod): Client => ({
      name: pod.name,
      source: pod.addresses[family],
      entersAt: 'PREROUTING',
      inquirer: pod,
    })),
    ...networks.map((network): Client => ({
      name: `outside (${network})`,
      source: outside.address(network, node.name, family),
      entersAt: 'PREROUTING',
      inquirer: outside,
    })),
  ];
}
