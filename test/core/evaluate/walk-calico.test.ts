/** Packets through Calico's maps, from their bytes to the answer that `simulate` prints. */
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import type { Packet } from '../../../core/evaluate/walk.ts';
import { summarize, type Walk } from '../../../core/program/walk-packet.ts';
import { mergeRulesets, parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';
import {
  dropCount,
  frontendEntry,
  natAffinityEntry,
  natBackendEntry,
  natFlag,
  routeEntry,
  routeFlag,
  type CalicoFrontendEntry,
} from '../../support/calico-bytes.ts';
import type { DumpedEntry } from '../../support/map-bytes.ts';

type Dumps = Readonly<Record<string, readonly DumpedEntry[]>>;

const node = '172.30.0.11';
const pod = '10.244.1.77';
const outside = '192.0.2.9';
const service = { address: '10.96.0.10', port: 80, id: 5, count: 3, local: 1 };
/** The first is of this node. */
const backends = [
  natBackendEntry(5, 0, '10.244.1.1', 8080),
  natBackendEntry(5, 1, '10.244.2.2', 8080),
  natBackendEntry(5, 2, '10.244.2.3', 8080),
];
const routes = [
  routeEntry('10.244.0.0', 16, routeFlag.workload),
  routeEntry('10.244.1.0', 24, routeFlag.workload | routeFlag.local),
  routeEntry(node, 32, routeFlag.host | routeFlag.local),
  routeEntry('172.30.0.12', 32, routeFlag.host),
];
const all = ['10.244.1.1 0.3333', '10.244.2.2 0.3333', '10.244.2.3 0.3333'];
const own = ['10.244.1.1 1.0000'];

function walk(dumps: Dumps, packet: Partial<Packet> = {}, nodeIps: readonly string[] = []): Walk {
  return summarize(
    walkRuleset(
      parseRulesetFile(JSON.stringify(dumps)),
      {
        source: pod,
        destination: service.address,
        destinationPort: service.port,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
        ...packet,
      },
      nodeIps,
    ),
  );
}

const with_ = (frontends: readonly CalicoFrontendEntry[], more: Dumps = {}): Dumps => ({
  cali_v4_nat_fe3: frontends.map(frontendEntry),
  cali_v4_nat_be: backends,
  ...more,
});

const targets = ({ destinations }: Walk): string[] =>
  destinations.map(({ address, probability, chosenBy, masquerade }) =>
    [address, probability?.toFixed(4) ?? chosenBy, ...(masquerade ? ['masqueraded'] : [])].join(' '),
  );

describe('a packet to a frontend of Calico', () => {
  it('goes to one of the backends, with the same chance each, from wherever it comes', () => {
    const result = walk(with_([service]));
    expect(targets(result)).toEqual(all);
    expect(result).toMatchObject({ verdict: 'DNAT', probability: 1, masquerade: false, unknown: [] });
    expect(result.path.map(({ table, rule }) => `${table} ${rule}`)).toEqual([
      'cali_v4_nat_fe3 10.96.0.10:80/TCP from 0.0.0.0/0 id 5: 3 backends, 1 of this node',
      'cali_v4_nat_be backend 0 of id 5: 10.244.1.1:8080, of this node',
      'cali_v4_nat_be backend 1 of id 5: 10.244.2.2:8080',
      'cali_v4_nat_be backend 2 of id 5: 10.244.2.3:8080',
    ]);
    expect(targets(walk(with_([service], { cali_v4_routes: routes }), { source: outside }))).toEqual(all);
  });

  it('is that of the packet, of its port and its protocol, and none that is excluded', () => {
    expect(walk(with_([service]), { protocol: 'UDP' }).verdict).toBe('NONE');
    expect(walk(with_([service]), { destinationPort: 81 }).verdict).toBe('NONE');
    expect(walk(with_([service]), { destination: '10.96.0.11' }).verdict).toBe('NONE');
    expect(walk(with_([{ ...service, flags: natFlag.excluded }])).verdict).toBe('NONE');
  });

  it('works for IPv6', () => {
    const dumps = {
      cali_v6_nat_fe3: [frontendEntry({ address: 'fd00:96::a', port: 80, id: 6, count: 1 })],
      cali_v6_nat_be: [natBackendEntry(6, 0, 'fd00:1::9', 8080)],
    };
    expect(targets(walk(dumps, { source: 'fd00:1::77', destination: 'fd00:96::a' }))).toEqual(['fd00:1::9 1.0000']);
  });

  it('is refused where it has no backend, and in part where one is missing', () => {
    expect(walk(with_([{ ...service, count: 0 }]))).toMatchObject({ verdict: 'REJECT', probability: 1 });
    const result = walk({ ...with_([{ ...service, count: 2 }]), cali_v4_nat_be: backends.slice(1) });
    expect(result.verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.5 },
      { verdict: 'REJECT', probability: 0.5 },
    ]);
    expect(result.path.map(({ rule }) => rule)).toContain('1 of 2 backends of id 5: missing');
    const nearlyAll = walk(with_([{ ...service, count: dropCount - 1 }]));
    expect(nearlyAll.verdicts.map(({ probability }) => probability)).toEqual([6.98e-10, 0.999999999302]);
  });

  it('is UNKNOWN without the maps that decide', () => {
    expect(walk({ cali_v4_nat_be: backends }).unknown.join()).toContain('the map cali_v4_nat_fe3 was not dumped');
    const result = walk({ cali_v4_nat_fe3: [frontendEntry(service)] });
    expect(result).toMatchObject({ verdict: 'UNKNOWN', destinations: [] });
    expect(result.unknown.join()).toContain('the map cali_v4_nat_be was not dumped');
  });

  it('keeps to the backends of the node under the policy that holds for its source', () => {
    const policy = (flags: number, packet: Partial<Packet>) =>
      targets(walk(with_([{ ...service, flags }], { cali_v4_routes: routes }), packet));
    const { externalLocal, internalLocal } = natFlag;
    const device = { inInterface: 'eth0' };
    expect(policy(externalLocal, { source: outside })).toEqual(own);
    expect(policy(externalLocal, { source: pod })).toEqual(all);
    // A pod of another node, whose packet comes by the device, is of the cluster.
    expect(policy(externalLocal, { source: '10.244.2.9', ...device })).toEqual(all);
    expect(policy(internalLocal, { source: outside })).toEqual(all);
    expect(policy(internalLocal, { source: pod })).toEqual(own);
    expect(policy(internalLocal, { source: '172.30.0.12', ...device })).toEqual(own);
    expect(policy(externalLocal | internalLocal, { source: outside })).toEqual(own);
    const unsure = walk(with_([{ ...service, flags: externalLocal }]), { source: outside, ...device });
    expect(unsure.verdict).toBe('UNKNOWN');
    expect(unsure.unknown.join()).toContain('give the map cali_v4_routes too');
    // A socket on the node is of the cluster, whatever the routes.
    expect(targets(walk(with_([{ ...service, flags: internalLocal }]), { source: node, entersAt: 'OUTPUT' }))).toEqual(
      own,
    );
  });

  it('must come from the source ranges, of which the longest prefix wins', () => {
    const frontends = [
      { ...service, count: dropCount },
      { ...service, clients: ['192.0.2.0', 24] },
      { ...service, clients: ['192.0.2.64', 26], count: dropCount },
    ] as const;
    const from = (source: string) =>
      walk(with_(frontends, { cali_v4_routes: routes }), { source, inInterface: 'eth0' }).verdict;
    expect(from(outside)).toBe('DNAT');
    expect(from('192.0.2.70')).toBe('DROP');
    expect(from('203.0.113.1')).toBe('DROP');
    // The socket of a client asks for no source, its packets do.
    const client = walk(with_([...frontends, { ...service, clients: ['10.244.0.0', 16] }], { cali_v4_routes: routes }));
    expect(client.verdict).toBe('UNKNOWN');
    expect(client.unknown.join()).toContain('asks for no source');
    expect(walk(with_(frontends, { cali_v4_routes: routes })).verdict).toBe('DROP');
  });

  it('is chosen for by a hash with Maglev from outside', () => {
    const dumps = with_([{ ...service, flags: natFlag.maglev }], { cali_v4_routes: routes });
    expect(targets(walk(dumps, { source: outside }))[0]).toBe('10.244.1.1 ClientHash');
    expect(targets(walk(dumps))[0]).toBe('10.244.1.1 Unknown');
  });

  it('has no certain share where the client may still stay with a backend, and is UNKNOWN where that one is gone', () => {
    const remembered = (address: string): Dumps => ({
      cali_v4_nat_aff: [natAffinityEntry(service, outside, { address, port: 8080 })],
      cali_v4_routes: routes,
    });
    const sticky = { ...service, affinity: 60 };
    const stays = walk(with_([sticky], remembered('10.244.2.2')), { source: outside });
    expect(targets(stays)[0]).toBe('10.244.1.1 Unknown');
    expect(stays.unknown.join()).toContain('192.0.2.9 still stays with 10.244.2.2:8080');
    expect(walk(with_([sticky], remembered('10.244.9.9')), { source: outside }).verdict).toBe('UNKNOWN');
    expect(targets(walk(with_([sticky], remembered('10.244.2.2')), { source: '192.0.2.10' }))).toEqual(all);
    expect(targets(walk(with_([service], remembered('10.244.2.2')), { source: outside }))).toEqual(all);
  });

  it('keeps a pod that reaches itself UNKNOWN in that part', () => {
    const result = walk(with_([{ ...service, count: 2 }], { cali_v4_routes: routes }), { source: '10.244.1.1' });
    expect(result.verdicts).toEqual([
      { verdict: 'DNAT', probability: 0.5 },
      { verdict: 'UNKNOWN', probability: 0.5 },
    ]);
  });
});

