/** Who answers and asks in the light cluster: pods, which are network namespaces, and the nodes themselves. */
import type { Components } from '../cluster/components.ts';
import { differsFromOwn, noAddressDetection, runInNetwork } from '../cluster/namespaces.ts';
import type { NodePlan } from '../cluster/topology.ts';
import type { Family } from '../../core/net/family.ts';
import { askIn, type Inquirer } from './ask.ts';

/** The ports that every witness answers on, over TCP, UDP and SCTP. */
export const witnessPorts = [8080, 8081, 8082, 8083] as const;

/** One address of each family. */
export type Addresses = Readonly<Record<Family, string>>;

/** Who answers, and asks: a pod, or a node itself. */
export interface Place extends Inquirer {
  readonly name: string;
  /** The node that it is on, or is. */
  readonly node: string;
  readonly isNode: boolean;
  readonly addresses: Addresses;
}

const podsPerNode = 3;
/** The node's own addresses in its pod ranges. */
export const gateway = (plan: NodePlan): Addresses => podAddresses(plan, 1);

/** The addresses with this number in the node's pod ranges, which are a /24 and a /64. */
function podAddresses({ podCIDRs: [ipv4, ipv6] }: NodePlan, number: number): Addresses {
  return { IPv4: ipv4.replace(/0\/24$/, String(number)), IPv6: ipv6.replace(/\/64$/, String(number)) };
}

/** What is known of a place before it is there. */
export type PlacePlan = Pick<Place, 'name' | 'node' | 'isNode' | 'addresses'>;

/** The places of a node: three pods, and the node itself. */
export function placePlans(plan: NodePlan): PlacePlan[] {
  const pods = Array.from({ length: podsPerNode }, (_, index) => ({
    name: `pod-${plan.name.slice(-1)}${String(index + 1)}`,
    node: plan.name,
    isNode: false,
    addresses: podAddresses(plan, index + 2),
  }));
  return [...pods, { name: plan.name, node: plan.name, isNode: true, addresses: { IPv4: plan.ip, IPv6: plan.ipv6 } }];
}

/** Starts the witnesses of a node's places. */
export async function createPlaces(
  components: Components,
  plan: NodePlan,
  pid: number,
  testpod: string,
): Promise<Place[]> {
  const witnessFlags = witnessPorts.flatMap((port) => ['--port', String(port)]);
  const places: Place[] = [];
  for (const place of placePlans(plan)) {
    if (place.isNode) {
      await components.start({
        name: `${plan.name}.witness`,
        namespaces: { pid, mount: false },
        command: [testpod, 'witness', ...witnessFlags, '--address', plan.ip, '--address', plan.ipv6],
        env: { POD_NAME: place.name },
      });
      places.push({ ...place, ...askIn(pid, testpod) });
    } else {
      const pod = await components.start({
        name: place.name,
        command: ['unshare', '--net', testpod, 'witness', ...witnessFlags],
        env: { POD_NAME: place.name },
      });
      await components.waitUntil(`the network namespace of ${place.name}`, () => differsFromOwn(pod.pid), {
        timeout: 10_000,
        interval: 5,
      });
      await joinPod(plan, pid, place.name, pod.pid, place.addresses);
      places.push({ ...place, ...askIn(pod.pid, testpod) });
    }
  }
  return places;
}

/** Joins a pod to its node as the plugin ptp does: a veth pair and routes, no bridge, so every packet passes the node's IP layer. */
async function joinPod(
  plan: NodePlan,
  nodePid: number,
  pod: string,
  podPid: number,
  addresses: Addresses,
): Promise<void> {
  const { IPv4: gatewayIp, IPv6: gatewayIpv6 } = gateway(plan);
  await runInNetwork(nodePid, [
    `ip link add ${pod} type veth peer name eth0 netns ${String(podPid)}`,
    `ip link set ${pod} up`,
    `ip address add ${gatewayIp}/32 dev ${pod}`,
    `ip address add ${gatewayIpv6}/128 dev ${pod} nodad`,
    `ip route add ${addresses.IPv4} dev ${pod}`,
    `ip -6 route add ${addresses.IPv6} dev ${pod}`,
    // A pod that asks itself through a Service needs no advice about a shorter path.
    `sysctl -qw net.ipv4.conf.${pod}.send_redirects=0 net.ipv4.conf.all.send_redirects=0`,
  ]);
  await runInNetwork(podPid, [
    noAddressDetection,
    'ip link set lo up',
    'ip link set eth0 up',
    `ip address add ${addresses.IPv4}/32 dev eth0`,
    `ip address add ${addresses.IPv6}/128 dev eth0 nodad`,
    `ip route add ${gatewayIp} dev eth0`,
    `ip route add default via ${gatewayIp}`,
    `ip -6 route add ${gatewayIpv6} dev eth0`,
    `ip -6 route add default via ${gatewayIpv6}`,
  ]);
}
