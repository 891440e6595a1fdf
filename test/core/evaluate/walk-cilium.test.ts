/** Packets through Cilium's maps, from their bytes to the answer that `simulate` prints. */
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import type { Packet } from '../../../core/evaluate/walk.ts';
import { summarize, type Walk } from '../../../core/program/walk-packet.ts';
import { mergeRulesets, parseRulesetFile, RulesetDump } from '../../../core/ruleset/read-dumps.ts';
import {
  affinityEntry,
  affinityMatchEntry,
  backendEntry,
  endpointEntry,
  frontendEntries,
  maglevEntry,
  reverseNatEntry,
  serviceEntry,
  serviceFlag as flag,
  serviceFlag2 as flag2,
  sourceRangeEntry,
} from '../../support/cilium-bytes.ts';
import type { DumpedEntry } from '../../support/map-bytes.ts';

type Dumps = Readonly<Record<string, readonly DumpedEntry[]>>;

const node = '172.30.0.11';
const pod = '10.244.1.77';
const outside = '192.0.2.9';
const clusterIp = '10.96.0.10';
const external = flag.routable | flag.loadBalancer;

/** Backends 1 and 2 are on this node, 3 is on another. */
const backends = [
  backendEntry({ id: 1, address: '10.244.1.1', port: 8080 }),
  backendEntry({ id: 2, address: '10.244.1.2', port: 8080 }),
  backendEntry({ id: 3, address: '10.244.2.3', port: 8080 }),
];
const endpoints = [
  endpointEntry('10.244.1.1'),
  endpointEntry('10.244.1.2'),
  endpointEntry(pod),
  endpointEntry(node, true),
];

function walk(dumps: Dumps, packet: Partial<Packet> = {}, nodeIps: readonly string[] = []): Walk {
  const ruleset = parseRulesetFile(JSON.stringify(dumps));
  return summarize(
    walkRuleset(
      ruleset,
      {
        source: pod,
        destination: clusterIp,
        destinationPort: 80,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
        ...packet,
      },
      nodeIps,
    ),
  );
}

const targets = ({ destinations }: Walk): string[] =>
  destinations.map(({ address, probability, chosenBy, masquerade }) =>
    [address, probability?.toFixed(4) ?? chosenBy, ...(masquerade ? ['masqueraded'] : [])].join(' '),
  );

