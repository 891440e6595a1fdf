import { hostPort } from '../../net/address.ts';
import { isWithin } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { servicePortText } from '../checks/target-port.ts';

/** How long an entry that nobody answers lives (nf_conntrack_udp_timeout_stream, the longest of them). */
const entryMilliseconds = 180_000;

export const svcPortUndefined: FindingKind = {
  id: 'SVC-PORT-UNDEFINED',
  topic: 'service',
  severity: 'warning',
  isLasting: true,
  condition:
    'Clients send packets to a cluster IP of the Service on a port or protocol that the Service does not have; known from the conntrack table of a node.',
  notReported:
    'In the first 3 minutes of a Service, whose address another one may have had before; on nodes of the modes nftables and IPVS, which refuse such packets, so that no conntrack entry stays; other addresses than cluster IPs, which Services may share; with collect.conntrack None.',
  source: 'kubernetes/kubernetes#22952; pkg/proxy/nftables/README.md cluster-ips',
  find: ({ desired, nodes, cluster, now }) =>
    nodes
      .filter(() => !isWithin(cluster?.service?.createdAt, entryMilliseconds, now))
      .flatMap(({ node, read }) =>
        (read?.conntrack?.otherPorts ?? []).map(({ protocol, destination, destinationPort, entries, sources }) => ({
          where: `node/${node}`,
          node,
          message: `Clients on ${node} send to ${hostPort(destination, destinationPort)}/${protocol.toUpperCase()}, and Service ${desired.name} has no such port.`,
          evidence: [
            `ports of the Service: ${desired.service.ports.map(servicePortText).join(', ') || 'none'}`,
            `conntrack entries: ${entries}`,
            ...listed(sources.map((source) => `client ${source}`)),
          ],
          advice: 'Let the client use one of the ports, or add the port to the Service.',
          commands: [kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`)],
        })),
      ),
};
