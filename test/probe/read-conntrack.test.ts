import { describe, expect, it } from 'vitest';
import { recordsOf, type NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import type { Commands } from '../../probe/io/commands.ts';
import { readConntrack } from '../../probe/read-conntrack.ts';

const request: ProbeRequest = {
  version: 1,
  node: 'node-a',
  services: [
    {
      namespace: 'default',
      name: 'auth-service',
      clusterIPs: ['10.96.0.7'],
      externalIPs: ['198.51.100.7'],
      loadBalancerIPs: [],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
    },
  ],
  collect: { rules: true, conntrack: 'Summary', kubeProxy: false },
  maxConntrackEntries: 10,
};

const syn = (source: string, destination: string, port: number): string =>
  `ipv4     2 tcp      6 117 SYN_SENT src=${source} dst=${destination} sport=40000 dport=${port} [UNREPLIED] src=${destination} dst=${source} sport=${port} dport=40000 mark=0 use=1`;
const served =
  'ipv4     2 tcp      6 86397 ESTABLISHED src=10.244.1.9 dst=10.96.0.7 sport=40001 dport=80 src=10.244.1.2 dst=10.244.1.9 sport=8080 dport=40001 [ASSURED] mark=0 use=1';
const dns =
  'ipv4     2 udp      17 27 src=10.244.1.9 dst=10.96.0.7 sport=40002 dport=80 [UNREPLIED] src=10.96.0.7 dst=10.244.1.9 sport=80 dport=40002 mark=0 use=1';
const ping =
  'ipv4     2 icmp     1 29 src=10.244.1.9 dst=10.96.0.7 type=8 code=0 id=7 src=10.96.0.7 dst=10.244.1.9 type=0 code=0 id=7 mark=0 use=1';

async function read(lines: readonly string[], asked: ProbeRequest = request): Promise<NodeReportRecord[]> {
  const records: NodeReportRecord[] = [];
  const commands: Commands = {
    async stream(_argv, onLine) {
      lines.forEach(onLine);
      return { status: 0, problem: '', errors: [] };
    },
  };
  await readConntrack(commands, asked, ['172.30.0.11'], (record) => {
    records.push(record);
  });
  return records;
}

describe('entries to a port that the Service does not have', () => {
  it('are counted by port beside those of the Service, with some of the clients', async () => {
    const clients = Array.from({ length: 7 }, (_, index) => syn(`10.244.1.${index + 10}`, '10.96.0.7', 8080));
    const [record] = recordsOf(
      {
        node: 'node-a',
        records: await read([served, dns, ...clients, syn('10.244.1.10', '10.96.0.7', 8080)]),
        complete: true,
      },
      'conntrack',
    );
    expect(record?.matched).toBe(1);
    expect(record?.otherPorts).toEqual([
      {
        family: 'IPv4',
        protocol: 'tcp',
        destination: '10.96.0.7',
        destinationPort: 8080,
        entries: 8,
        sources: ['10.244.1.10', '10.244.1.11', '10.244.1.12', '10.244.1.13', '10.244.1.14'],
      },
      {
        family: 'IPv4',
        protocol: 'udp',
        destination: '10.96.0.7',
        destinationPort: 80,
        entries: 1,
        sources: ['10.244.1.9'],
      },
    ]);
  });

  it('are at most twenty, the most used first', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => syn('10.244.1.9', '10.96.0.7', 1000 + index));
    const [record] = recordsOf(
      { node: 'node-a', records: await read([...lines, syn('10.244.1.9', '10.96.0.7', 1029)]), complete: true },
      'conntrack',
    );
    expect(record?.otherPorts).toHaveLength(20);
    expect(record?.otherPorts?.[0]).toMatchObject({ destinationPort: 1029, entries: 2 });
  });

  it('are not those to an address that Services may share, nor of a port that the Service had, nor what has no port', async () => {
    const [record] = recordsOf(
      {
        node: 'node-a',
        records: await read([
          served,
          ping,
          served.replaceAll('dport=80 ', 'dport=81 '),
          syn('10.244.1.9', '198.51.100.7', 8080),
          syn('192.0.2.1', '172.30.0.11', 30080),
          syn('192.0.2.1', '172.30.0.11', 30081),
        ]),
        complete: true,
      },
      'conntrack',
    );
    expect(record?.matched).toBe(2);
    expect(record?.otherPorts).toBeUndefined();
  });
});

describe('groups of entries', () => {
  it('say how long the oldest first packet waits, and whether what was reset was a connection', async () => {
    const waiting = (left: number, port: number): string =>
      `ipv4     2 tcp      6 ${String(left)} SYN_SENT src=10.244.1.9 dst=10.96.0.7 sport=${String(port)} dport=80 [UNREPLIED] src=10.244.1.2 dst=10.244.1.9 sport=8080 dport=${String(port)} mark=0 use=1`;
    const closed = served.replace('86397 ESTABLISHED', '9 CLOSE');
    const [record] = recordsOf(
      {
        node: 'node-a',
        records: await read([
          served,
          waiting(119, 41000),
          waiting(104, 41001),
          waiting(111, 41002),
          closed,
          closed.replace('[ASSURED] ', ''),
        ]),
        complete: true,
      },
      'conntrack',
    );
    expect(
      record?.groups.map(({ state, assured, leastTimeout, entries }) => [state, assured, leastTimeout, entries]),
    ).toEqual([
      ['ESTABLISHED', undefined, undefined, 1],
      ['SYN_SENT', undefined, 104, 3],
      ['CLOSE', true, undefined, 1],
      ['CLOSE', false, undefined, 1],
    ]);
  });
});

describe('entries to an external address', () => {
  const [service] = request.services;
  if (service === undefined) throw new Error('the request has a Service');
  const translated =
    'ipv4     2 tcp      6 86397 ESTABLISHED src=10.244.1.9 dst=198.51.100.7 sport=40001 dport=80 src=10.244.1.2 dst=10.244.1.9 sport=8080 dport=40001 [ASSURED] mark=0 use=1';
  const past =
    'ipv4     2 tcp      6 86397 ESTABLISHED src=10.244.3.3 dst=198.51.100.7 sport=40002 dport=80 src=198.51.100.7 dst=10.244.3.3 sport=80 dport=40002 [ASSURED] mark=0 use=1';
  const entries: ProbeRequest = { ...request, collect: { ...request.collect, conntrack: 'Entries' } };
  const shown = async (asked: ProbeRequest): Promise<readonly string[]> =>
    recordsOf(
      { node: 'node-a', records: await read([translated, past, served], asked), complete: true },
      'conntrack',
    )[0]?.lines ?? [];

  it('are of nobody known where others may have it: those of the cluster IP alone are shown', async () => {
    expect(await shown(entries)).toEqual([served]);
    expect(await shown({ ...entries, services: [{ ...service, ownIPs: ['198.51.100.8'] }] })).toEqual([served]);
  });

  it("are the Service's where nobody else has it, and its rules have led them elsewhere: not what others sent to that address of the world", async () => {
    expect(await shown({ ...entries, services: [{ ...service, ownIPs: ['198.51.100.7'] }] })).toEqual([
      translated,
      served,
    ]);
  });
});
