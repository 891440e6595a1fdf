/** The commands of the IPVS mode, answered as ipvsadm 1.31, ipset 7.17 and iptables 1.8.9 answer. */
import { describe, expect, it } from 'vitest';
import { recordsOf, type NodeReportRecord } from '../../../core/wire/node-report.ts';
import { readIpvs } from '../../../probe/rules/read-ipvs.ts';
import type { Commands } from '../../../probe/io/commands.ts';

const listing = [
  'Prot LocalAddress:Port Scheduler Flags',
  '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
  'TCP  10.96.0.7:80 rr',
  '  -> 10.244.1.2:8080              Masq    1      3          12',
  '  -> 10.244.2.2:8080              Masq    1      2          11',
];
const stats = [
  'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes',
  '  -> RemoteAddress:Port',
  'TCP  10.96.0.7:80                       28      160      120     9600    24000',
  '  -> 10.244.1.2:8080                    15       90       60     5400    12000',
  '  -> 10.244.2.2:8080                    13       70       60     4200    12000',
];

/** Answers by the words of a command; what is not among them is not there. */
function answers(table: Readonly<Record<string, readonly string[]>>, asked: string[] = []): Commands {
  return {
    async stream(argv, onLine) {
      const words = argv.join(' ');
      asked.push(words);
      const lines = table[words];
      if (lines === undefined)
        return {
          status: 2,
          problem: words.startsWith('ipvsadm') ? 'No such service' : `${argv[0]} failed`,
          errors: [],
        };
      lines.forEach(onLine);
      return { status: 0, problem: '', errors: [] };
    },
  };
}

