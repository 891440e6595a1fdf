/** Single changes of the virtual servers of a node in IPVS mode, and the findings that each must give. */
import type { DesiredService } from '../../core/api/service.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import { endpoint } from './node-facts.ts';

export interface IpvsCase {
  readonly name: string;
  /** Of lines of ipvsadm -Sn, or to those of ipvsadm -Ln. */
  readonly change: (servers: string[]) => string[];
  readonly desired?: DesiredService;
  /** Records beside those of rules. */
  readonly records?: readonly NodeReportRecord[];
  readonly kernel?: string;
  readonly ids: readonly string[];
}

/** The Service web of test/fixtures/rulesets/ipvs. */
export const ipvsService: DesiredService = {
  namespace: 'kinds',
  name: 'web',
  service: {
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.7'],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ protocol: 'TCP', port: 80 }],
    sessionAffinity: 'None',
  },
  endpointSlices: [
    {
      name: 'web-1',
      addressType: 'IPv4',
      ports: [{ protocol: 'TCP', port: 8080 }],
      endpoints: [endpoint('10.244.1.2'), endpoint('10.244.2.2', { nodeName: 'node-b' })],
    },
  ],
};

const local = (missing: string[]): NodeReportRecord => ({
  kind: 'localAddresses',
  service: 'kinds/web',
  local: missing.length === 0 ? ['10.96.0.7'] : [],
  missing,
});
const reuse = (mode: string, conntrack = '1'): NodeReportRecord => ({
  kind: 'system',
  cpus: 2,
  hostname: 'node-a',
  sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv4/vs/conn_reuse_mode': mode, 'net/ipv4/vs/conntrack': conntrack },
});

const quiescent = (value: string): NodeReportRecord => ({
  kind: 'system',
  cpus: 2,
  hostname: 'node-a',
  sysctls: { 'net/ipv4/vs/expire_quiescent_template': value },
});
const persistent = (servers: string[]): string[] => servers.map((line) => line.replace('-s rr', '-s rr -p 600'));
const stickyService: DesiredService = {
  ...ipvsService,
  service: { ...ipvsService.service, sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 600 },
};

export const ipvsCases: readonly IpvsCase[] = [
  { name: 'as it was recorded, with one that drains', change: (servers) => servers, ids: [] },
  { name: 'without its virtual server', change: () => [], ids: ['IPVS-VS-MISSING'] },
  {
    name: 'without a real server',
    change: (servers) => servers.filter((line) => !line.includes('10.244.2.2')),
    ids: ['IPVS-RS-MISSING'],
  },
  {
    name: 'with a real server more',
    change: (servers) => [...servers, '-a -t 10.96.0.7:80 -r 10.244.9.9:8080 -m -w 1'],
    ids: ['IPVS-RS-STALE'],
  },
  {
    name: 'with another port',
    change: (servers) => servers.map((line) => line.replace('10.244.2.2:8080', '10.244.2.2:8081')),
    ids: ['IPVS-RS-STALE'],
  },
  {
    name: 'with a ready endpoint of weight 0',
    change: (servers) => servers.map((line) => (line.includes('10.244.2.2') ? line.replace('-w 1', '-w 0') : line)),
    ids: ['IPVS-W0'],
  },
  {
    name: 'with uneven weights',
    change: (servers) =>
      servers.map((line) =>
        line.includes('10.244.2.2') ? line.replace('-w 1', '-w 3') : line.replace('-s rr', '-s wrr'),
      ),
    ids: [],
  },
  {
    name: 'with persistence that nobody asked for',
    change: (servers) => servers.map((line) => line.replace('-s rr', '-s rr -p 600')),
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'without persistence that the Service asks for',
    change: (servers) => servers,
    desired: {
      ...ipvsService,
      service: { ...ipvsService.service, sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 600 },
    },
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'with a virtual server for a port that it lacks',
    change: (servers) => [...servers, '-A -t 10.96.0.7:8443 -s rr', '-a -t 10.96.0.7:8443 -r 10.244.1.2:8443 -m -w 1'],
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'with connections to one that drains',
    change: () => [
      'IP Virtual Server version 1.2.1 (size=4096)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      'TCP  10.96.0.7:80 rr',
      '  -> 10.244.1.2:8080              Masq    1      0          0',
      '  -> 10.244.2.2:8080              Masq    1      0          0',
      '  -> 10.244.3.2:8080              Masq    0      2          0',
    ],
    ids: ['IPVS-LINGER'],
  },
  { name: 'with the address on kube-ipvs0', change: (servers) => servers, records: [local([])], ids: [] },
  {
    name: 'without the address on kube-ipvs0',
    change: (servers) => servers,
    records: [local(['10.96.0.7'])],
    ids: ['IPVS-NO-VIP'],
  },
  {
    name: 'with neither the address nor its virtual server',
    change: () => [],
    records: [local(['10.96.0.7'])],
    ids: ['IPVS-VS-MISSING'],
  },
  {
    name: 'where ports are used again, on an old kernel',
    change: (servers) => servers,
    records: [reuse('1')],
    kernel: '5.4.0-42-generic',
    ids: ['IPVS-REUSE'],
  },
  {
    name: 'where kube-proxy turned that off, on an old kernel',
    change: (servers) => servers,
    records: [reuse('0')],
    kernel: '5.4.0-42-generic',
    ids: [],
  },
  {
    name: 'where conntrack of IPVS is off, on an old kernel',
    change: (servers) => servers,
    records: [reuse('1', '0')],
    kernel: '4.18.0',
    ids: [],
  },
  { name: 'where ports are used again', change: (servers) => servers, records: [reuse('1')], ids: [] },
  { name: 'where somebody turned that off', change: (servers) => servers, records: [reuse('0')], ids: ['IPVS-REUSE'] },
  {
    name: 'where drained servers keep their clients',
    change: persistent,
    desired: stickyService,
    records: [quiescent('0')],
    ids: ['SVC-AFFINITY-STUCK'],
  },
  {
    name: 'where drained servers let their clients go',
    change: persistent,
    desired: stickyService,
    records: [quiescent('1')],
    ids: [],
  },
];
