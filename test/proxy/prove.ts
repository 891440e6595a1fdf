/**
 * `npm run prove -- [--cases N] [--seed N] [--name NAME]` compares the evaluator with the kernel until there are so many
 * cases (10,000 if not given), prints every disagreement and the figures, and exits with 1 on any disagreement.
 */
import { parseArgs } from 'node:util';
import { progressPrinter } from '../cluster/progress.ts';
import { proofText, prove } from './proof.ts';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '10000' }, seed: { type: 'string' }, name: { type: 'string', default: 'proof' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
const cases = Number(values.cases);
if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('Give --cases a whole number above 0, and --seed a whole number.\n');
  process.exit(2);
}
process.stdout.write(`seed ${String(seed)}\n`);
const started = Date.now();
const proof = await prove({ name: values.name, cases, seed, onProgress: progressPrinter() });
process.stdout.write(`${proofText(proof)}\n${((Date.now() - started) / 1000).toFixed(0)} s\n`);
if (proof.disagreements.length > 0 || proof.chiSquare.isImplausible) process.exitCode = 1;