const service = {
  namespace: 'default',
  name: 'auth-service',
  clusterIPs: ['10.96.0.7', 'fd00:10:96::7'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [{ name: 'http', protocol: 'TCP' as const, port: 80, nodePort: 30080 }],
};

const node = {
  'ipvsadm -L -n --exact -t 10.96.0.7:80': listing,
  'ipvsadm -L -n --exact --stats -t 10.96.0.7:80': stats,
  'ipset list -n': ['KUBE-CLUSTER-IP', 'KUBE-LOOP-BACK', 'KUBE-NODE-PORT-TCP', 'KUBE-6-CLUSTER-IP', 'cali40all-hosts'],
  'ipset save KUBE-CLUSTER-IP': [
    'create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536',
    'add KUBE-CLUSTER-IP 10.96.0.7,tcp:80',
    'add KUBE-CLUSTER-IP 10.96.0.10,udp:53',
  ],
  'ipset save KUBE-LOOP-BACK': [
    'create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536',
    'add KUBE-LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2',
    'add KUBE-LOOP-BACK 10.244.9.9,tcp:53,10.244.9.9',
  ],
  'ipset save KUBE-NODE-PORT-TCP': [
    'create KUBE-NODE-PORT-TCP bitmap:port range 0-65535',
    'add KUBE-NODE-PORT-TCP 30080',
    'add KUBE-NODE-PORT-TCP 30999',
  ],
  'iptables-nft-save -c -t nat': [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ':DOCKER - [0:0]',
    '[1:60] -A PREROUTING -j KUBE-SERVICES',
    '[0:0] -A DOCKER -j RETURN',
    '[1:60] -A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT',
    'COMMIT',
  ],
  'iptables-nft-save -c -t filter': ['*filter', ':INPUT ACCEPT [0:0]', 'COMMIT'],
};

async function read(
  commands: Commands,
  addresses: readonly string[] = ['172.30.0.11', '127.0.0.1'],
  servers: Parameters<typeof readIpvs>[5] = [],
): Promise<NodeReportRecord[]> {
  const records: NodeReportRecord[] = [];
  await readIpvs(commands, 'IPv4', 'nf_tables', [service], addresses, servers, (record) => records.push(record));
  return records;
}

const reportOf = (records: NodeReportRecord[]): Parameters<typeof recordsOf>[0] => ({
  node: 'node-a',
  records,
  complete: true,
});

describe('readIpvs', () => {
  it("asks for the Service's own virtual servers, and keeps of the sets what names it", async () => {
    const asked: string[] = [];
    const records = await read(answers(node, asked));
    expect(recordsOf(reportOf(records), 'ipvs')).toEqual([
      { kind: 'ipvs', service: 'default/auth-service', family: 'IPv4', lines: [...listing, ...stats] },
    ]);
    // Of the NodePort there is no virtual server on this node: that is an answer, and no failure.
    expect(asked.filter((words) => words.startsWith('ipvsadm'))).toEqual([
      'ipvsadm -L -n --exact -t 10.96.0.7:80',
      'ipvsadm -L -n --exact --stats -t 10.96.0.7:80',
      'ipvsadm -L -n --exact -t 172.30.0.11:30080',
      'ipvsadm -L -n --exact --stats -t 172.30.0.11:30080',
    ]);
    expect(recordsOf(reportOf(records), 'ipSet').map(({ name, lines }) => [name, lines.slice(1)])).toEqual([
      ['KUBE-CLUSTER-IP', ['add KUBE-CLUSTER-IP 10.96.0.7,tcp:80']],
      ['KUBE-LOOP-BACK', ['add KUBE-LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2']],
      ['KUBE-NODE-PORT-TCP', ['add KUBE-NODE-PORT-TCP 30080']],
    ]);
    expect(
      recordsOf(reportOf(records), 'iptablesChain').map(
        ({ table, chain, lines }) => `${table} ${chain} ${String(lines.length)}`,
      ),
    ).toEqual(['nat PREROUTING 1', 'nat KUBE-SERVICES 1', 'filter INPUT 0']);
    expect(recordsOf(reportOf(records), 'unread')).toEqual([]);
  });

  it('reads virtual servers of its cluster IP on ports that it does not have, and of no other address', async () => {
    const leftover = ['TCP  10.96.0.7:8443 rr', '  -> 10.244.1.2:8443              Masq    1      0          0'];
    const asked: string[] = [];
    const servers = [
      ['10.96.0.7', 8443],
      ['10.96.0.7', 80],
      ['172.30.0.11', 31000],
      ['10.96.0.8', 80],
      ['fd00:10:96::7', 8443],
    ].map(([address, port]) => ({ protocol: 'TCP' as const, address: String(address), port: Number(port) }));
    const records = await read(
      answers(
        {
          ...node,
          'ipvsadm -L -n --exact -t 10.96.0.7:8443': leftover,
          'ipvsadm -L -n --exact --stats -t 10.96.0.7:8443': [],
        },
        asked,
      ),
      undefined,
      servers,
    );
    expect(recordsOf(reportOf(records), 'ipvs')).toMatchObject([{ lines: [...listing, ...stats, ...leftover] }]);
    expect(asked.filter((words) => words.startsWith('ipvsadm')).length).toBe(6);
  });

  it('says what could not be read', async () => {
    const broken: Commands = {
      stream: async (argv) => ({ status: 127, problem: `${argv[0]} is not installed`, errors: [] }),
    };
    expect(recordsOf(reportOf(await read(broken)), 'unread')).toEqual([
      {
        kind: 'unread',
        service: 'default/auth-service',
        family: 'IPv4',
        part: 'rules',
        what: 'rules of IPVS, virtual servers',
        reason: 'ipvsadm is not installed',
      },
    ]);
    const rest = Object.entries(node).filter(([words]) => words !== 'ipset list -n' && !words.endsWith('-t nat'));
    expect(
      recordsOf(reportOf(await read(answers(Object.fromEntries(rest)))), 'unread').map(({ what }) => what),
    ).toEqual(['rules of IPVS, sets of ipset', 'rules of iptables-nft-save, table nat']);
  });

  it('keeps nothing of another Service whose address it claims, or has made an endpoint of by hand', async () => {
    const byHand = [
      'TCP  10.96.0.7:80 rr',
      '  -> 10.96.0.50:443              Masq    1      0          0',
      '  -> 10.244.1.2:8080              Masq    1      0          0',
    ];
    const sets = {
      'ipset list -n': [
        'KUBE-CLUSTER-IP',
        'KUBE-LOOP-BACK',
        'KUBE-LOAD-BALANCER-SOURCE-CIDR',
        'KUBE-EXTERNAL-IP',
        'KUBE-NODE-PORT-LOCAL-SCTP-HASH',
      ],
      'ipset save KUBE-CLUSTER-IP': [
        'create KUBE-CLUSTER-IP hash:ip,port',
        'add KUBE-CLUSTER-IP 10.96.0.7,tcp:80',
        'add KUBE-CLUSTER-IP 10.96.0.50,tcp:443',
        'add KUBE-CLUSTER-IP 10.96.0.50,udp:30080',
      ],
      'ipset save KUBE-LOOP-BACK': [
        'create KUBE-LOOP-BACK hash:ip,port,ip',
        'add KUBE-LOOP-BACK 10.96.0.50,tcp:9000,10.96.0.50',
        'add KUBE-LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2',
        'add KUBE-LOOP-BACK 10.244.1.2,tcp:9999,10.244.1.2',
      ],
      'ipset save KUBE-LOAD-BALANCER-SOURCE-CIDR': [
        'create KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net',
        'add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,192.0.2.0/24',
        'add KUBE-LOAD-BALANCER-SOURCE-CIDR 10.96.0.50,tcp:443,192.0.2.0/24',
      ],
      'ipset save KUBE-EXTERNAL-IP': [
        'create KUBE-EXTERNAL-IP hash:ip,port',
        'add KUBE-EXTERNAL-IP 203.0.113.9,tcp:80',
        'add KUBE-EXTERNAL-IP 203.0.113.9,tcp:443',
      ],
      'ipset save KUBE-NODE-PORT-LOCAL-SCTP-HASH': [
        'create KUBE-NODE-PORT-LOCAL-SCTP-HASH hash:ip,port',
        'add KUBE-NODE-PORT-LOCAL-SCTP-HASH 172.30.0.11,sctp:30080',
        'add KUBE-NODE-PORT-LOCAL-SCTP-HASH 172.30.0.11,sctp:30081',
      ],
    };
    const records: NodeReportRecord[] = [];
    const commands = answers({
      ...node,
      ...sets,
      'ipvsadm -L -n --exact -t 10.96.0.7:80': byHand,
      'ipvsadm -L -n --exact --stats -t 10.96.0.7:80': stats,
    });
    // It shares an address with a Service that has port 443 there.
    await readIpvs(
      commands,
      'IPv4',
      'nf_tables',
      [{ ...service, externalIPs: ['203.0.113.9'] }],
      ['172.30.0.11'],
      [],
      (record) => records.push(record),
    );
    expect(recordsOf(reportOf(records), 'ipSet').map(({ name, lines }) => [name, lines.slice(1)])).toEqual([
      ['KUBE-CLUSTER-IP', ['add KUBE-CLUSTER-IP 10.96.0.7,tcp:80']],
      ['KUBE-LOOP-BACK', ['add KUBE-LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2']],
      ['KUBE-LOAD-BALANCER-SOURCE-CIDR', []],
      ['KUBE-EXTERNAL-IP', ['add KUBE-EXTERNAL-IP 203.0.113.9,tcp:80']],
      ['KUBE-NODE-PORT-LOCAL-SCTP-HASH', ['add KUBE-NODE-PORT-LOCAL-SCTP-HASH 172.30.0.11,sctp:30080']],
    ]);
  });
});
