/** Brings the project into a running cluster, as a user would with kubectl. Used by the tests and by the demo. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { buildProjectImages } from './images.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Builds both images and loads them into every node. */
export async function loadProjectImages(cluster: Cluster): Promise<void> {
  const { operator, probe } = await buildProjectImages();
  await cluster.loadImage(operator);
  await cluster.loadImage(probe);
}

/** `kubectl apply -k config/default`, until the operator is available. */
export async function deployOperator(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '-k', join(root, 'config/default')]);
  await untilCrdEstablished(cluster);
  await cluster.kubectl(
    ['-n', 'svctrace-system', 'rollout', 'status', 'deployment/svctrace-operator', '--timeout=120s'],
    { timeout: 130_000 },
  );
}

/** kubectl's wait fails where the object was made just now and has no conditions at all. */
export async function untilCrdEstablished(cluster: Cluster): Promise<void> {
  await eventually(async () =>
    cluster.kubectl(['wait', '--for=condition=Established', 'crd/servicetraces.svctrace.io', '--timeout=5s']),
  );
}

/** The Service auth-service with three replicas and a client on each node, until all are ready. */
export async function deployAuthService(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '-f', join(root, 'test/cluster/auth-service.yaml')]);
  await cluster.kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=120s'], { timeout: 130_000 });
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod', '-l', 'app=client', '--timeout=60s'], {
    timeout: 70_000,
  });
}
