/** Which rules of the chains that all Services share are a Service's own, by the lines that kube-proxy writes. */
import { describe, expect, it } from 'vitest';
import { iptablesChainNames } from '../../../core/kube-proxy/chain-names.ts';
import type { ProbeRequestService } from '../../../core/wire/probe-request.ts';
import { selectorOf } from '../../../probe/rules/service-selector.ts';

const own: ProbeRequestService = {
  namespace: 'tenant',
  name: 'web',
  clusterIPs: ['10.96.0.7', 'fd00:96::7'],
  externalIPs: ['10.96.0.50', '203.0.113.9', '198.51.100.7'],
  loadBalancerIPs: ['fd00:96::50'],
  ownIPs: ['198.51.100.7'],
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
};
const chains = iptablesChainNames({ namespace: 'tenant', name: 'web', portName: 'http', protocol: 'TCP' });
const concerns = (line: string): boolean => selectorOf(own).concerns(line);

describe('a rule', () => {
  it.each([
    '-A KUBE-SERVICES -d 10.96.0.50/32 -p tcp -m comment --comment "victim/secret:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-VICTIMVICTIMVICT',
    '-A KUBE-SERVICES -d 10.96.0.50/32 -p tcp -m comment --comment "victim/secret:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
    '-A KUBE-SERVICES -d fd00:96::50/128 -p tcp -m comment --comment "victim/secret:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-VICTIMVICTIMVICT',
    '-A KUBE-SERVICES -d 203.0.113.9/32 -p tcp -m comment --comment "victim/secret:http external IP" -m tcp --dport 80 -j KUBE-EXT-VICTIMVICTIMVICT',
    '-A KUBE-PROXY-FIREWALL -d 203.0.113.9/32 -p tcp -m comment --comment "victim/secret:http traffic not accepted by KUBE-FW-VICTIMVICTIMVICT" -m tcp --dport 80 -j DROP',
    '-A PREROUTING -d 203.0.113.9/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.0.2.22',
    '-A KUBE-SERVICES -d 10.96.0.51/32 -p tcp -m comment --comment "tenant-b/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-VICTIMVICTIMVICT',
    '-A KUBE-SERVICES -d 10.96.0.51/32 -p tcp -m comment --comment "tenant/web-2:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-VICTIMVICTIMVICT',
  ])("is not the Service's for an address that it claims: %s", (line) => {
    expect(concerns(line)).toBe(false);
  });

  it.each([
    '-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j SOMEBODYS-CHAIN',
    '-A KUBE-SERVICES -d 198.51.100.7/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.22',
    '-A KUBE-SERVICES -d 10.96.0.50/32 -p tcp -m comment --comment "tenant/web:http external IP" -m tcp --dport 80 -j KUBE-EXT-ANYTHING',
    `-A KUBE-SERVICES -d 203.0.113.9/32 -p tcp -m tcp --dport 80 -j ${chains.external}`,
    '-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j SOMEBODYS-CHAIN',
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  ])('is its own by its name, its chains, or an address that is its alone: %s', (line) => {
    expect(concerns(line)).toBe(true);
  });
});