describe('a packet to a frontend of Cilium', () => {
  const service = { address: clusterIp, port: 80, id: 5 };

  it('goes to one of the slots that get new connections, with the same chance each', () => {
    const dumps = {
      cilium_lb4_services_v2: frontendEntries({ ...service, count: 2, quarantined: 1 }, [1, 3, 2]),
      cilium_lb4_backends_v3: backends,
    };
    const result = walk(dumps);
    expect(targets(result)).toEqual(['10.244.1.1 0.5000', '10.244.2.3 0.5000']);
    expect(result).toMatchObject({ verdict: 'DNAT', probability: 1, masquerade: false, unknown: [] });
    expect(result.path[0]?.rule).toBe('10.96.0.10:80/TCP external id 5: 2 backends, 1 quarantined; ClusterIP');
    expect(result.path.map(({ table }) => table)).toEqual([
      'cilium_lb4_services_v2',
      'cilium_lb4_backends_v3',
      'cilium_lb4_backends_v3',
    ]);
  });

  it('is that of the packet, of its port and its protocol', () => {
    const dumps = { cilium_lb4_services_v2: frontendEntries(service, [1]), cilium_lb4_backends_v3: backends };
    expect(walk(dumps, { protocol: 'UDP' }).verdict).toBe('NONE');
    expect(walk(dumps, { destinationPort: 81 }).verdict).toBe('NONE');
    expect(walk(dumps, { destination: '10.96.0.11' }).verdict).toBe('NONE');
  });

  it('is the one of any protocol in maps of before protocols were distinguished', () => {
    const dumps = {
      cilium_lb4_services_v2: frontendEntries({ ...service, protocol: 'ANY' }, [1]),
      cilium_lb4_backends_v2: [backendEntry({ id: 1, address: '10.244.1.1', port: 53, protocol: 'ANY' }, 2)],
    };
    expect(targets(walk(dumps, { protocol: 'UDP' }))).toEqual(['10.244.1.1 1.0000']);
  });

  it('works for IPv6', () => {
    const dumps = {
      cilium_lb6_services_v2: frontendEntries({ address: 'fd00:96::a', port: 80 }, [9]),
      cilium_lb6_backends_v3: [backendEntry({ id: 9, address: 'fd00:1::9', port: 8080 })],
    };
    expect(targets(walk(dumps, { source: 'fd00:1::77', destination: 'fd00:96::a' }))).toEqual(['fd00:1::9 1.0000']);
  });

  it('is refused where it has no backend, and in part where a slot or a backend is missing', () => {
    expect(walk({ cilium_lb4_services_v2: frontendEntries(service, []) })).toMatchObject({
      verdict: 'REJECT',
      probability: 1,
    });
    const services = frontendEntries(service, [1, 44, 2, 3]).filter((_, index) => index !== 3);
    const result = walk({ cilium_lb4_services_v2: services, cilium_lb4_backends_v3: backends });
    expect(result.verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.5 },
      { verdict: 'REJECT', probability: 0.5 },
    ]);
    expect(result.path.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(['backend 44 of slot 2: missing', '1 of 4 slots: missing']),
    );
  });

  it.each([
    ['services', { cilium_lb4_backends_v3: backends }, 'the map cilium_lb4_services_v2 was not dumped'],
    [
      'backends',
      { cilium_lb4_services_v2: frontendEntries(service, [1]) },
      'the map cilium_lb4_backends_v3 was not dumped',
    ],
  ])('is UNKNOWN without the map of %s', (_name, dumps, why) => {
    const result = walk(dumps);
    expect(result).toMatchObject({ verdict: 'UNKNOWN', probability: 1, destinations: [] });
    expect(result.unknown.join()).toContain(why);
  });

  it('is for clients of the node alone where it is a ClusterIP, and for the node itself', () => {
    const dumps = { cilium_lb4_services_v2: frontendEntries(service, [1]), cilium_lb4_backends_v3: backends };
    expect(walk({ ...dumps, cilium_lxc: endpoints }, { source: outside })).toMatchObject({ verdict: 'DROP' });
    expect(walk(dumps, { source: outside, inInterface: 'eth0' })).toMatchObject({ verdict: 'DROP' });
    expect(walk({ ...dumps, cilium_lxc: endpoints }).verdict).toBe('DNAT');
    expect(walk(dumps, { inInterface: 'lxc1234' }).verdict).toBe('DNAT');
    expect(walk(dumps, { source: node, entersAt: 'OUTPUT' }).verdict).toBe('DNAT');
  });

  it('drops what comes from outside to another port of the address', () => {
    const services = [
      ...frontendEntries({ ...service, address: '198.51.100.1', flags: external }, [1]),
      serviceEntry({ address: '198.51.100.1', port: 0, protocol: 'ANY', id: 0, flags: flag.loadBalancer }),
    ];
    const dumps = { cilium_lb4_services_v2: services, cilium_lb4_backends_v3: backends, cilium_lxc: endpoints };
    const packet = { destination: '198.51.100.1', destinationPort: 81 };
    expect(walk(dumps, { ...packet, source: outside }).verdict).toBe('DROP');
    expect(walk(dumps, packet).verdict).toBe('NONE');
  });

  it('keeps a pod that reaches itself UNKNOWN in that part', () => {
    const dumps = { cilium_lb4_services_v2: frontendEntries(service, [1, 3]), cilium_lb4_backends_v3: backends };
    const result = walk(dumps, { source: '10.244.1.1' });
    expect(targets(result)).toEqual(['10.244.2.3 0.5000']);
    expect(result.verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.5 },
      { verdict: 'UNKNOWN', probability: 0.5 },
    ]);
  });

  it('is left to a proxy of layer 7, of which the maps know the port alone', () => {
    const dumps = {
      cilium_lb4_services_v2: [serviceEntry({ ...service, union: 0x901f, flags2: flag2.l7 })],
      cilium_lb4_backends_v3: backends,
    };
    const result = walk(dumps);
    expect(result.verdict).toBe('UNKNOWN');
    expect(result.unknown.join()).toContain('the proxy of layer 7 on port 8080');
  });
});

