/** Maps of eBPF with Calico's layout in this kernel: what bpftool dumps of them is read, and walked. */
import { describe, expect, it } from 'vitest';
import { parseRulesetFile } from '../../core/ruleset/read-dumps.ts';
import {
  dropCount,
  frontendEntry,
  natAffinityEntry,
  natBackendEntry,
  natFlag,
  routeEntry,
  routeFlag,
} from '../support/calico-bytes.ts';
import { answersOf, dumpMaps, mapTools } from './dump-maps.ts';
import { kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(mapTools);

describe.skipIf(unavailable !== undefined)(
  `maps of Calico${unavailable === undefined ? '' : ` (${unavailable})`}`,
  () => {
    const client = '192.0.2.9';
    const sticky = { address: '10.96.0.11', port: 53, protocol: 'UDP', id: 3, count: 2, affinity: 60 } as const;
    const balancer = { address: '198.51.100.1', port: 443, id: 4 };
    const maps = {
      cali_v4_nat_fe3: [
        frontendEntry({ address: '10.96.0.10', port: 80, id: 2, count: 2, local: 1, flags: natFlag.internalLocal }),
        frontendEntry(sticky),
        frontendEntry({ ...balancer, count: dropCount }),
        frontendEntry({ ...balancer, clients: ['192.0.2.0', 24], count: 2, local: 1 }),
      ],
      cali_v4_nat_be: [2, 3, 4].flatMap((id) => [
        natBackendEntry(id, 0, '10.244.1.1', 8080),
        natBackendEntry(id, 1, '10.244.2.2', 8080),
      ]),
      cali_v4_routes: [
        routeEntry('10.244.1.0', 24, routeFlag.workload | routeFlag.local),
        routeEntry('10.244.0.0', 16, routeFlag.workload),
      ],
      cali_v4_nat_aff: [natAffinityEntry(sticky, client, { address: '10.244.2.2', port: 8080 })],
      cali_v6_nat_fe3: [frontendEntry({ address: 'fd00:96::a', port: 80, id: 9, count: 1 })],
      cali_v6_nat_be: [natBackendEntry(9, 0, 'fd00:1::9', 8080)],
    };

    it('are read as they were written', async () => {
      const { calico, problems } = parseRulesetFile(await dumpMaps(maps));
      const direct = parseRulesetFile(JSON.stringify(maps)).calico;
      expect(problems).toEqual([]);
      expect([...(calico?.names ?? [])].sort()).toEqual(Object.keys(maps).sort());
      expect(calico?.IPv4.frontends).toHaveLength(4);
      expect(
        new Set(calico?.IPv4.frontends?.map((each) => JSON.stringify({ ...each, flags: [...each.flags] }))),
      ).toEqual(new Set(direct?.IPv4.frontends?.map((each) => JSON.stringify({ ...each, flags: [...each.flags] }))));
      expect(calico?.IPv4.backends).toEqual(direct?.IPv4.backends);
      expect(calico?.IPv4.clients).toEqual(direct?.IPv4.clients);
      expect(calico?.IPv4.routes).toEqual(expect.arrayContaining([...(direct?.IPv4.routes ?? [])]));
      expect(calico?.IPv6).toEqual(direct?.IPv6);
    });

    it('decide for packets', async () => {
      const ruleset = parseRulesetFile(await dumpMaps(maps));
      const answer = answersOf(
        ruleset,
        ({ address, probability, chosenBy }) => `${address} ${String(probability ?? chosenBy)}`,
      );
      const both = ['DNAT', '10.244.1.1 0.5', '10.244.2.2 0.5'];
      expect(answer('10.244.1.77', '10.96.0.10', 80)).toEqual(['DNAT', '10.244.1.1 1']);
      expect(answer(client, '10.96.0.10', 80)).toEqual(both);
      expect(answer(client, balancer.address, 443)).toEqual(both);
      expect(answer('203.0.113.1', balancer.address, 443)).toEqual(['DROP']);
      expect(answer(client, sticky.address, 53, 'UDP')).toEqual(['DNAT', '10.244.1.1 Unknown', '10.244.2.2 Unknown']);
      expect(answer('192.0.2.10', sticky.address, 53, 'UDP')).toEqual(both);
      expect(answer('fd00:1::77', 'fd00:96::a', 80)).toEqual(['DNAT', 'fd00:1::9 1']);
    });
  },
);
