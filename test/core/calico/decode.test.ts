import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMapDumps } from '../../../core/bpf/map-dump.ts';
import { decodeCalicoMaps } from '../../../core/calico/decode.ts';
import { clientKey, type CalicoMaps } from '../../../core/calico/maps.ts';
import {
  dropCount,
  frontendEntry,
  natAffinityEntry,
  natBackendEntry,
  natFlag,
  routeEntry,
} from '../../support/calico-bytes.ts';
import { anyAddress, anyPort, hex, withByte, type DumpedEntry } from '../../support/map-bytes.ts';

function decode(dumps: Readonly<Record<string, readonly DumpedEntry[]>>): CalicoMaps {
  const decoded = decodeCalicoMaps(parseMapDumps(JSON.stringify(dumps)));
  if (decoded === undefined) throw new Error('no map of Calico');
  return decoded.maps;
}

describe('decodeCalicoMaps', () => {
  it('reads a frontend and a backend from the bytes that Felix writes', () => {
    const { IPv4 } = decode({
      // 10.96.0.10:80/TCP from 192.0.2.0/24: id 258, 3 backends, 1 of them local, 60 s of affinity, both policies.
      cali_v4_nat_fe3: [
        {
          key: hex('50 00 00 00 0a 60 00 0a 50 00 06 c0 00 02 00 00'),
          value: hex('02 01 00 00 03 00 00 00 01 00 00 00 3c 00 00 00 03 00 00 00'),
        },
      ],
      // The first of it: 10.244.1.1:8080.
      cali_v4_nat_be: [{ key: hex('02 01 00 00 00 00 00 00'), value: hex('0a f4 01 01 90 1f 00 00') }],
    });
    expect(IPv4.frontends).toEqual([
      {
        address: '10.96.0.10',
        port: 80,
        protocol: 'TCP',
        clients: '192.0.2.0/24',
        id: 258,
        count: 3,
        local: 1,
        affinitySeconds: 60,
        flags: new Set(['externalTrafficPolicy Local', 'internalTrafficPolicy Local']),
      },
    ]);
    expect(IPv4.backends).toEqual(new Map([[258, new Map([[0, { address: '10.244.1.1', port: 8080 }]])]]));
  });

  const long = fc.integer({ min: 0, max: 0xffff_fffe });

  it('gives back what was written, whatever it is, in either family', () => {
    fc.assert(
      fc.property(
        fc.record({
          address: anyAddress,
          port: anyPort,
          protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
          prefix: fc.integer({ min: 0, max: 32 }),
          id: long,
          count: fc.oneof(long, fc.constant(dropCount)),
          local: long,
          affinity: long,
          flags: fc.integer({ min: 0, max: 15 }),
        }),
        anyPort,
        fc.integer({ min: 0, max: 0xfff }),
        ({ prefix, ...frontend }, backendPort, routeFlags) => {
          const family = frontend.address.includes(':') ? 'IPv6' : 'IPv4';
          const digit = family === 'IPv6' ? '6' : '4';
          const backend = { address: frontend.address, port: backendPort };
          const of = decode({
            [`cali_v${digit}_nat_fe3`]: [frontendEntry({ ...frontend, clients: [frontend.address, prefix] })],
            [`cali_v${digit}_nat_be`]: [natBackendEntry(frontend.id, frontend.local, backend.address, backend.port)],
            [`cali_v${digit}_routes`]: [routeEntry(frontend.address, prefix, routeFlags)],
            [`cali_v${digit}_nat_aff`]: [natAffinityEntry(frontend, frontend.address, backend)],
          })[family];
          const [read] = of.frontends ?? [];
          const { address: text = '', protocol = 'TCP' } = read ?? {};
          expect(read).toMatchObject({
            port: frontend.port,
            protocol: frontend.protocol,
            clients: `${text}/${String(prefix)}`,
            id: frontend.id,
            count: frontend.count === dropCount ? 'Drop' : frontend.count,
            local: frontend.local,
            affinitySeconds: frontend.affinity,
          });
          expect(read?.flags.has('excluded')).toBe((frontend.flags & natFlag.excluded) !== 0);
          expect(read?.flags.has('Maglev')).toBe((frontend.flags & natFlag.maglev) !== 0);
          const expected = { address: text, port: backendPort };
          expect(of.backends?.get(frontend.id)?.get(frontend.local)).toEqual(expected);
          expect(of.clients?.get(clientKey(text, frontend.port, protocol, text))).toEqual(expected);
          expect(of.routes).toEqual([
            {
              network: `${text}/${String(prefix)}`,
              isLocal: (routeFlags & 8) !== 0,
              isHost: (routeFlags & 16) !== 0,
              isWorkload: (routeFlags & 4) !== 0,
            },
          ]);
        },
      ),
    );
  });

  it('leaves absent what was not dumped, and names maps that say nothing of Services', () => {
    expect(decodeCalicoMaps(parseMapDumps('{"other": []}'))).toBeUndefined();
    const decoded = decodeCalicoMaps(parseMapDumps('{"cali_v4_nat_fe3": [], "cali_v4_ct4": []}'));
    expect(decoded?.unread).toEqual(['cali_v4_ct4']);
    expect(decoded?.maps).toEqual({ names: ['cali_v4_nat_fe3'], IPv4: { frontends: [] }, IPv6: {} });
  });

  const frontend = frontendEntry({ address: '10.0.0.1', port: 80 });
  it.each([
    [
      'a key of another size',
      { cali_v4_nat_fe3: [{ ...frontend, key: frontend.key.slice(1) }] },
      'its key has 15 bytes',
    ],
    [
      'a protocol',
      { cali_v4_nat_fe3: [{ ...frontend, key: withByte(frontend.key, 10, '0x2f') }] },
      'its protocol is 47',
    ],
    ['a prefix', { cali_v4_nat_fe3: [{ ...frontend, key: withByte(frontend.key, 0, '0x37') }] }, 'its prefix is -1'],
    ['flags', { cali_v4_nat_fe3: [frontendEntry({ address: '10.0.0.1', port: 80, flags: 16 })] }, 'its flags are 16'],
    ['a route of another size', { cali_v4_routes: [routeEntry('fd00::', 8, 0)] }, 'its key has 20 bytes'],
  ])('refuses %s that no version of Calico has', (_name, dumps, message) => {
    expect(() => decode(dumps)).toThrow(message);
  });
});
