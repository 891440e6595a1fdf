/**
 * `npm run bench:status -- 100 1000 5000 [--json]`: what the status of a Service costs with so many endpoints, all ready,
 * on three nodes, among 50 other Services of all kinds and the rules of a CNI, Docker and firewalld, for kube-proxy's
 * modes iptables and nftables. Each is worked out in a fresh process, bundled and in the operator's own thread for it, as
 * the operator does it; the baseline of the same
 * run is the Service of test/fixtures/auth-service.svctrace, which has four endpoints and no such neighbours.
 *
 * Seconds by the clock and of the processor, from the nodes' reports to the status; the peak of the process' resident
 * memory, with the reports; and the longest time for which the operator's event loop was kept from other work.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { printBundle } from '../core/wire/bundle.ts';
import { commonOptions } from '../scripts/bundle-options.ts';
import { manyEndpoints, type ManyEndpointsMode } from './many-endpoints.ts';
import * as z from 'zod';

const measuredSchema = z.object({
  seconds: z.number(),
  cpuSeconds: z.number(),
  peakMiB: z.number(),
  eventLoopMilliseconds: z.number(),
  findings: z.array(z.string()),
});
type Measured = z.infer<typeof measuredSchema>;

const words = process.argv.slice(2);
const isJson = words.includes('--json');
const sizes = words.filter((word) => word !== '--json').map(Number);
if (sizes.some((size) => !Number.isInteger(size) || size < 1 || size > 40_000)) {
  process.stderr.write(
    'bench:status: write numbers of endpoints from 1 to 40000, and --json for lines of JSON: npm run bench:status -- 100 1000 5000\n',
  );
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));
try {
  await build({
    ...commonOptions,
    outdir: folder,
    entryPoints: { 'status-once': 'bench/status-once.ts', 'status-worker': 'engine/status-worker.ts' },
  });
  await run(sizes.length === 0 ? [100, 1000] : sizes);
} finally {
  rmSync(folder, { recursive: true });
}

async function run(asked: readonly number[]): Promise<void> {
  if (!isJson)
    process.stdout.write(
      'mode        endpoints    seconds     CPU (s)   peak (MiB)   event loop held (ms)   CPU an endpoint (ms)   times the fixture (CPU)\n',
    );
  for (const mode of ['iptables', 'nftables'] as const) {
    const warmUp = await write(mode, 60);
    const fixture = measure(fileURLToPath(new URL('../test/fixtures/auth-service.svctrace', import.meta.url)), warmUp);
    if (!isJson) row('fixture', 3, fixture, fixture);
    for (const endpoints of asked) {
      const measured = measure(await write(mode, endpoints), warmUp);
      if (isJson) process.stdout.write(`${JSON.stringify({ mode, endpoints, ...measured })}\n`);
      else row(mode, endpoints, measured, fixture);
    }
  }
}

async function write(mode: ManyEndpointsMode, endpoints: number): Promise<string> {
  const file = join(folder, `${mode}-${String(endpoints)}.svctrace`);
  writeFileSync(file, printBundle(await manyEndpoints(mode, endpoints)));
  return file;
}

function measure(file: string, warmUp: string): Measured {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, 'status-once.mjs'), file, warmUp], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
  return measuredSchema.parse(JSON.parse(stdout));
}

function row(mode: string, endpoints: number, measured: Measured, fixture: Measured): void {
  const { seconds, cpuSeconds, peakMiB, eventLoopMilliseconds } = measured;
  const cells = [
    seconds.toFixed(2).padStart(11),
    cpuSeconds.toFixed(2).padStart(12),
    peakMiB.toFixed(0).padStart(13),
    eventLoopMilliseconds.toFixed(1).padStart(23),
    ((cpuSeconds * 1000) / endpoints).toFixed(2).padStart(23),
    (cpuSeconds / fixture.cpuSeconds).toFixed(1).padStart(26),
  ];
  process.stdout.write(`${mode.padEnd(12)}${String(endpoints).padStart(9)}${cells.join('')}\n`);
}
