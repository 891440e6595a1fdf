import { describe, expect, it } from 'vitest';
import { clusterRequirements } from '../cluster/requirements.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { proofText, prove } from './proof.ts';

const { missing } = clusterRequirements();
const seed = 20261124;
const cases = 2400;
const nodes = ['node-a', 'node-b', 'node-c'];

describe('the evaluator and the kernel', () => {
  it(`agree about ${String(cases)} random cases`, { timeout: 600_000 }, async ({ skip }) => {
    if (missing.length > 0) return skip(`the light cluster needs ${missing.join('; ')}`);
    const proof = await prove({ name: 'proof-test', cases, seed, onProgress: progressPrinter('proof: ') });
    process.stderr.write(`seed ${String(seed)}\n${proofText(proof)}\n`);
    expect(proof.disagreements).toEqual([]);
    expect(proof.chiSquare.isImplausible).toBe(false);
    // Nothing that random choice could have left out.
    expect(proof.services).toBeGreaterThanOrEqual(120);
    const wanted = [
      ...['DNAT', 'REJECT', 'DROP', 'NONE'].flatMap((verdict) =>
        [
          ...nodes,
          'TCP',
          'UDP',
          'SCTP',
          'IPv4',
          'IPv6',
          'from pod',
          'from node',
          'from outside (near)',
          'from outside (far)',
        ].map((kind) => `${kind} ${verdict}`),
      ),
      ...['ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP'].flatMap((frontend) => [
        `${frontend} DNAT`,
        `${frontend} REJECT`,
        `${frontend} DROP`,
      ]),
      ...[
        'localhost DNAT',
        'another port REJECT',
        'another port NONE',
        'masquerade',
        'no masquerade',
        'hairpin',
        'affinity',
      ],
    ];
    expect(wanted.filter((kind) => !proof.counts.has(kind))).toEqual([]);
  });
});
