/** The cluster's DNS: each fault is one of all nodes, so one is made after the other. */
import type { Fault, FaultGroup } from '../fault.ts';
import { eventually } from '../../support/eventually.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { service } from '../workload.ts';

const nodes = ['node-a', 'node-b', 'node-c'];
const own = 'dns-faults';

const group = (fault: Omit<Fault, 'service' | 'objects'>, graceSeconds = 0): FaultGroup => ({
  name: `DNS: ${fault.name}`,
  graceSeconds,
  faults: [{ ...fault, service: own, objects: [service(own)] }],
});

export async function coreDnsReady(place: Place): Promise<void> {
  await place.kubectl(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=90s']);
}

/** Starts CoreDNS again with an edited Corefile; the undo gives it back the old one. */
async function withCorefile(place: Place, edit: (corefile: string) => string): Promise<() => Promise<unknown>> {
  const corefile = await place.kubectl([
    '-n',
    'kube-system',
    'get',
    'configmap',
    'coredns',
    '-o',
    'jsonpath={.data.Corefile}',
  ]);
  const write = async (text: string): Promise<void> => {
    await place.kubectl([
      '-n',
      'kube-system',
      'patch',
      'configmap',
      'coredns',
      '--patch',
      JSON.stringify({ data: { Corefile: text } }),
    ]);
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
        if ((await place.endpoints('kube-system/kube-dns')).addresses.length > 0)
          throw new Error('CoreDNS still has endpoints');
      }, 30);
      return async () => {
        await place.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=2']);
        await coreDnsReady(place);
      };
    },
  }),
  group({
    name: 'dns-of-one-namespace',
    does: 'CoreDNS is configured to serve the namespace default alone: it does not know the names of other Services',
    expected: nodes.map((node) => `DNS-NXDOMAIN ${node}`),
    inject: async (place) =>
      withCorefile(place, (corefile) =>
        corefile.replace('pods insecure', 'pods insecure\n            namespaces default'),
      ),
  }),
];

export const dnsAnswerOfBefore: FaultGroup = group(
  {
    name: 'dns-answer-of-before',
    does: 'CoreDNS keeps answers for an hour, and the Service is recreated with another cluster IP',
    expected: nodes.map((node) => `DNS-WRONG-IP ${node}`),
    inject: async (place) => {
      // One server alone, so that every node gets the answer that is kept.
      await place.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=1']);
      const undo = await withCorefile(place, (corefile) =>
        corefile.replace('ttl 5', 'ttl 3600').replace('cache 5', 'cache 3600'),
      );
      await place.findings([own]);
      await place.kubectl(['-n', namespace, 'delete', 'service', own, '--wait=true']);
      await place.apply([service(own)]);
      return async () => {
        await place.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=2']);
        await undo();
      };
    },
    // What was made a moment ago may be cached as it was before (core/diagnose/checks/dns-comparisons.ts).
  },
  36,
);
