/** A node in IPVS mode (test/fixtures/rulesets/ipvs), walked as a whole: rules, sets and virtual servers together. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { summarize } from '../../../core/program/walk-packet.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { mergeRulesets, parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';

const folder = fileURLToPath(new URL('../../fixtures/rulesets/ipvs/', import.meta.url));
const files = ['iptables-save.txt', 'ipset-save.txt', 'ipvsadm-Sn.txt'].map((file) =>
  parseRulesetFile(readFileSync(folder + file, 'utf8')),
);
const ruleset = mergeRulesets(files);
const node = '172.30.0.11';

interface Case {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol?: 'UDP';
  readonly expected: {
    readonly verdict: string;
    readonly targets?: Readonly<Record<string, number>>;
    readonly masquerade?: boolean;
    readonly unknown?: readonly string[];
  };
}

const cases: readonly Case[] = [
  {
    name: 'a pod to a ClusterIP: the draining server gets nothing',
    from: '10.244.2.9',
    to: '10.96.0.7',
    port: 80,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 0.5, '10.244.2.2:8080': 0.5 } },
  },
  {
    name: 'a real server to itself, by KUBE-LOOP-BACK',
    from: '10.244.1.2',
    to: '10.96.0.7',
    port: 80,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 0.5, '10.244.2.2:8080': 0.5 }, masquerade: true },
  },
  {
    name: 'the node to a ClusterIP',
    from: node,
    to: '10.96.0.7',
    port: 80,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 0.5, '10.244.2.2:8080': 0.5 }, masquerade: true },
  },
  {
    name: 'a client outside to a NodePort',
    from: '192.0.2.9',
    to: node,
    port: 30080,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 0.5, '10.244.2.2:8080': 0.5 }, masquerade: true },
  },
  {
    name: 'the same with externalTrafficPolicy Local keeps its address',
    from: '192.0.2.9',
    to: node,
    port: 30081,
    expected: { verdict: 'DNAT', targets: { '10.244.1.3:8080': 1 } },
  },
  {
    name: 'a new client of session affinity',
    from: '10.244.2.9',
    to: '10.96.0.8',
    port: 80,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 0.5, '10.244.2.2:8080': 0.5 } },
  },
  {
    name: 'a Service without endpoints is refused',
    from: '10.244.2.9',
    to: '10.96.0.9',
    port: 80,
    expected: { verdict: 'REJECT' },
  },
  {
    name: 'UDP',
    from: '10.244.2.9',
    to: '10.96.0.10',
    port: 53,
    protocol: 'UDP',
    expected: { verdict: 'DNAT', targets: { '10.244.1.9:53': 1 } },
  },
  {
    name: 'a port that the cluster IP has not is refused by KUBE-IPVS-FILTER',
    from: '10.244.2.9',
    to: '10.96.0.7',
    port: 81,
    expected: { verdict: 'REJECT' },
  },
  {
    name: 'a load balancer IP from within its source ranges',
    from: '192.0.2.9',
    to: '203.0.113.10',
    port: 443,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8443': 1 }, masquerade: true },
  },
  {
    name: 'a load balancer IP from elsewhere',
    from: '198.18.0.9',
    to: '203.0.113.10',
    port: 443,
    expected: { verdict: 'DROP' },
  },
  {
    name: 'an external IP',
    from: '192.0.2.9',
    to: '198.51.100.7',
    port: 80,
    expected: { verdict: 'DNAT', targets: { '10.244.1.2:8080': 1 }, masquerade: true, unknown: ['--physdev-is-in'] },
  },
  {
    name: 'an address that is not a Service',
    from: '10.244.2.9',
    to: '10.244.1.2',
    port: 8080,
    expected: { verdict: 'NONE' },
  },
];

describe('the IPVS mode', () => {
  it('reads its three dumps whole', () => {
    expect(ruleset.problems).toEqual([]);
    expect([ruleset.iptables.length, ruleset.ipSets.length, ruleset.virtualServers.length]).toEqual([1, 13, 9]);
  });

  it.each(cases)('$name', ({ from, to, port, protocol, expected }) => {
    const walk = summarize(
      walkRuleset(
        ruleset,
        {
          source: from,
          destination: to,
          destinationPort: port,
          protocol: protocol ?? 'TCP',
          entersAt: from === node ? 'OUTPUT' : 'PREROUTING',
        },
        [node],
      ),
    );
    expect(walk.verdict, JSON.stringify(walk.path, undefined, 1)).toBe(expected.verdict);
    expect(
      Object.fromEntries(
        walk.destinations.map(({ address, port: targetPort, probability }) => [
          `${address}:${String(targetPort)}`,
          probability,
        ]),
      ),
    ).toEqual(expected.targets ?? {});
    expect(walk.masquerade).toBe(expected.masquerade ?? false);
    expect(walk.unknown.map((each) => (expected.unknown ?? []).find((words) => each.includes(words)) ?? each)).toEqual(
      expected.unknown ?? [],
    );
  });
});
