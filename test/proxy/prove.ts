/**
 * `npm run prove -- [--cases N] [--seed N] [--release VERSION]` compares the evaluator with the kernel until there are so
 * many cases (10,000 if not given), with one release's kube-proxy (the test cluster's own if not given). It prints every
 * disagreement and the figures, and exits with 1 on any disagreement.
 */
import { parseArgs } from 'node:util';
import { progressPrinter } from '../cluster/progress.ts';
import { currentRelease, releases } from './kube-proxy-releases.ts';
import { proofText, prove } from './proof.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    release: { type: 'string', default: currentRelease.version },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
const cases = Number(values.cases);
const release = releases.find(({ version }) => version === values.release);
if (release === undefined) {
  process.stderr.write(`--release is one of ${releases.map(({ version }) => version).join(', ')}.\n`);
  process.exit(2);
}
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('Give --cases a whole number above 0, and --seed a whole number.\n');
  process.exit(2);
}
process.stdout.write(`seed ${String(seed)}\n`);
const started = Date.now();
const proof = await prove({ name: 'proof', cases, seed, release, onProgress: progressPrinter() });
process.stdout.write(`${proofText(proof)}\n${((Date.now() - started) / 1000).toFixed(0)} s\n`);
if (proof.disagreements.length > 0 || proof.chiSquare.isImplausible) process.exitCode = 1;
