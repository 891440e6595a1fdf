/**
 * `npm run churn -- --minutes 10 [--seed N] [--cluster NAME]`: a churn run on the embedded cluster. Its log goes to standard
 * error, its result to standard output; the status is 1 where a finding appeared that is not meant, or a meant one did not.
 */
import { parseArgs } from 'node:util';
import { attachCluster, startCluster, stopCluster } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { loadProjectImages } from '../setup/deploy.ts';
import { churn } from './churn.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    cluster: { type: 'string' },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write(
    '--minutes takes a number of minutes above 0, --seed a whole number: npm run churn -- --minutes 10 --seed 1\n',
  );
  process.exit(2);
}
const name = process.env['SVCTRACE_TEST_CLUSTER'] ?? 'churn';
const cluster =
  values.cluster === undefined
    ? await startCluster({ name, onProgress: progressPrinter('cluster: ') })
    : await attachCluster(values.cluster);
try {
  await loadProjectImages(cluster);
  const started = Date.now();
  const log = (line: string): void => {
    process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  const result = await churn({ cluster, seconds: minutes * 60, seed, most: 30, log });
  process.stdout.write(
    `${String(result.collections)} collections, ${String(result.actions)} changes, ${String(result.appeared)} findings appeared, ${String(result.wrong.length)} of them not meant; ${String(result.missed.length)} meant ones missed; ${String(result.unanswered)} answers of nodes did not come in 20 s; ${String(result.failed.length)} collections failed\n`,
  );
  for (const { at, service, finding, after } of result.wrong) {
    process.stdout.write(
      `\n${at} ${service}: ${finding.id} ${finding.where}: ${finding.message}\n${finding.evidence.map((line) => `    ${line}\n`).join('')}  after: ${after.join('; ')}\n`,
    );
  }
  for (const at of result.missed) process.stdout.write(`\nbroken was broken from ${at} on, and it was not found\n`);
  for (const text of new Set(result.failed)) process.stdout.write(`\nfailed: ${text}\n`);
  process.exitCode = result.wrong.length + result.missed.length === 0 && result.collections > 0 ? 0 : 1;
} finally {
  if (values.cluster === undefined) await stopCluster(name);
}