describe('a packet from outside', () => {
  const balancer = { address: '198.51.100.1', port: 80, id: 7, flags: external };
  const packet = { source: outside, destination: '198.51.100.1' };
  const complete = (services: readonly DumpedEntry[], more: Dumps = {}): Dumps => ({
    cilium_lb4_services_v2: services,
    cilium_lb4_backends_v3: backends,
    cilium_lxc: endpoints,
    ...more,
  });

  it('gets the address of the node where the backend is on another one, and not by DSR', () => {
    const shared = (flags2: number) => walk(complete(frontendEntries({ ...balancer, flags2 }, [1, 3])), packet);
    expect(targets(shared(0))).toEqual(['10.244.1.1 0.5000', '10.244.2.3 0.5000 masqueraded']);
    expect(targets(shared(flag2.dsr))).toEqual(['10.244.1.1 0.5000', '10.244.2.3 0.5000']);
  });

  it('is UNKNOWN where nobody knows the endpoints of the node', () => {
    const services = frontendEntries(balancer, [1, 3]);
    const dumps = { cilium_lb4_services_v2: services, cilium_lb4_backends_v3: backends };
    expect(walk(dumps, { ...packet, inInterface: 'eth0' })).toMatchObject({ verdict: 'UNKNOWN', destinations: [] });
    const either = walk(dumps, packet);
    expect(either.verdict).toBe('UNKNOWN');
    expect(either.unknown.join()).toContain('give the map cilium_lxc too, or --in-interface');
    // All backends of a Local policy are on the node, so that both kinds of packets fare the same.
    const local = frontendEntries({ ...balancer, flags: external | flag.externalLocal }, [1, 2]);
    expect(targets(walk({ ...dumps, cilium_lb4_services_v2: local }, packet))).toEqual([
      '10.244.1.1 0.5000',
      '10.244.1.2 0.5000',
    ]);
  });

  it('must be in the source ranges, or must not', () => {
    const ranges = (list: readonly DumpedEntry[], flags2 = 0, source = outside): string => {
      const services = frontendEntries({ ...balancer, flags: external | flag.sourceRange, flags2 }, [1]);
      return walk(complete(services, { cilium_lb4_source_range: list }), { ...packet, source }).verdict;
    };
    const own = sourceRangeEntry(7, '192.0.2.0', 24);
    expect(ranges([own])).toBe('DNAT');
    expect(ranges([own], 0, '198.51.100.9')).toBe('DROP');
    expect(ranges([sourceRangeEntry(8, '192.0.2.0', 24)])).toBe('DROP');
    expect(ranges([own], flag2.rangeDenied)).toBe('DROP');
    expect(ranges([own], flag2.rangeDenied, '198.51.100.9')).toBe('DNAT');
    // Clients of the node are not asked for them.
    expect(ranges([own], 0, pod)).toBe('DNAT');
    const absent = walk(complete(frontendEntries({ ...balancer, flags: external | flag.sourceRange }, [1])), packet);
    expect(absent.verdict).toBe('UNKNOWN');
    expect(absent.unknown.join()).toContain('cilium_lb4_source_range was not dumped');
  });

  it('has backends of its own where the two policies differ', () => {
    const services = [
      ...frontendEntries({ ...balancer, flags2: flag2.twoScopes }, [1]),
      ...frontendEntries({ ...balancer, flags2: flag2.twoScopes, internal: true }, [1, 2, 3]),
    ];
    expect(targets(walk(complete(services), packet))).toEqual(['10.244.1.1 1.0000']);
    expect(targets(walk(complete(services), { ...packet, source: pod }))).toHaveLength(3);
  });

  it('is chosen for by a hash with Maglev, by the annotation or by a table that the agent made', () => {
    const sticky = ['10.244.1.1 ClientHash', '10.244.1.2 ClientHash'];
    const chosen = frontendEntries({ ...balancer, union: 0x0200_0000 }, [1, 2]);
    expect(targets(walk(complete(chosen), packet))).toEqual(sticky);
    const byDefault = frontendEntries(balancer, [1, 2]);
    expect(targets(walk(complete(byDefault, { cilium_lb4_maglev: [maglevEntry(7)] }), packet))).toEqual(sticky);
    expect(targets(walk(complete(byDefault, { cilium_lb4_maglev: [maglevEntry(8)] }), packet))).toEqual([
      '10.244.1.1 0.5000',
      '10.244.1.2 0.5000',
    ]);
    // A socket of a client chooses at random all the same.
    expect(targets(walk(complete(chosen), { ...packet, source: pod }))).toEqual([
      '10.244.1.1 0.5000',
      '10.244.1.2 0.5000',
    ]);
  });

  it('has no certain share where its address may still stay with a backend', () => {
    const services = frontendEntries({ ...balancer, flags: external | flag.affinity, union: 10800 }, [1, 2]);
    const remembered = { cilium_lb4_affinity: [affinityEntry(7, outside, 2)] };
    const matches = (backend: number): Dumps => ({ cilium_lb_affinity_match: [affinityMatchEntry(7, backend)] });
    const stays = walk(complete(services, { ...remembered, ...matches(2) }), packet);
    expect(targets(stays)).toEqual(['10.244.1.1 Unknown', '10.244.1.2 Unknown']);
    expect(stays.unknown.join()).toContain('192.0.2.9 still stays with 10.244.1.2:8080');
    expect(stays.path[0]?.rule).toContain('session affinity 10800 s');
    // A backend that is not among those of the Service loses its clients.
    const moved = walk(complete(services, { ...remembered, ...matches(1) }), packet);
    expect(targets(moved)).toEqual(['10.244.1.1 0.5000', '10.244.1.2 0.5000']);
    expect(moved.path.map(({ rule }) => rule).join()).toContain('no client stays with it');
    const other = walk(complete(services, { ...remembered, ...matches(2) }), { ...packet, source: '192.0.2.10' });
    expect(targets(other)).toEqual(['10.244.1.1 0.5000', '10.244.1.2 0.5000']);
  });

  it('gets no response from the frontend where its reverse NAT is missing', () => {
    const services = frontendEntries(balancer, [1]);
    const right = walk(
      complete(services, { cilium_lb4_reverse_nat: [reverseNatEntry(7, '198.51.100.1', 80)] }),
      packet,
    );
    expect(right.unknown).toEqual([]);
    for (const row of [[], [reverseNatEntry(7, '198.51.100.2', 80)]]) {
      const wrong = walk(complete(services, { cilium_lb4_reverse_nat: row }), packet);
      expect(wrong.unknown.join()).toContain('the row 7 of cilium_lb4_reverse_nat is');
    }
  });
});

