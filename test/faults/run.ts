/**
 * `npm run faults`: makes every fault of the suite on the embedded cluster, prints what was found, and writes
 * docs/diagnosis.md from it. `--group WORD` runs the groups whose names hold the word, and writes nothing;
 * `--cluster NAME` uses a cluster that runs already, and leaves it.
 */
import { parseArgs } from 'node:util';
import { attachCluster, startCluster, stopCluster, type Cluster } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { deployAuthService, loadProjectImages } from '../setup/deploy.ts';
import { deployKinds, healthyFindings, healthyServices } from './healthy.ts';
import type { FaultResult } from './fault.ts';
import { Place } from './place.ts';
import { prepare } from './prepare.ts';
import { writeDiagnosis } from './diagnosis.ts';
import { isExact } from './results.ts';
import { lookBefore, runGroup } from './run-group.ts';
import { suite } from './suite.ts';

const { values } = parseArgs({ options: { group: { type: 'string' }, cluster: { type: 'string' } } });
const name = process.env['SVCTRACE_TEST_CLUSTER'] ?? 'faults';

async function open(): Promise<Cluster> {
  const cluster =
    values.cluster === undefined
      ? await startCluster({ name, onProgress: progressPrinter('cluster: ') })
      : await attachCluster(values.cluster);
  await loadProjectImages(cluster);
  await deployAuthService(cluster);
  return cluster;
}

function print({ fault, found, foundHealthy, messages }: FaultResult): void {
  process.stdout.write(
    `  ${fault.name}\n    expected ${[...fault.expected].sort().join(', ')}\n    found    ${found.join(', ')}\n`,
  );
  if (foundHealthy.length > 0) process.stdout.write(`    without the fault ${foundHealthy.join(', ')}\n`);
  for (const message of messages) process.stdout.write(`      ${message}\n`);
}

function secondsSince(time: number): string {
  return ((Date.now() - time) / 1000).toFixed(1);
}

const cluster = await open();
const groups = suite.filter((group) => values.group === undefined || group.name.includes(values.group));
const place = new Place(cluster);
const results: FaultResult[] = [];
/** Groups whose faults could not be made or taken away. */
const failed: string[] = [];
try {
  const begun = Date.now();
  await Promise.all([deployKinds(place), prepare(place, groups)]);
  process.stdout.write(`all objects are there: ${secondsSince(begun)} s\n`);
  const looked = Date.now();
  const healthy = await healthyFindings(place);
  const before = await lookBefore(place, groups);
  process.stdout.write(
    `healthy cluster, ${String(healthyServices.length)} Services: ${healthy.join(', ') || 'nothing found'}, ${secondsSince(looked)} s\n`,
  );
  for (const group of groups) {
    const started = Date.now();
    const made = await runGroup(place, group, before).catch((error: unknown): FaultResult[] => {
      failed.push(`${group.name}: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    });
    results.push(...made);
    process.stdout.write(
      `${group.name}: ${String(made.filter(isExact).length)} of ${String(made.length)} exact, ${secondsSince(started)} s\n`,
    );
    for (const result of made) if (!isExact(result)) print(result);
  }
  process.stdout.write(`${String(results.length)} faults in ${secondsSince(begun)} s\n`);
  for (const line of failed) process.stderr.write(`${line}\n`);
  if (values.group === undefined && failed.length === 0)
    await writeDiagnosis({ results, healthyServices: healthyServices.length, healthyFindings: healthy });
  process.exitCode = failed.length === 0 && healthy.length === 0 && results.every(isExact) ? 0 : 1;
} finally {
  await place.close();
  if (values.cluster === undefined) await stopCluster(name);
}
