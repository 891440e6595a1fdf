/** The active check with real sockets and real rules, in a namespace of its own. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { iptablesChainNames } from '../../core/kube-proxy/chain-names.ts';
import { parseNodeReport, recordsOf } from '../../core/wire/node-report.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'iptables-nft-restore', 'conntrack']);
const script = (path: string): string => `${process.execPath} ${fileURLToPath(new URL(path, import.meta.url))}`;

const targets = [
  { hop: 'Endpoint', address: '10.0.0.1', port: 8080, protocol: 'TCP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 8081, protocol: 'TCP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 8082, protocol: 'TCP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 9, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '10.96.0.7', port: 80, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '10.96.0.8', port: 80, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '10.96.0.9', port: 80, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '192.0.2.1', port: 80, protocol: 'TCP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 5353, protocol: 'UDP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 5354, protocol: 'UDP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 9, protocol: 'UDP' },
  { hop: 'ClusterIP', address: '10.96.0.7', port: 80, protocol: 'SCTP' },
  // What somebody would like a node to connect to.
  { hop: 'ClusterIP', address: '10.96.0.10', port: 80, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '10.96.0.11', port: 80, protocol: 'TCP' },
  { hop: 'ClusterIP', address: '10.96.0.50', port: 80, protocol: 'TCP' },
  { hop: 'Endpoint', address: '10.0.0.1', port: 7070, protocol: 'TCP' },
  { hop: 'ExternalIP', address: '10.0.0.1', port: 7070, protocol: 'TCP' },
  { hop: 'LoadBalancerIP', address: '10.0.0.1', port: 80, protocol: 'TCP' },
  { hop: 'NodePort', address: '10.0.0.1', port: 7070, protocol: 'TCP' },
  { hop: 'NodePort', address: '10.0.0.1', port: 30080, protocol: 'TCP' },
  { hop: 'NodePort', address: '192.0.2.7', port: 30080, protocol: 'TCP' },
];

const service = {
  namespace: 'default',
  name: 'auth-service',
  clusterIPs: ['10.96.0.7', '10.96.0.8', '10.96.0.9', '10.96.0.10', '10.96.0.11', '192.0.2.1'],
  externalIPs: [],
  loadBalancerIPs: ['10.0.0.1'],
  ownIPs: [],
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 },
    { name: 'sctp', protocol: 'SCTP', port: 80 },
  ],
};
const backends = [8080, 8081, 8082, 9, 5353, 5354].map((port) => ({ address: '10.0.0.1', port }));
const { cluster } = iptablesChainNames({
  namespace: 'default',
  name: 'auth-service',
  portName: 'http',
  protocol: 'TCP',
});

/** As kube-proxy writes them: 10.96.0.7 and .11 are DNATed to an endpoint, .10 to what was one a moment ago, and is somebody else. */
const kubeRules = `*nat
:KUBE-SERVICES - [0:0]
:${cluster} - [0:0]
:KUBE-SEP-OWN - [0:0]
:KUBE-SEP-OTHER - [0:0]
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j ${cluster}
-A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j ${cluster}
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j KUBE-SEP-OTHER
-A ${cluster} -j KUBE-SEP-OWN
-A KUBE-SEP-OWN -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:8080
-A KUBE-SEP-OTHER -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:7070
COMMIT
`;

/** A reject as kube-proxy writes it for a Service without endpoints, a DROP of somebody else's, a DNAT that comes before kube-proxy's, and the loss of the first datagram. */
const rules = `table ip t {
	chain output { type nat hook output priority -110; ip daddr 10.96.0.11 tcp dport 80 dnat to 10.0.0.1:7070; }
	chain filter { type filter hook output priority 0; ip daddr 10.96.0.8 reject; ip daddr 10.96.0.9 drop; }
	chain lossy { type filter hook input priority 0; udp dport 5353 numgen inc mod 2 0 drop; }
}
`;

async function outcomes(http: boolean): Promise<{ readonly outcomes: Map<string, string>; readonly servers: string }> {
  const request = JSON.stringify({
    version: 1,
    node: 'test',
    services: [service],
    collect: {
      rules: false,
      conntrack: 'None',
      kubeProxy: false,
      connect: { http, backends, targets: targets.map((target) => ({ service: 'default/auth-service', ...target })) },
    },
    maxConntrackEntries: 0,
  });
  const output =
    await inNamespace(`ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.0.0.1/24 dev v0; ip link set v0 up; ip link set v1 up; ip route add 10.96.0.0/16 dev v0
nft -f - <<'RULES'
${rules}RULES
iptables-nft-restore <<'RULES'
${kubeRules}RULES
said=$(mktemp); ${script('connection-servers.ts')} >"$said" & servers=$!
until grep -q listening "$said"; do kill -0 $servers; sleep 0.1; done
printf '%s\\n' '${request}' | ${script('../../probe/main.ts')}
kill $servers; printf '=====\\n'; cat "$said"; rm "$said"`);
  const [printed = '', servers = ''] = output.split('=====\n');
  const found = recordsOf(parseNodeReport(printed), 'connection').map(
    ({ hop, address, port, protocol, outcome, status, error }) =>
      [
        `${hop} ${address}:${String(port)}/${protocol}`,
        status === undefined
          ? outcome === 'untried'
            ? `${outcome}: ${error ?? ''}`
            : outcome
          : `${outcome} ${String(status)}`,
      ] as const,
  );
  return { outcomes: new Map(found), servers };
}

for (const http of [false, true]) {
  it(`reports the result of each connection${http ? ' and each GET' : ''}`, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const { outcomes: found, servers } = await outcomes(http);
    const other = 'untried: what it was sent to is not an endpoint of the Service';
    const notOwn = "untried: it is not the Service's own";
    expect(Object.fromEntries(found)).toEqual({
      'Endpoint 10.0.0.1:8080/TCP': http ? 'answered 418' : 'connected',
      'Endpoint 10.0.0.1:8081/TCP': 'connected',
      'Endpoint 10.0.0.1:8082/TCP': 'connected',
      'Endpoint 10.0.0.1:9/TCP': 'refused',
      'ClusterIP 10.96.0.7:80/TCP': http ? 'answered 418' : 'connected',
      'ClusterIP 10.96.0.8:80/TCP': 'refused',
      'ClusterIP 10.96.0.9:80/TCP': 'timeout',
      'ClusterIP 192.0.2.1:80/TCP': 'unreachable',
      'Endpoint 10.0.0.1:5353/UDP': 'answered',
      'Endpoint 10.0.0.1:5354/UDP': 'noReply',
      'Endpoint 10.0.0.1:9/UDP': 'refused',
      'ClusterIP 10.96.0.7:80/SCTP': 'untried: this probe has no SCTP',
      // kube-proxy's rules lead it to somebody else by now; somebody else's rule does, before them; it is another Service's.
      'ClusterIP 10.96.0.10:80/TCP': 'untried: the rules of the node send it to what is not an endpoint of the Service',
      'ClusterIP 10.96.0.11:80/TCP': other,
      'ClusterIP 10.96.0.50:80/TCP': notOwn,
      'Endpoint 10.0.0.1:7070/TCP': notOwn,
      'ExternalIP 10.0.0.1:7070/TCP': notOwn,
      'LoadBalancerIP 10.0.0.1:80/TCP': notOwn,
      'NodePort 10.0.0.1:7070/TCP': notOwn,
      'NodePort 10.0.0.1:30080/TCP': 'refused',
      'NodePort 192.0.2.7:30080/TCP': notOwn,
    });
    // Not even a request came there.
    expect(servers.trim()).toBe('listening');
  });
}
