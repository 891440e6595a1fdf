/** The client outside the light cluster: a network namespace beside the nodes, whose packets enter by the node that a test wants. */
import type { Components } from '../cluster/components.ts';
import { differsFromOwn, noAddressDetection, runInNetwork } from '../cluster/namespaces.ts';
import { nodePlans } from '../cluster/topology.ts';
import type { Family } from '../../core/net/family.ts';
import { askIn, type Inquirer } from './ask.ts';
import type { Addresses } from './place.ts';

/** The client outside: it has an address for each way in, so that its packets take the node that a test wants. */
export interface Outside extends Inquirer {
  /** @param network `near` or `far`: two networks, so that a source range can hold one and not the other */
  address(network: OutsideNetwork, node: string, family: Family): string;
}

export type OutsideNetwork = 'near' | 'far';

/** The prefixes that the client outside has its addresses of. */
export const outsideNetworks: Readonly<Record<OutsideNetwork, Addresses>> = {
  near: { IPv4: '192.0.2.0/24', IPv6: '2001:db8:1::/64' },
  far: { IPv4: '198.51.100.0/24', IPv6: '2001:db8:2::/64' },
};

const outsideIp = '172.30.0.2';
const outsideIpv6 = 'fd00:172:30::2';

/** The address of the client outside for the node with this number, in one of its networks. */
function outsideAddress(network: OutsideNetwork, number: number, family: Family): string {
  return outsideNetworks[network][family].replace(family === 'IPv4' ? /0\/24$/ : /\/64$/, String(number));
}

/** Makes the client outside: what it sends from an address goes to the node that the address is for, whatever it is sent to. */
export async function createOutside(
  components: Components,
  controlPlanePid: number,
  nodePids: ReadonlyMap<string, number>,
  testpod: string,
): Promise<Outside> {
  const { pid } = await components.start({ name: 'outside', command: ['unshare', '--net', 'sleep', 'infinity'] });
  await components.waitUntil('the network namespace outside', () => differsFromOwn(pid), {
    timeout: 10_000,
    interval: 5,
  });
  await runInNetwork(controlPlanePid, [
    `ip link add outside type veth peer name eth0 netns ${String(pid)}`,
    'ip link set outside master fabric up',
  ]);
  const networks: readonly OutsideNetwork[] = ['near', 'far'];
  const numberOf = (node: string): number => 11 + nodePlans.findIndex(({ name }) => name === node);
  await runInNetwork(pid, [
    noAddressDetection,
    'ip link set lo up',
    'ip link set eth0 up',
    `ip address add ${outsideIp}/24 dev eth0`,
    `ip address add ${outsideIpv6}/64 dev eth0 nodad`,
    ...nodePlans.flatMap((plan) => {
      const number = numberOf(plan.name);
      return [
        `ip route add default via ${plan.ip} table ${String(100 + number)}`,
        `ip -6 route add default via ${plan.ipv6} table ${String(100 + number)}`,
        ...networks.flatMap((network) => [
          `ip address add ${outsideAddress(network, number, 'IPv4')}/32 dev eth0`,
          `ip address add ${outsideAddress(network, number, 'IPv6')}/128 dev eth0 nodad`,
          `ip rule add from ${outsideAddress(network, number, 'IPv4')} table ${String(100 + number)}`,
          `ip -6 rule add from ${outsideAddress(network, number, 'IPv6')} table ${String(100 + number)}`,
        ]),
      ];
    }),
  ]);
  for (const nodePid of nodePids.values()) {
    await runInNetwork(
      nodePid,
      networks.flatMap((network) => [
        `ip route add ${outsideNetworks[network].IPv4} via ${outsideIp}`,
        `ip -6 route add ${outsideNetworks[network].IPv6} via ${outsideIpv6}`,
      ]),
    );
  }
  return {
    address: (network, node, family) => outsideAddress(network, numberOf(node), family),
    ...askIn(pid, testpod),
  };
}
