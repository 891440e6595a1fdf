/** Settings of the nodes' kernels, one fault on each node. */
import type { Fault, FaultGroup } from '../fault.ts';
import { service } from '../workload.ts';

const own = 'node-settings';

function sysctl(name: string, does: string, node: string, settings: Readonly<Record<string, string>>, ids: readonly string[]): Fault {
  return {
    name,
    does: `${does} (${node})`,
    node,
    service: own,
    objects: [service(own, { type: 'NodePort' })],
    expected: ids.map((id) => `${id} ${node}`).sort(),
    inject: async (place) => {
      const on = place.node(node);
      const before = await Promise.all(Object.keys(settings).map(async (path) => [path, (await on.exec(['cat', `/proc/sys/${path}`])).stdout.trim()] as const));
      const write = async (values: readonly (readonly [string, string])[]): Promise<void> => {
        for (const [path, value] of values) await on.exec(['sh', '-c', `echo ${value} > /proc/sys/${path}`]);
      };
      await write(Object.entries(settings));
      return async () => write(before);
    },
  };
}

export const nodeSettings: FaultGroup = {
  name: "settings of the nodes' kernels",
  graceSeconds: 0,
  faults: [
    sysctl('forwarding-off', 'net.ipv4.ip_forward is 0', 'node-a', { 'net/ipv4/ip_forward': '0' }, ['SYS-FORWARD']),
    sysctl('reverse-path-filter-strict', 'rp_filter is strict (1) on all interfaces', 'node-b', { 'net/ipv4/conf/all/rp_filter': '1' }, ['SYS-RPFILTER']),
    sysctl('invalid-packets-liberal-off', 'nf_conntrack_tcp_be_liberal is 0, and INVALID packets are dropped', 'node-c', { 'net/netfilter/nf_conntrack_tcp_be_liberal': '0' }, ['SYS-LIBERAL']),
  ],
};
