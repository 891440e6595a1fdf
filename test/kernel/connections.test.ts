/** The active check with real sockets and real rules, in a namespace of its own. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseNodeReport, recordsOf } from '../../core/node-report.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft']);
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
];

/** DNAT as kube-proxy does it, a reject as it writes it for a Service without endpoints, and a DROP of somebody else's. */
const rules = `table ip t {
	chain output { type nat hook output priority -100; ip daddr 10.96.0.7 tcp dport 80 dnat to 10.0.0.1:8080; }
	chain filter { type filter hook output priority 0; ip daddr 10.96.0.8 reject; ip daddr 10.96.0.9 drop; }
}
`;

async function outcomes(http: boolean): Promise<Map<string, string>> {
  const request = JSON.stringify({
    version: 1,
    node: 'test',
    services: [],
    collect: { rules: false, conntrack: 'None', kubeProxy: false, connect: { http, targets: targets.map((target) => ({ service: 'default/auth-service', ...target })) } },
    maxConntrackEntries: 0,
  });
  const output = await inNamespace(`ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.0.0.1/24 dev v0; ip link set v0 up; ip link set v1 up; ip route add 10.96.0.0/16 dev v0
nft -f - <<'RULES'
${rules}RULES
said=$(mktemp); ${script('connection-servers.ts')} >"$said" & servers=$!
until grep -q listening "$said"; do kill -0 $servers; sleep 0.1; done
printf '%s\\n' '${request}' | ${script('../../probe/main.ts')}
kill $servers; rm "$said"`);
  return new Map(recordsOf(parseNodeReport(output), 'connection').map(({ address, port, protocol, outcome, status }) => [`${address}:${String(port)}/${protocol}`, status === undefined ? outcome : `${outcome} ${String(status)}`]));
}

for (const http of [false, true]) {
  it(`tells what becomes of each connection${http ? ' and each GET' : ''}`, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    expect(Object.fromEntries(await outcomes(http))).toEqual({
      '10.0.0.1:8080/TCP': http ? 'answered 418' : 'connected',
      '10.0.0.1:8081/TCP': 'connected',
      '10.0.0.1:8082/TCP': 'connected',
      '10.0.0.1:9/TCP': 'refused',
      '10.96.0.7:80/TCP': http ? 'answered 418' : 'connected',
      '10.96.0.8:80/TCP': 'refused',
      '10.96.0.9:80/TCP': 'timeout',
      '192.0.2.1:80/TCP': 'unreachable',
      '10.0.0.1:5353/UDP': 'answered',
      '10.0.0.1:5354/UDP': 'noReply',
      '10.0.0.1:9/UDP': 'refused',
      '10.96.0.7:80/SCTP': 'untried',
    });
  });
}
