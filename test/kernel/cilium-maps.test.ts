/**
 * Maps of eBPF with Cilium's layout in this kernel, pinned in a file system of the test's own mount namespace: what bpftool
 * dumps of them is read, and walked.
 */
import { describe, expect, it } from 'vitest';
import { parseRulesetFile } from '../../core/ruleset/read-dumps.ts';
import {
  affinityEntry,
  affinityMatchEntry,
  backendEntry,
  endpointEntry,
  frontendEntries,
  reverseNatEntry,
  serviceFlag,
  sourceRangeEntry,
} from '../support/cilium-bytes.ts';
import { answersOf, dumpMaps, mapTools } from './dump-maps.ts';
import { kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(mapTools);
describe.skipIf(unavailable !== undefined)(
  `maps of Cilium${unavailable === undefined ? '' : ` (${unavailable})`}`,
  () => {
    const node = '172.30.0.11';
    const balancer = '198.51.100.1';
    const client = '192.0.2.9';
    const { routable, loadBalancer, affinity, sourceRange, nodePort } = serviceFlag;
    const maps = {
      cilium_lb4_services_v2: [
        ...frontendEntries(
          { address: '10.96.0.10', port: 53, protocol: 'UDP', id: 258, flags: affinity, union: 10800 },
          [1, 2],
        ),
        ...frontendEntries(
          { address: balancer, port: 443, id: 3, flags: routable | loadBalancer | sourceRange },
          [1, 2],
        ),
        ...frontendEntries(
          { address: node, port: 30080, id: 4, flags: routable | nodePort | affinity, union: 60 },
          [1, 2],
        ),
      ],
      cilium_lb4_backends_v3: [
        backendEntry({ id: 1, address: '10.244.1.1', port: 8080 }),
        backendEntry({ id: 2, address: '10.244.2.2', port: 8080, state: 1 }),
      ],
      cilium_lb4_source_range: [sourceRangeEntry(3, '192.0.2.0', 24), sourceRangeEntry(9, '0.0.0.0', 0)],
      cilium_lb4_reverse_nat: [
        reverseNatEntry(258, '10.96.0.10', 53),
        reverseNatEntry(3, balancer, 443),
        reverseNatEntry(4, node, 30080),
      ],
      cilium_lb4_affinity: [affinityEntry(4, client, 2)],
      cilium_lb_affinity_match: [affinityMatchEntry(258, 1), affinityMatchEntry(258, 2), affinityMatchEntry(4, 2)],
      cilium_lb6_services_v2: frontendEntries({ address: 'fd00:96::a', port: 53, id: 5 }, [3]),
      cilium_lb6_backends_v3: [backendEntry({ id: 3, address: 'fd00:1::3', port: 8080 })],
      cilium_lxc: [endpointEntry('10.244.1.1'), endpointEntry('10.244.1.77'), endpointEntry(node, true)],
    };

    it('are read as they were written', async () => {
      const { cilium, problems } = parseRulesetFile(await dumpMaps(maps));
      expect(problems).toEqual([]);
      expect([...(cilium?.names ?? [])].sort()).toEqual(Object.keys(maps).sort());
      expect(
        cilium?.IPv4.services?.map(({ address, port, count }) => `${address}:${String(port)} ${String(count)}`).sort(),
      ).toEqual(['10.96.0.10:53 2', `${balancer}:443 2`, `${node}:30080 2`].sort());
      // The same, whether the kernel gave them or nobody did.
      const direct = parseRulesetFile(JSON.stringify(maps)).cilium;
      expect(cilium?.IPv4.backends).toEqual(direct?.IPv4.backends);
      expect(cilium?.IPv4.reverseNat).toEqual(direct?.IPv4.reverseNat);
      expect(cilium?.IPv4.sourceRanges).toEqual(direct?.IPv4.sourceRanges);
      expect(cilium?.IPv4.clients).toEqual(direct?.IPv4.clients);
      expect(cilium?.IPv6).toEqual(direct?.IPv6);
      expect(cilium?.endpoints).toEqual(direct?.endpoints);
      expect(cilium?.affinityMatches).toEqual(direct?.affinityMatches);
    });

    it('decide for packets', async () => {
      const ruleset = parseRulesetFile(await dumpMaps(maps));
      const answer = answersOf(ruleset, ({ address, probability, chosenBy, masquerade }) =>
        [address, probability ?? chosenBy, ...(masquerade ? ['masqueraded'] : [])].join(' '),
      );
      expect(answer('10.244.1.77', '10.96.0.10', 53, 'UDP')).toEqual(['DNAT', '10.244.1.1 0.5', '10.244.2.2 0.5']);
      expect(answer(client, '10.96.0.10', 53, 'UDP')).toEqual(['DROP']);
      expect(answer(client, balancer, 443)).toEqual(['DNAT', '10.244.1.1 0.5', '10.244.2.2 0.5 masqueraded']);
      expect(answer('203.0.113.1', balancer, 443)).toEqual(['DROP']);
      expect(answer(client, node, 30080)).toEqual(['DNAT', '10.244.1.1 Unknown', '10.244.2.2 Unknown masqueraded']);
      expect(answer('fd00:1::77', 'fd00:96::a', 53)).toEqual(['DROP']);
    });
  },
);