describe('a packet to a NodePort', () => {
  const flags = flag.routable | flag.nodePort;
  const dumps = {
    cilium_lb4_services_v2: [
      ...frontendEntries({ address: '0.0.0.0', port: 30080, id: 8, flags: flag.nodePort }, [1, 2]),
      ...frontendEntries({ address: node, port: 30080, id: 9, flags }, [1, 2]),
    ],
    cilium_lb4_backends_v3: backends,
    cilium_lxc: endpoints,
  };
  const packet = { destination: node, destinationPort: 30080 };
  const both = ['10.244.1.1 0.5000', '10.244.1.2 0.5000'];

  it("is that of the node's address from outside, and also of loopback and other nodes for clients", () => {
    expect(targets(walk(dumps, { ...packet, source: outside }))).toEqual(both);
    expect(targets(walk(dumps, packet))).toEqual(both);
    expect(targets(walk(dumps, { ...packet, source: node, destination: '127.0.0.1', entersAt: 'OUTPUT' }))).toEqual(
      both,
    );
    const remote = { ...packet, destination: '172.30.0.12' };
    expect(walk(dumps, { ...remote, source: outside }).verdict).toBe('NONE');
    const unsure = walk(dumps, remote);
    expect(unsure.verdict).toBe('UNKNOWN');
    expect(unsure.unknown.join()).toContain('give --node-ip 172.30.0.12');
    expect(targets(walk(dumps, remote, ['172.30.0.12']))).toEqual(both);
  });

  it('leaves an external IP of which it is not known whether it is the node’s own', () => {
    const services = frontendEntries({ address: '203.0.113.5', port: 80, flags: flag.routable | flag.externalIP }, [1]);
    const external_ = { ...dumps, cilium_lb4_services_v2: services };
    const to = { destination: '203.0.113.5' };
    expect(walk(external_, to).verdict).toBe('UNKNOWN');
    expect(walk(external_, to, ['203.0.113.5']).verdict).toBe('DNAT');
    expect(walk(external_, { ...to, source: outside }).verdict).toBe('DNAT');
  });

  it('leaves a hostPort of loopback to loopback', () => {
    const hostPort = (flags2: number, destination: string) =>
      walk(
        {
          ...dumps,
          cilium_lb4_services_v2: frontendEntries(
            { address: '0.0.0.0', port: 8081, flags: flag.hostPort, flags2 },
            [1],
          ),
        },
        { source: node, entersAt: 'OUTPUT', destination, destinationPort: 8081 },
      ).verdict;
    expect(hostPort(0, node)).toBe('DNAT');
    expect(hostPort(flag2.delegateOrLoopback, node)).toBe('NONE');
    expect(hostPort(flag2.delegateOrLoopback, '127.0.0.1')).toBe('DNAT');
  });
});

