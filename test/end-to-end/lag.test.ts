/** When each node had a change of the EndpointSlices, as a trace shows it, against when its rules really changed: test/lag. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import * as z from 'zod';
import type { Cluster } from '../cluster/cluster.ts';
import { proveLag } from '../lag/lag-proof.ts';
import { lagProofText, untrueLags } from '../lag/lag-proof-text.ts';
import { applyObjects, serviceByHand, sliceByHand } from '../lag/service-by-hand.ts';
import { clusterTest } from '../support/cluster-under-test.ts';
import { eventually } from '../support/eventually.ts';

clusterTest(
  'shows each change once, with the moment at which each node had it, also while sessions are cut, and of a stopped kube-proxy',
  async (cluster) => {
    const log: string[] = [];
    const proof = await proveLag({
      cluster,
      changes: 10,
      quick: 40,
      cuts: 5,
      stoppedMilliseconds: 3000,
      seed: 1,
      log: (line) => log.push(line),
    });
    expect(untrueLags(proof), [...log, lagProofText({ ...proof, screens: [] }), ...proof.problems].join('\n')).toEqual(
      [],
    );
  },
  300_000,
);

const conditionSchema = z.object({
  status: z
    .object({
      conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() })),
    })
    .optional(),
});

async function convergedOf(cluster: Cluster, name: string) {
  const { stdout } = await cluster.kubectl(['get', 'servicetrace', name, '-o', 'json']);
  const { status } = conditionSchema.parse(JSON.parse(stdout));
  return status?.conditions.find(({ type }) => type === 'Converged');
}

clusterTest(
  'is not shown as converged from when its EndpointSlices change until the last node has that change',
  async (cluster) => {
    const name = 'noted';
    const slice = (address: string): object => sliceByHand('default', name, [address]);
    const node = cluster.node('node-b');
    await applyObjects(cluster, serviceByHand('default', name), slice('198.18.200.1'), {
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { name },
      // What a collection finds comes too late to be what is waited for.
      spec: { serviceRef: { name }, mode: 'Watch', interval: '60s' },
    });
    try {
      await cluster.kubectl(['wait', '--for=condition=Converged', `servicetrace/${name}`, '--timeout=110s'], {
        timeout: 120_000,
      });
      node.pauseKubeProxy();
      await sleep(200);
      await applyObjects(cluster, slice('198.18.200.2'));
      await eventually(async () => {
        expect(await convergedOf(cluster, name)).toMatchObject({ status: 'False', reason: 'Syncing' });
      });
      let hasResumed = false;
      const waited = cluster
        .kubectl(['wait', '--for=condition=Converged', `servicetrace/${name}`, '--timeout=100s'], { timeout: 110_000 })
        .then(() => hasResumed);
      await sleep(3000);
      hasResumed = true;
      node.resumeKubeProxy();
      expect(await waited, 'it was not shown as converged before').toBe(true);
      const { stdout } = await cluster.kubectl([
        'get',
        'servicetrace',
        name,
        '-o',
        'jsonpath={.status.convergence.changes[-1:].lag.lastNode}',
      ]);
      expect(stdout).toBe(node.name);
    } finally {
      node.resumeKubeProxy();
      await cluster.kubectl(['delete', 'servicetrace,service,endpointslice', name, '--ignore-not-found'], {
        reject: false,
      });
    }
  },
  300_000,
);
