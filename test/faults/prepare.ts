/** Makes what the suite's faults are made on, and waits until all of it is healthy and no longer new. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultGroup } from './fault.ts';
import { eventually } from '../support/eventually.ts';
import { namespace, type Place } from './place.ts';
import { sharedWorkload, untilReady } from './workload.ts';

/** Findings about rules wait 10 s after a change of the EndpointSlices (core/diagnose/checks/frontend-drift.ts). */
export const syncGraceSeconds = 11;

export async function prepare(place: Place, groups: readonly FaultGroup[]): Promise<void> {
  const objects = groups.flatMap(({ faults }) => faults.flatMap((fault) => fault.objects ?? []));
  await place.apply(sharedWorkload);
  await eventually(async () => place.kubectl(['-n', namespace, 'get', 'serviceaccount', 'default']), 30);
  // As where the controllers give each node its range of pods' addresses: it is the one that its network plugin has.
  for (const { name, podCIDRs } of place.cluster.nodes) {
    if ((await place.kubectl(['get', 'node', name, '-o', 'jsonpath={.spec.podCIDR}'])) === '') {
      await place.kubectl([
        'patch',
        'node',
        name,
        '--patch',
        JSON.stringify({ spec: { podCIDR: podCIDRs[0], podCIDRs } }),
      ]);
    }
  }
  await place.apply(objects);
  await untilReady(
    place,
    [...sharedWorkload, ...objects].flatMap(({ kind, metadata }) => (kind === 'Pod' ? [metadata.name] : [])),
  );
  const deployments = objects
    .filter(({ kind }) => kind === 'Deployment')
    .map(({ metadata }) => `deployment/${metadata.name}`);
  if (deployments.length > 0)
    await place.kubectl(['-n', namespace, 'wait', '--for=condition=Available', '--timeout=90s', ...deployments]);
  await sleep(syncGraceSeconds * 1000);
}
