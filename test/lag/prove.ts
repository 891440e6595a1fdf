/**
 * `npm run prove:lag -- [--changes N] [--quick N] [--cuts N] [--screen N] [--seed N] [--cluster NAME] [--json]`: whether the lags
 * that a trace shows are true, on the embedded cluster, and how soon a change of the rules is on the screen. Prints a table, or
 * with --json one line for each mode; its log goes to standard error. The status is 1 where something that docs/convergence.md says does not hold.
 */
import { parseArgs } from 'node:util';
import { attachCluster, startCluster, stopCluster } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { deployOperator, loadProjectImages } from '../setup/deploy.ts';
import { proveLag } from './lag-proof.ts';
import { lagFaults, lagProofLines, lagProofText } from './lag-proof-text.ts';
import { measureScreen } from './screen-times.ts';

const { values } = parseArgs({
  options: {
    changes: { type: 'string', default: '200' },
    quick: { type: 'string', default: '1000' },
    cuts: { type: 'string', default: '50' },
    screen: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    cluster: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [changes, quick, cuts, screen, seed] = [
  values.changes,
  values.quick,
  values.cuts,
  values.screen,
  values.seed,
].map(Number);
if (![changes, quick, cuts, screen, seed].every((value) => Number.isSafeInteger(value) && (value ?? -1) >= 0)) {
  process.stderr.write(
    '--changes, --quick, --cuts, --screen and --seed take whole numbers: npm run prove:lag -- --changes 200\n',
  );
  process.exit(2);
}
const name = process.env['SVCTRACE_TEST_CLUSTER'] ?? 'lag';
const cluster =
  values.cluster === undefined
    ? await startCluster({ name, onProgress: progressPrinter('cluster: ') })
    : await attachCluster(values.cluster);
try {
  await loadProjectImages(cluster);
  const started = Date.now();
  const proof = await proveLag({
    cluster,
    changes: changes ?? 0,
    quick: quick ?? 0,
    cuts: cuts ?? 0,
    seed: seed ?? 0,
    log: (line) => {
      process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
    },
  });
  if (screen !== undefined && screen > 0) await deployOperator(cluster);
  const screens = await measureScreen(cluster, screen ?? 0);
  const all = { ...proof, screens };
  process.stdout.write(values.json ? lagProofLines(all) : lagProofText(all));
  for (const problem of proof.problems) process.stderr.write(`${problem}\n`);
  if (lagFaults(all).length > 0) process.exitCode = 1;
} finally {
  if (values.cluster === undefined) await stopCluster(name);
}