describe('maps of Cilium beside other dumps', () => {
  const maps = JSON.stringify({
    cilium_lb4_services_v2: frontendEntries({ address: clusterIp, port: 80 }, [1]),
  });
  const more = JSON.stringify({ cilium_lb4_backends_v3: backends });
  const iptables = '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:1\nCOMMIT\n';
  const packet: Packet = {
    source: pod,
    destination: clusterIp,
    destinationPort: 80,
    protocol: 'TCP',
    entersAt: 'PREROUTING',
  };

  it('are of one machine, each map once', () => {
    const both = mergeRulesets([maps, more].map(parseRulesetFile));
    expect(targets(summarize(walkRuleset(both, packet, [])))).toEqual(['10.244.1.1 1.0000']);
    expect(() => mergeRulesets([maps, maps].map(parseRulesetFile))).toThrow(
      'two of the files have the map cilium_lb4_services_v2',
    );
  });

  it('come before netfilter, which gets what they do not take', () => {
    const both = mergeRulesets([iptables, maps, more].map(parseRulesetFile));
    const taken = summarize(walkRuleset(both, packet, []));
    expect(targets(taken)).toEqual(['10.244.1.1 1.0000']);
    expect(taken.unknown.join()).toContain('traverses netfilter behind it');
    expect(targets(summarize(walkRuleset(both, { ...packet, destinationPort: 81 }, [])))).toEqual(['10.0.0.1 1.0000']);
  });

  it('are recognized on one line or on many, in pieces, and refused where they hold no Services', () => {
    const pretty = JSON.stringify(JSON.parse(maps), undefined, 2);
    for (const length of [1, 2, 3, 20]) {
      const dump = new RulesetDump();
      for (let at = 0; at < pretty.length; at += length) dump.push(pretty.slice(at, at + length));
      expect(dump.end().cilium?.IPv4.services).toHaveLength(1);
    }
    expect(parseRulesetFile(`\uFEFF${pretty}`).cilium?.IPv4.services).toHaveLength(1);
    expect(parseRulesetFile(maps).cilium?.names).toEqual(['cilium_lb4_services_v2']);
    expect(() => parseRulesetFile('{"cilium_ipcache": []}')).toThrow('it has no map of Services');
    const { problems } = parseRulesetFile(`{"cilium_lb4_services_v2": [],\n "cilium_ipcache": []}`);
    expect(problems).toEqual([
      { line: 2, isNote: true, message: 'the map cilium_ipcache says nothing of Services; it is left out' },
    ]);
  });
});
