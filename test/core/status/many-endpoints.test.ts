/** That the cost of a status grows with the endpoints, and not with their square: counted, not timed. */
import { statusInputOf } from '../../../core/status/input.ts';
import { describe, expect, it } from 'vitest';
import { manyEndpoints, type ManyEndpointsMode } from '../../../bench/many-endpoints.ts';
import { walkNodeReportRules } from '../../../core/program/walk-node-report.ts';
import { readNodeReportRules } from '../../../core/program/read-node-report.ts';
import { readAllHooks } from '../../../core/program/foreign-hooks.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import type { Packet } from '../../../core/evaluate/walk.ts';
import { buildStatus } from '../../../core/status/status.ts';
import { present } from '../../../core/lib/present.ts';

describe.each<ManyEndpointsMode>(['iptables', 'nftables'])('a Service of many endpoints among others, %s', (mode) => {
  it('has nothing wrong, and every endpoint gets its share on every node', async () => {
    const status = buildStatus(statusInputOf(await manyEndpoints(mode, 40)));
    expect(status.findings?.filter(({ severity }) => severity !== 'info')).toEqual([]);
    for (const { ports } of status.nodes ?? [])
      for (const { verdict, dnatTargets } of ports) {
        expect(verdict).toBe('DNAT');
        expect(dnatTargets).toHaveLength(40);
        for (const { probability, connections } of dnatTargets) {
          expect(probability).toBeCloseTo(1 / 40, 6);
          expect(connections).toBeGreaterThanOrEqual(0);
        }
      }
  });

  it('says of each node what it says of the node alone, though nodes share what is the same on several', async () => {
    const { spec, desired, answers, nodeZones, recordedAt } = await manyEndpoints(mode, 12);
    const of = (asked: typeof answers): ServiceTraceStatus =>
      buildStatus({
        spec,
        generation: 1,
        desired,
        answers: structuredClone(asked),
        previous: undefined,
        now: recordedAt,
        ...present({ nodeZones }),
      });
    const together = of(answers);
    const alone = answers.map((answer) => of([answer]));
    expect(together.nodes).toEqual(alone.flatMap(({ nodes }) => nodes));
    expect(together.programs?.map(({ nodes: _nodes, ...program }) => program)).toEqual(
      alone[0]?.programs?.map(({ nodes: _nodes, ...program }) => program),
    );
    expect(together.nodes?.map(({ program }) => program)).toEqual(
      answers.map(() => alone[0]?.programs?.[0]?.fingerprint),
    );
  });

  it('asks for each endpoint what its own chain asks, and rules of others once for all', async () => {
    const questions = async (endpoints: number): Promise<number> => {
      const { desired, answers } = await manyEndpoints(mode, endpoints);
      const [answer] = answers;
      if (answer === undefined || !('report' in answer)) throw new Error('the node answered');
      const hooks = readAllHooks(answer.report, 'default/many', 'IPv4', new Set());
      if (hooks === undefined) throw new Error('the node has rules of others');
      let count = 0;
      const packet: Packet = {
        source: '192.0.2.1',
        destination: desired.service.clusterIPs[0] ?? '',
        destinationPort: 80,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
      };
      const { leaves } = hooks.walk(
        new Proxy(packet, {
          get: (target, key) => {
            count += 1;
            return target[key as keyof Packet];
          },
        }),
      );
      expect(new Set(leaves.flatMap(({ dnat }) => dnat?.address ?? [])).size).toBe(endpoints);
      return count;
    };
    // Each by itself would ask about 60 times: flannel, Docker and firewalld have as many rules.
    expect((await questions(400)) - (await questions(40))).toBeLessThan(360 * 12);
  });

  it('distinguishes none of its endpoints behind the DNAT for a client outside', async () => {
    const { answers } = await manyEndpoints(mode, 30);
    const [answer] = answers;
    if (answer === undefined || !('report' in answer)) throw new Error('the node answered');
    const rules = readNodeReportRules(answer.report, 'default/many', 'IPv4');
    if (rules === undefined) throw new Error('the rules were read');
    const { leaves } = walkNodeReportRules(rules, {
      source: '192.0.2.1',
      destination: '10.96.200.1',
      destinationPort: 80,
      protocol: 'TCP',
      entersAt: 'PREROUTING',
    });
    expect(new Set(leaves.map(({ masqueradedBy }) => masqueradedBy)).size).toBe(1);
    expect(leaves.every(({ masquerade }) => masquerade)).toBe(true);
  });
});
