/** Clients that ask the wrong server for names, or for the wrong names: each is a pod that is recreated with another resolv.conf. */
import type { Fault, FaultGroup } from '../fault.ts';
import { namespace, type Place } from '../place.ts';
import { clientPod, service, untilReady } from '../workload.ts';

const node = 'node-a';

/** The pod is recreated, for a pod's DNS cannot be changed. */
async function remake(place: Place, name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
  await place.kubectl(['-n', namespace, 'delete', 'pod', name, '--wait=true']);
  await place.apply([clientPod(name, node, spec)]);
  await untilReady(place, [name]);
}

function clientFault(
  name: string,
  does: string,
  id: string,
  spec: (clusterDns: string) => Readonly<Record<string, unknown>>,
): Fault {
  return {
    name,
    does,
    service: name,
    client: name,
    objects: [service(name), clientPod(name, node)],
    expected: [id],
    inject: async (place) => {
      await remake(place, name, spec(await place.clusterIp('kube-system/kube-dns')));
      return async () => remake(place, name, {});
    },
  };
}

export const clientDns: FaultGroup = {
  name: 'DNS of one client',
  graceSeconds: 0,
  faults: [
    clientFault(
      'resolv-conf-of-another-server',
      "the client's resolv.conf names a server that is not the cluster's (dnsPolicy None)",
      'DNS-SEARCH',
      () => ({
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['192.0.2.53'],
          searches: [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'],
          options: [{ name: 'ndots', value: '5' }],
        },
      }),
    ),
    clientFault(
      'search-path-lost',
      "the client's resolv.conf has no search domain of the cluster",
      'DNS-SEARCH',
      (clusterDns) => ({
        dnsPolicy: 'None',
        dnsConfig: { nameservers: [clusterDns], searches: ['example.com'], options: [{ name: 'ndots', value: '5' }] },
      }),
    ),
    clientFault('dns-policy-default', "the client has dnsPolicy Default, and so the node's DNS", 'DNS-POLICY', () => ({
      dnsPolicy: 'Default',
    })),
  ],
};
