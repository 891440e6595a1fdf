/**
 * `node bench/cluster-start.ts`: how long the embedded cluster takes, from cached programs, until all nodes are ready
 * and DNS answers; the median of three. With --cold, first how long it takes to compile everything with empty caches
 * (in a folder that is removed after that).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster, stopCluster } from '../test/cluster/cluster.ts';
import { buildPrograms } from '../test/cluster/programs.ts';

const name = 'bench';

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - started) / 1e9;
}

if (process.argv.includes('--cold')) {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-cold-'));
  const before = { ...process.env };
  Object.assign(process.env, { GOCACHE: join(folder, 'go'), SVCTRACE_CACHE: join(folder, 'programs') });
  try {
    process.stdout.write(`compile everything, empty caches   ${(await seconds(() => buildPrograms())).toFixed(0)} s\n`);
  } finally {
    process.env = before;
    rmSync(folder, { recursive: true, force: true });
  }
}

await stopCluster(name);
const starts: number[] = [];
for (let round = 0; round < 3; round += 1) {
  starts.push(await seconds(() => startCluster({ name })));
  await stopCluster(name);
}
process.stdout.write(
  `start, programs cached             ${(starts.sort((one, other) => one - other)[1] ?? NaN).toFixed(1)} s (median of 3)\n`,
);