describe('a packet to a NodePort', () => {
  const nodePort = { ...service, port: 30080 };
  const frontends = [
    { ...nodePort, address: node },
    { ...nodePort, address: '255.255.255.255', count: 1 },
  ];
  const to = (destination: string): Partial<Packet> => ({ destination, destinationPort: 30080 });

  it('is that of the address from outside, and that of every node for clients', () => {
    const dumps = with_(frontends, { cali_v4_routes: routes });
    expect(targets(walk(dumps, { ...to(node), source: outside }))).toEqual(all);
    expect(walk(dumps, { ...to('172.30.0.12'), source: outside }).verdict).toBe('NONE');
    expect(targets(walk(dumps, to(node)))).toEqual(all);
    expect(targets(walk(dumps, to('172.30.0.12')))).toEqual(own);
    expect(walk(dumps, to('203.0.113.1')).verdict).toBe('NONE');
  });

  it('is UNKNOWN where nobody knows whose the address is', () => {
    const packet = { ...to('172.30.0.12'), source: node, entersAt: 'OUTPUT' } as const;
    const unsure = walk(with_(frontends), packet);
    expect(unsure.verdict).toBe('UNKNOWN');
    expect(unsure.unknown.join()).toContain('give the map cali_v4_routes too, or --node-ip 172.30.0.12');
    expect(targets(walk(with_(frontends), packet, ['172.30.0.12']))).toEqual(own);
  });
});

describe('maps of Calico in several files', () => {
  it('are of one machine, each map once', () => {
    const { cali_v4_nat_fe3: frontends, cali_v4_nat_be: be } = with_([service]);
    const [one, other] = [{ cali_v4_nat_fe3: frontends }, { cali_v4_nat_be: be }].map((dumps) => JSON.stringify(dumps));
    const both = mergeRulesets([one, other].map((text = '') => parseRulesetFile(text)));
    expect(both.calico?.names).toEqual(['cali_v4_nat_fe3', 'cali_v4_nat_be']);
    expect(both.calico?.IPv4.backends?.get(5)?.size).toBe(3);
    expect(() => mergeRulesets([one, one].map((text = '') => parseRulesetFile(text)))).toThrow('cali_v4_nat_fe3');
  });
});
