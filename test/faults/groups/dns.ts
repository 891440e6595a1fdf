/** The cluster's DNS: each fault is one of all nodes, so one is made after the other. */
import type { Fault, FaultGroup } from '../fault.ts';
import { eventually, type Place } from '../place.ts';
import { service } from '../workload.ts';

const nodes = ['node-a', 'node-b', 'node-c'];
const own = 'dns-faults';

const group = (fault: Omit<Fault, 'service' | 'objects'>): FaultGroup => ({
  name: `DNS: ${fault.name}`,
  graceSeconds: 0,
  faults: [{ ...fault, service: own, objects: [service(own)] }],
});

async function coreDnsReady(place: Place): Promise<void> {
  await place.kubectl(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=90s']);
}

/** Starts CoreDNS anew with an edited Corefile; the undo gives it back the old one. */
async function withCorefile(place: Place, edit: (corefile: string) => string): Promise<() => Promise<unknown>> {
  const corefile = await place.kubectl(['-n', 'kube-system', 'get', 'configmap', 'coredns', '-o', 'jsonpath={.data.Corefile}']);
  const write = async (text: string): Promise<void> => {
    await place.kubectl(['-n', 'kube-system', 'patch', 'configmap', 'coredns', '--patch', JSON.stringify({ data: { Corefile: text } })]);
    await place.kubectl(['-n', 'kube-system', 'rollout', 'restart', 'deployment/coredns']);
    await coreDnsReady(place);
  };
  await write(edit(corefile));
  return async () => write(corefile);
}

export const dns: readonly FaultGroup[] = [
  group({
    name: 'coredns-down',
    does: 'CoreDNS is scaled to no pod',
    expected: nodes.map((node) => `DNS-DOWN ${node}`),
    inject: async (place) => {
      await place.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=0']);
      await eventually(async () => {
        if ((await place.endpoints('kube-system/kube-dns')).addresses.length > 0) throw new Error('CoreDNS still has endpoints');
      }, 30);
      return async () => {
        await place.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=2']);
        await coreDnsReady(place);
      };
    },
  }),
  group({
    name: 'cluster-domain-wrong',
    does: 'CoreDNS serves the domain cluster.test instead of cluster.local: it does not know the names of Services',
    expected: nodes.map((node) => `DNS-NXDOMAIN ${node}`),
    inject: async (place) => withCorefile(place, (corefile) => corefile.replace('kubernetes cluster.local', 'kubernetes cluster.test')),
  }),
];
