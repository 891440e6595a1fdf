/** Starts the cluster that the cluster tests share, with the operator and auth-service in it, and removes it after them. */
import type { TestProject } from 'vitest/node';
import { startCluster, stopCluster } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { clusterRequirements } from '../cluster/requirements.ts';
import { deployAuthService, deployOperator, loadProjectImages } from './deploy.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The name of the running cluster, or why there is none. */
    cluster: { readonly name: string } | { readonly unavailable: string };
  }
}

/** `SVCTRACE_TEST_CLUSTER` names another, so that two checkouts on one machine can run their cluster tests side by side. */
const name = process.env['SVCTRACE_TEST_CLUSTER'] ?? 'test';
/** For work on the tests: leave the cluster running, and use it again the next time. */
const keep = process.env['SVCTRACE_KEEP_CLUSTER'] === '1';

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { ok, missing } = clusterRequirements();
  if (!ok) {
    project.provide('cluster', { unavailable: `the embedded cluster needs ${missing.join('; ')}` });
    return undefined;
  }
  if (!keep) await stopCluster(name);
  const cluster = await startCluster({ name, onProgress: progressPrinter('cluster: ') });
  try {
    await loadProjectImages(cluster);
    await deployOperator(cluster);
    await deployAuthService(cluster);
  } catch (error) {
    if (!keep) await cluster.down();
    throw error;
  }
  project.provide('cluster', { name });
  return keep ? undefined : () => cluster.down();
}
