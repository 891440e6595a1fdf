import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMapDumps } from '../../../core/bpf/map-dump.ts';
import { decodeCiliumMaps } from '../../../core/cilium/decode.ts';
import type { CiliumMaps } from '../../../core/cilium/maps.ts';
import {
  affinityEntry,
  affinityMatchEntry,
  backendEntry,
  endpointEntry,
  frontendEntries,
  maglevEntry,
  reverseNatEntry,
  serviceEntry,
  serviceFlag,
  serviceFlag2,
  sourceRangeEntry,
} from '../../support/cilium-bytes.ts';
import { anyAddress, anyPort, hex, withByte, type DumpedEntry } from '../../support/map-bytes.ts';

function decode(dumps: Readonly<Record<string, readonly DumpedEntry[]>>): CiliumMaps {
  const decoded = decodeCiliumMaps(parseMapDumps(JSON.stringify(dumps)));
  if (decoded === undefined) throw new Error('no map of Cilium');
  return decoded.maps;
}

describe('decodeCiliumMaps', () => {
  it('reads a frontend, its slot and its backend from the bytes that Cilium 1.20 has in the kernel', () => {
    const { IPv4 } = decode({
      cilium_lb4_services_v2: [
        // 10.96.50.104:80/TCP, slot 0: 42 s of affinity, 1 backend, id 258, session affinity.
        {
          key: hex('0a 60 32 68 00 50 00 00 06 00 00 00'),
          value: hex('2a 00 00 00 01 00 01 02 10 00 00 00'),
        },
        // Its slot 1: backend 513.
        {
          key: hex('0a 60 32 68 00 50 01 00 06 00 00 00'),
          value: hex('01 02 00 00 00 00 01 02 10 00 00 00'),
        },
      ],
      cilium_lb4_backends_v3: [
        // 513: 10.244.1.1:8080/TCP, terminating, of cluster 3.
        { key: hex('01 02 00 00'), value: hex('0a f4 01 01 1f 90 06 01 03 00 00 00') },
      ],
    });
    expect(IPv4.services).toEqual([
      {
        address: '10.96.50.104',
        port: 80,
        protocol: 'TCP',
        scope: 'External',
        id: 258,
        count: 1,
        quarantined: 0,
        algorithm: 'default',
        affinitySeconds: 42,
        flags: new Set(['session affinity']),
        slots: new Map([[1, 513]]),
      },
    ]);
    expect([...(IPv4.backends ?? [])]).toEqual([
      [513, { address: '10.244.1.1', port: 8080, protocol: 'TCP', state: 'terminating', clusterId: 3 }],
    ]);
  });

  it('reads each flag, the two meanings of one bit, the algorithm, and the port of a proxy', () => {
    const services = (entries: readonly DumpedEntry[]) =>
      decode({ cilium_lb4_services_v2: entries }).IPv4.services ?? [];
    const one = { address: '10.0.0.1', port: 80 };
    const [all] = services([
      serviceEntry({ ...one, flags: 0xff, flags2: 0xff & ~serviceFlag2.l7, union: 0x0200_002a }),
    ]);
    expect([...(all?.flags ?? [])].sort()).toEqual(
      [
        'ExternalIP',
        'NodePort',
        'externalTrafficPolicy Local',
        'HostPort',
        'session affinity',
        'LoadBalancer',
        'routable',
        'source ranges',
        'local redirect',
        'NAT46x64',
        'internalTrafficPolicy Local',
        'two scopes',
        'source ranges denied',
        'DSR',
        'loopback',
      ].sort(),
    );
    expect(all).toMatchObject({ algorithm: 'Maglev', affinitySeconds: 42 });
    const [proxied] = services([
      serviceEntry({ ...one, flags2: serviceFlag2.l7 | serviceFlag2.delegateOrLoopback, union: 0x901f }),
    ]);
    expect(proxied).toMatchObject({ proxyPort: 8080, affinitySeconds: 0, algorithm: 'default' });
    expect([...(proxied?.flags ?? [])].sort()).toEqual(['L7 delegate', 'L7 load balancer']);
    expect(
      services(
        [1, 2, 3, 0, 0x81].map((algorithm) => serviceEntry({ ...one, port: algorithm, union: algorithm * 0x100_0000 })),
      ).map(({ algorithm }) => algorithm),
    ).toEqual(['random', 'Maglev', 'first', 'default', 'custom']);
  });

  it('takes backends of the layout before cluster ids where the newer map is not there', () => {
    const old = { id: 7, address: 'fd00::7', port: 53, protocol: 'UDP' } as const;
    const backends = (dumps: Readonly<Record<string, readonly DumpedEntry[]>>) => [
      ...(decode(dumps).IPv6.backends ?? []),
    ];
    const expected = [[7, { address: 'fd00::7', port: 53, protocol: 'UDP', state: 'active', clusterId: 0 }]];
    expect(backends({ cilium_lb6_backends_v2: [backendEntry(old, 2)] })).toEqual(expected);
    expect(
      backends({
        cilium_lb6_backends_v2: [backendEntry({ ...old, address: 'fd00::8' }, 2)],
        cilium_lb6_backends_v3: [backendEntry(old)],
      }),
    ).toEqual(expected);
  });

  const id = fc.integer({ min: 0, max: 65535 });
  const long = fc.integer({ min: 0, max: 0xffff_ffff });
  const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP', 'ANY' as const);

  it('gives back what was written, whatever it is, in either family', () => {
    fc.assert(
      fc.property(
        fc.record({
          address: anyAddress,
          port: anyPort,
          protocol,
          internal: fc.boolean(),
          union: fc.integer({ min: 0, max: 0xff_ffff }),
          count: id,
          quarantined: id,
          id,
          flags: fc.integer({ min: 0, max: 255 }),
          flags2: fc.integer({ min: 0, max: 255 }).map((flags) => flags & ~serviceFlag2.l7),
        }),
        fc.array(long, { maxLength: 5 }),
        fc.record({ id: long, port: anyPort, protocol, state: fc.integer({ min: 0, max: 3 }), cluster: id }),
        (frontend, slots, backend) => {
          const digit = frontend.address.includes(':') ? '6' : '4';
          const maps = decode({
            [`cilium_lb${digit}_services_v2`]: frontendEntries(frontend, slots),
            [`cilium_lb${digit}_backends_v3`]: [backendEntry({ ...backend, address: frontend.address })],
            [`cilium_lb${digit}_reverse_nat`]: [reverseNatEntry(frontend.id, frontend.address, frontend.port)],
            [`cilium_lb${digit}_source_range`]: [sourceRangeEntry(frontend.id, frontend.address, 17)],
            [`cilium_lb${digit}_affinity`]: [
              affinityEntry(frontend.id, frontend.address, backend.id),
              affinityEntry(frontend.id, frontend.address, backend.id + 1, true),
            ],
            [`cilium_lb${digit}_maglev`]: [maglevEntry(frontend.id)],
            cilium_lb_affinity_match: [affinityMatchEntry(frontend.id, backend.id)],
            cilium_lxc: [endpointEntry(frontend.address, frontend.internal)],
          });
          const of = digit === '4' ? maps.IPv4 : maps.IPv6;
          const [read] = of.services ?? [];
          const { address: text = '' } = read ?? {};
          expect(read).toMatchObject({
            port: frontend.port,
            scope: frontend.internal ? 'Internal' : 'External',
            count: frontend.count,
            quarantined: frontend.quarantined,
            id: frontend.id,
            affinitySeconds: frontend.union,
          });
          expect(read?.protocol ?? 'ANY').toBe(frontend.protocol);
          expect(read?.flags.has('session affinity')).toBe((frontend.flags & serviceFlag.affinity) !== 0);
          expect(read?.flags.has('DSR')).toBe((frontend.flags2 & serviceFlag2.dsr) !== 0);
          expect(read?.slots).toEqual(new Map(slots.map((backendId, index) => [index + 1, backendId])));
          expect(of.backends?.get(backend.id)).toMatchObject({
            address: text,
            port: backend.port,
            state: ['active', 'terminating', 'quarantined', 'maintenance'][backend.state],
            clusterId: backend.cluster,
          });
          expect(of.reverseNat?.get(frontend.id)).toEqual({ address: text, port: frontend.port });
          expect(of.sourceRanges?.get(frontend.id)).toEqual([`${text}/17`]);
          expect([...(of.clients ?? [])]).toEqual([[`${String(frontend.id)} ${text}`, backend.id]]);
          expect([...(of.maglev ?? [])]).toEqual([frontend.id]);
          expect([...(maps.affinityMatches ?? [])]).toEqual([`${String(frontend.id)} ${String(backend.id)}`]);
          expect([...(maps.endpoints ?? [])]).toEqual([[text, { isHost: frontend.internal }]]);
        },
      ),
    );
  });

  it('leaves absent what was not dumped, and names maps that say nothing of Services', () => {
    expect(decodeCiliumMaps(parseMapDumps('{"other": []}'))).toBeUndefined();
    const decoded = decodeCiliumMaps(parseMapDumps('{"cilium_lb4_services_v2": [], "cilium_ipcache": []}'));
    expect(decoded?.unread).toEqual(['cilium_ipcache']);
    expect(decoded?.maps).toEqual({ names: ['cilium_lb4_services_v2'], IPv4: { services: [] }, IPv6: {} });
  });

  const service = serviceEntry({ address: '10.0.0.1', port: 80 });
  const backend = backendEntry({ id: 1, address: '10.0.0.2', port: 80 });
  it.each([
    [
      'a key of another size',
      { cilium_lb4_services_v2: [{ ...service, key: service.key.slice(1) }] },
      'its key has 11 bytes and its value 12, where 12 and 12 are known',
    ],
    [
      'IPv6 in the map of IPv4',
      { cilium_lb4_services_v2: [serviceEntry({ address: 'fd00::1', port: 80 })] },
      'its key has 24 bytes',
    ],
    [
      'a value of another size',
      { cilium_lb4_backends_v3: [{ ...backend, value: [...backend.value, '0x00'] }] },
      "another version's layout is not guessed",
    ],
    ['a scope', { cilium_lb4_services_v2: [{ ...service, key: withByte(service.key, 9, '0x02') }] }, 'its scope is 2'],
    [
      'padding',
      { cilium_lb4_services_v2: [{ ...service, key: withByte(service.key, 11, '0x01') }] },
      'the last two bytes',
    ],
    [
      'a protocol',
      { cilium_lb4_services_v2: [service, { ...service, key: withByte(service.key, 8, '0x2f') }] },
      'entry 2: its protocol is 47',
    ],
    [
      'a state',
      { cilium_lb4_backends_v3: [{ ...backend, value: withByte(backend.value, 7, '0x04') }] },
      'its state is 4',
    ],
    ['a prefix', { cilium_lb4_source_range: [sourceRangeEntry(1, '10.0.0.0', 33)] }, 'the length of its prefix is 33'],
    [
      'a family',
      { cilium_lxc: [{ ...endpointEntry('10.0.0.1'), key: withByte(endpointEntry('10.0.0.1').key, 16, '0x03') }] },
      'the family of its key is 3',
    ],
  ])('refuses %s that no version of Cilium has', (_name, dumps, message) => {
    expect(() => decode(dumps)).toThrow(message);
  });
});
