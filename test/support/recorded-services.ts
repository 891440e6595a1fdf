/** Services of the node that test/fixtures/rulesets was recorded on, as a probe is asked for them. */
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';

function service(
  name: string,
  clusterIP: string,
  ports: ProbeRequestService['ports'],
  extra: Partial<ProbeRequestService> = {},
): ProbeRequestService {
  return { namespace: 'kinds', name, clusterIPs: [clusterIP], externalIPs: [], loadBalancerIPs: [], ports, ...extra };
}

/** Those with endpoints. */
export const recordedServices: readonly ProbeRequestService[] = [
  service('auth-service', '10.96.176.182', [{ name: 'http', protocol: 'TCP', port: 80 }], { namespace: 'default' }),
  service('sticky', '10.96.147.130', [{ protocol: 'TCP', port: 80 }]),
  service('internal-local', '10.96.236.140', [{ protocol: 'TCP', port: 80 }]),
  service('external-ip', '10.96.40.18', [{ protocol: 'TCP', port: 80 }], { externalIPs: ['198.51.100.7'] }),
  service('node-port', '10.96.198.84', [{ protocol: 'TCP', port: 80, nodePort: 30080 }]),
  service('node-port-local', '10.96.126.45', [{ protocol: 'TCP', port: 80, nodePort: 30081 }]),
  service('load-balancer', '10.96.178.104', [{ protocol: 'TCP', port: 443, nodePort: 30443 }], {
    loadBalancerIPs: ['203.0.113.10'],
  }),
  service('load-balancer-local', '10.96.212.246', [{ protocol: 'TCP', port: 443, nodePort: 30444 }], {
    loadBalancerIPs: ['203.0.113.11'],
  }),
  service('many-ports', '10.96.124.7', [
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'admin', protocol: 'TCP', port: 81 },
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'signalling', protocol: 'SCTP', port: 3868 },
  ]),
];

/** Its rules refuse it, and it has no chain of its own. */
export const serviceWithoutEndpoints = service('nobody-home', '10.96.224.65', [
  { protocol: 'TCP', port: 80, nodePort: 30082 },
]);
