/** What a probe reports of its node besides rules, with no more than a probe's two capabilities. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseNodeReport, recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['conntrack', 'nft', 'setpriv']);
const probe = `setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all --no-new-privs ${process.execPath} ${fileURLToPath(new URL('../../probe/main.ts', import.meta.url))}`;
const service = {
  namespace: 'default',
  name: 'auth-service',
  clusterIPs: ['10.96.0.7', 'fd00:96::7'],
  externalIPs: [],
  loadBalancerIPs: ['10.96.0.9'],
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 },
    { name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 },
  ],
  healthCheckNodePort: 30900,
};
const request = JSON.stringify({
  version: 1,
  node: 'test',
  services: [service],
  collect: { rules: true, conntrack: 'None', kubeProxy: true, system: true },
  maxConntrackEntries: 0,
});

/** kube-proxy in mode ipvs, as far as a probe asks it, and a program of the host on two of the Service's ports. */
const servers = `
const http = require('node:http'), net = require('node:net'), dgram = require('node:dgram');
http.createServer((asked, answer) => {
  if (asked.url === '/proxyMode') answer.end('ipvs');
  else if (asked.url === '/configz') answer.end('{"kubeproxy.config.k8s.io":{"mode":"ipvs"}}');
  else if (asked.url === '/metrics') answer.end('go_info 1\\nprocess_start_time_seconds 1.7e+09\\n');
  else { answer.statusCode = 404; answer.end(); }
}).listen(10249, '127.0.0.1');
http.createServer((asked, answer) => { answer.statusCode = 503; answer.end('{"localEndpoints": 0, "serviceProxyHealthy": true}'); }).listen(30900, '0.0.0.0');
net.createServer().listen(30080, '::');
dgram.createSocket('udp4').bind(30053, '192.0.2.2');
setTimeout(() => process.exit(), 20000);
`;

async function report(prepare: string): Promise<NodeReport> {
  return parseNodeReport(
    await inNamespace(`
      ip link set lo up
      ${prepare}
      printf '%s\\n' '${request}' | ${probe}`),
  );
}

it('reports settings, interfaces, addresses of interfaces that are down, sockets, health and statistics', async ({
  skip,
}) => {
  if (unavailable !== undefined) return skip(unavailable);
  const read = await report(`
    ip link add eth0 type veth peer name eth0-peer
    ip link set eth0 up
    ip link set eth0-peer up
    ip link add vips type veth peer name vips-peer
    ip address add 192.0.2.2/24 dev eth0
    ip address add 10.96.0.7/32 dev vips
    ip address add fd00:96::7/128 dev vips nodad
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.eth0.forwarding=0
    iptables-legacy -t nat -N KUBE-SVC-FCQA5OQTFYIPVXUO
    nft add table ip kube-proxy
    ${process.execPath} - <<'PROGRAM' & servers=$!
${servers}PROGRAM
    trap 'kill $servers' EXIT
    until ${process.execPath} -e 'require("node:net").connect(30900, "127.0.0.1").on("connect", () => process.exit(0)).on("error", () => process.exit(1))'; do :; done`);
  // A kernel without IPVS has no virtual servers to be read; all the rest is there.
  expect(recordsOf(read, 'unread').filter(({ what }) => !what.startsWith('rules of IPVS'))).toEqual([]);
  expect(recordsOf(read, 'system')[0]?.sysctls).toMatchObject({
    'net/ipv4/ip_forward': '1',
    'net/ipv4/conf/all/rp_filter': '0',
    'net/netfilter/nf_conntrack_tcp_be_liberal': '0',
  });
  expect(recordsOf(read, 'interfaces')[0]?.interfaces.find(({ name }) => name === 'eth0')).toMatchObject({
    addresses: expect.arrayContaining(['192.0.2.2']),
    rpFilter: 1,
    forwarding: { IPv4: 0 },
  });
  expect(recordsOf(read, 'localAddresses')).toMatchObject([
    { local: ['10.96.0.7', 'fd00:96::7'], missing: ['10.96.0.9'] },
  ]);
  expect(recordsOf(read, 'sockets')[0]?.listening).toEqual([
    { protocol: 'TCP', address: '0.0.0.0', port: 30900, uid: 0 },
    { protocol: 'TCP', address: '::', port: 30080, uid: 0 },
    { protocol: 'UDP', address: '192.0.2.2', port: 30053, uid: 0 },
  ]);
  expect(recordsOf(read, 'healthCheck')).toMatchObject([
    { port: 30900, address: '127.0.0.1', status: 503, localEndpoints: 0, serviceProxyHealthy: true, errors: [] },
  ]);
  expect(recordsOf(read, 'otherModes')[0]?.found).toEqual([
    { mode: 'nftables', family: 'IPv4', what: 'table ip kube-proxy of nf_tables' },
    { mode: 'iptables', family: 'IPv4', what: 'chain KUBE-SVC-FCQA5OQTFYIPVXUO of nat (legacy)' },
  ]);
  const [statistics] = recordsOf(read, 'conntrackStatistics');
  expect(Object.keys(statistics?.first ?? {})).toEqual(
    expect.arrayContaining(['insert_failed', 'drop', 'early_drop', 'invalid']),
  );
  expect(statistics?.milliseconds).toBeGreaterThan(0);
  expect(recordsOf(read, 'kubeProxy')[0]).toMatchObject({
    configz: '{"kubeproxy.config.k8s.io":{"mode":"ipvs"}}',
    metrics: ['process_start_time_seconds 1.7e+09'],
  });
});

it('says nothing of what is not there, and nothing is unread', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const read = await report(':');
  expect(recordsOf(read, 'unread')).toEqual([]);
  expect(recordsOf(read, 'sockets')).toMatchObject([{ listening: [] }]);
  expect(recordsOf(read, 'localAddresses')).toEqual([]);
  expect(recordsOf(read, 'otherModes')).toEqual([]);
  const [health] = recordsOf(read, 'healthCheck');
  expect(health?.status).toBeUndefined();
  expect(health?.errors[0]).toContain('127.0.0.1:30900: connect ECONNREFUSED');
});
