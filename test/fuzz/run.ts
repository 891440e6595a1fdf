/**
 * `npm run fuzz -- --cases 1000000 [--seed N] [--target NAME]`: mutated dumps against every parser and walk, on all
 * cores. Prints cases for each second and the totals; the first failures of each worker with their seed and input, and
 * exits 1 then. A case is made from the seed and its number alone, so that a failure is found again.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { Dice, fuzzTargets } from './targets.ts';

const jobSchema = z.object({ target: z.string(), seed: z.number(), from: z.number(), to: z.number() });
/** `done`: the cases that ran, the failing ones too. */
const messageSchema = z.object({
  done: z.number(),
  failures: z.array(z.object({ number: z.number(), message: z.string() })),
});

/** A worker gives up after so many. */
const maxFailures = 5;

if (isMainThread) await main();
else work(jobSchema.parse(workerData));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
    },
  });
  const cases = Number(values.cases);
  const seed = Number(values.seed);
  const names = fuzzTargets.map(({ name }) => name);
  if (
    !Number.isSafeInteger(cases) ||
    cases < 1 ||
    !Number.isSafeInteger(seed) ||
    (values.target !== undefined && !names.includes(values.target))
  ) {
    process.stderr.write(
      `Write npm run fuzz -- --cases 1000000 --seed 1, perhaps with --target and one of ${names.join(', ')}.\n`,
    );
    process.exit(2);
  }
  let failed = 0;
  for (const name of names.filter((each) => values.target === undefined || each === values.target)) {
    const started = performance.now();
    const threads = Math.max(1, Math.min(availableParallelism(), cases));
    const jobs = Array.from({ length: threads }, (_, each) => ({
      target: name,
      seed,
      from: Math.floor((cases * each) / threads),
      to: Math.floor((cases * (each + 1)) / threads),
    }));
    const results = await Promise.all(jobs.map(runJob));
    const failures = results.flatMap((result) => result.failures);
    const done = results.reduce((sum, result) => sum + result.done, 0);
    const seconds = (performance.now() - started) / 1000;
    process.stdout.write(
      `${name}: ${String(done)} of ${String(cases)} cases from seed ${String(seed)} in ${seconds.toFixed(1)} s on ${String(threads)} threads, ${(done / seconds).toFixed(0)} cases/s, ${String(failures.length)} failures\n`,
    );
    for (const { number, message } of failures)
      process.stdout.write(`${name} case ${String(number)} of seed ${String(seed)}: ${message}\n`);
    failed += failures.length;
  }
  process.exitCode = failed === 0 ? 0 : 1;
}

async function runJob(job: z.infer<typeof jobSchema>): Promise<z.infer<typeof messageSchema>> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      resolve(messageSchema.parse(message));
    });
    worker.on('error', reject);
  });
}

function work({ target: name, seed, from, to }: z.infer<typeof jobSchema>): void {
  const target = fuzzTargets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no fuzz target is called ${name}`);
  const failures: { number: number; message: string }[] = [];
  let number = from;
  for (; number < to && failures.length < maxFailures; number += 1) {
    try {
      target.run(new Dice(seed, number));
    } catch (error) {
      failures.push({ number, message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  parentPort?.postMessage({ done: number - from, failures });
}
