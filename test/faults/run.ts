/**
 * `npm run faults`: makes every fault of the suite on the embedded cluster, prints what was found, and writes
 * docs/diagnosis.md from it. `--group WORD` runs the groups whose names hold the word, and writes nothing.
 */
import { parseArgs } from 'node:util';
import { attachCluster, startCluster, stopCluster, type Cluster } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { deployAuthService, loadProjectImages } from '../setup/deploy.ts';
import type { FaultResult } from './fault.ts';
import { Place } from './place.ts';
import { prepare } from './prepare.ts';
import { isExact } from './results.ts';
import { runGroup } from './run-group.ts';
import { suite } from './suite.ts';

const { values } = parseArgs({ options: { group: { type: 'string' }, cluster: { type: 'string' } } });

/** A cluster that runs already is used as it is, and left. */
async function open(): Promise<Cluster> {
  if (values.cluster !== undefined) return attachCluster(values.cluster);
  const started = await startCluster({ name: 'faults', onProgress: progressPrinter('cluster: ') });
  await loadProjectImages(started);
  await deployAuthService(started);
  return started;
}

const cluster = await open();
const groups = suite.filter(({ name }) => values.group === undefined || name.includes(values.group));
const place = new Place(cluster);
const results: FaultResult[] = [];
try {
  await prepare(place, groups);
  for (const group of groups) {
    const started = Date.now();
    const made = await runGroup(place, group);
    results.push(...made);
    process.stderr.write(`${group.name}: ${String(made.filter(isExact).length)} of ${String(made.length)} exact, ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
    for (const { fault, found, foundHealthy, messages } of made.filter((result) => !isExact(result))) {
      process.stderr.write(`  ${fault.name}\n    expected ${[...fault.expected].sort().join(', ')}\n    found    ${found.join(', ')}\n`);
      if (foundHealthy.length > 0) process.stderr.write(`    healthy  ${foundHealthy.join(', ')}\n`);
      for (const message of messages) process.stderr.write(`      ${message.slice(0, 400)}\n`);
    }
  }
} finally {
  await place.close();
  if (values.cluster === undefined) await stopCluster('faults');
}
process.exitCode = results.every(isExact) ? 0 : 1;
