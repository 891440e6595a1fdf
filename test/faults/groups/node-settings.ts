/** Settings and programs of the nodes, one fault on each node. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Fault, FaultGroup } from '../fault.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { service } from '../workload.ts';
import { coreDnsReady } from './dns.ts';

const own = 'node-settings';

/** Faults of one node each that are seen from one Service, so that what each of them does on the other nodes is seen as well. */
export const seenFromOne = { service: own, objects: [service(own, { type: 'NodePort' })] } as const;

function settingFault(
  name: string,
  does: string,
  node: string,
  id: string,
  change: (place: Place, node: string) => Promise<() => Promise<unknown>>,
): Fault {
  return {
    name,
    does: `${does} (${node})`,
    node,
    ...seenFromOne,
    expected: [`${id} ${node}`],
    inject: async (place) => change(place, node),
  };
}

/** Writes a file below /proc/sys of the node's network namespace; the undo writes what was there. */
async function sysctl(place: Place, node: string, path: string, value: string): Promise<() => Promise<unknown>> {
  const on = place.node(node);
  const write = async (text: string): Promise<unknown> => on.exec(['sh', '-c', `echo ${text} > /proc/sys/${path}`]);
  const before = (await on.exec(['cat', `/proc/sys/${path}`])).stdout.trim();
  await write(value);
  return async () => write(before);
}

/** A program of the node that listens on a port; the undo ends it. */
async function listen(place: Place, node: string, port: string): Promise<() => Promise<unknown>> {
  const program = `require('node:net').createServer().listen(${port}, '0.0.0.0', () => console.log('listening'))`;
  const child = spawn('nsenter', [`--net=${place.node(node).netns}`, '--', process.execPath, '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return async () => {
    child.kill();
    await once(child, 'exit');
  };
}

export const nodeSettings: FaultGroup = {
  name: 'settings and programs of the nodes',
  graceSeconds: 0,
  faults: [
    settingFault(
      'reverse-path-filter-strict',
      'the node has a second network, and rp_filter is strict (1) on all interfaces',
      'node-b',
      'SYS-RPFILTER',
      async (place, node) => {
        const on = place.node(node);
        await on.exec(['ip', 'link', 'add', 'fault0', 'type', 'veth', 'peer', 'name', 'fault1']);
        await on.exec(['ip', 'address', 'add', '192.0.2.9/24', 'dev', 'fault0']);
        for (const link of ['fault0', 'fault1']) await on.exec(['ip', 'link', 'set', link, 'up']);
        const undo = await sysctl(place, node, 'net/ipv4/conf/all/rp_filter', '1');
        return async () => {
          await undo();
          await on.exec(['ip', 'link', 'delete', 'fault0']);
        };
      },
    ),
    settingFault(
      'node-port-taken',
      "a program of the node listens on the Service's node port",
      'node-c',
      'RULE-NODEPORT-TAKEN',
      async (place, node) =>
        listen(
          place,
          node,
          await place.kubectl(['-n', namespace, 'get', 'service', own, '-o', 'jsonpath={.spec.ports[0].nodePort}']),
        ),
    ),
  ],
};

/** Apart from the others, which have a fault on each node already; and a node that does not forward takes a DNS server that runs there away from all nodes. */
export const forwardingOff: FaultGroup = {
  name: 'forwarding off, local ports',
  graceSeconds: 0,
  faults: [
    settingFault(
      'local-port-range',
      'net.ipv4.ip_local_port_range begins at 30000, where node ports do',
      'node-b',
      'SYS-PORT-RANGE',
      async (place, node) => sysctl(place, node, 'net/ipv4/ip_local_port_range', '30000 60999'),
    ),
    settingFault(
      'forwarding-off',
      'net.ipv4.ip_forward is 0; CoreDNS runs on the other nodes',
      'node-a',
      'SYS-FORWARD',
      async (place, node) => {
        await place.kubectl(['cordon', node]);
        await place.kubectl(['-n', 'kube-system', 'rollout', 'restart', 'deployment/coredns']);
        await coreDnsReady(place);
        const undo = await sysctl(place, node, 'net/ipv4/ip_forward', '0');
        return async () => {
          await undo();
          await place.kubectl(['uncordon', node]);
        };
      },
    ),
  ],
};
