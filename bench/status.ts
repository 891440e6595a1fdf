/**
 * `npm run bench:status -- 100 1000 5000 [--json] [--bundle FILE]`: what the status of a Service costs with so many
 * endpoints, all ready, on three nodes, among 50 other Services of all kinds and the rules of a CNI, Docker and firewalld,
 * for kube-proxy's modes iptables and nftables. Each is worked out in a fresh process, bundled, with the flags of the
 * operator's image and in its own thread for it, as the operator does it; the baseline of the same run is the Service of
 * test/fixtures/auth-service.svctrace, which has three endpoints and no such neighbours.
 *
 * Seconds by the clock and of the processor, from the nodes' reports as their probes printed them to the status; of these,
 * those for their decoding; the peak of the process' resident memory, with the reports; and the longest time for which the
 * operator's event loop was kept from other work.
 *
 * With `--bundle`, also what it costs to replay the bundle in a process that has done nothing else, beside the fixture's.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { parseBundle } from '../core/wire/bundle.ts';
import { commonOptions } from '../scripts/bundle-options.ts';
import { operatorNodeFlags } from '../scripts/operator-entrypoint.ts';
import { manyEndpoints, type ManyEndpointsMode } from './many-endpoints.ts';
import { writeInput } from './status-input.ts';
import * as z from 'zod';

const measuredSchema = z.object({
  seconds: z.number(),
  cpuSeconds: z.number(),
  decodingSeconds: z.number(),
  peakMiB: z.number(),
  eventLoopMilliseconds: z.number(),
  findings: z.array(z.string()),
});
type Measured = z.infer<typeof measuredSchema>;

const fixtureFile = fileURLToPath(new URL('../test/fixtures/auth-service.svctrace', import.meta.url));
const howTo =
  'bench:status: write numbers of endpoints from 1 to 40000, --json for lines of JSON, and --bundle FILE to replay one: npm run bench:status -- 100 1000 5000\n';

const { values, positionals } = askedFor();
const isJson = values.json;
const sizes = positionals.map(Number);
if (sizes.some((size) => !Number.isInteger(size) || size < 1 || size > 40_000)) {
  process.stderr.write(howTo);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));
try {
  await build({
    ...commonOptions,
    outdir: folder,
    entryPoints: { 'status-once': 'bench/status-once.ts', 'status-worker': 'engine/status-worker.ts' },
  });
  await run(sizes.length === 0 && values.bundle === undefined ? [100, 1000] : sizes);
  if (values.bundle !== undefined) replay(values.bundle);
} finally {
  rmSync(folder, { recursive: true });
}

function askedFor(): { values: { json: boolean; bundle?: string | undefined }; positionals: string[] } {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, bundle: { type: 'string' } },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${howTo}`);
    process.exit(2);
  }
}

async function run(asked: readonly number[]): Promise<void> {
  if (asked.length === 0) return;
  if (!isJson)
    process.stdout.write(
      'mode        endpoints    seconds     CPU (s)   decoding (s)   peak (MiB)   event loop held (ms)   CPU an endpoint (ms)   times the fixture (CPU)\n',
    );
  const fixtureFolder = join(folder, 'fixture');
  writeInput(fixtureFolder, parseBundle(readFileSync(fixtureFile, 'utf8')));
  for (const mode of ['iptables', 'nftables'] as const) {
    const warmUp = await write(mode, 60);
    const fixture = measure(fixtureFolder, warmUp);
    if (!isJson) row('fixture', 3, fixture, fixture);
    for (const endpoints of asked) {
      const measured = measure(endpoints === 60 ? warmUp : await write(mode, endpoints), warmUp);
      if (isJson) process.stdout.write(`${JSON.stringify({ mode, endpoints, ...measured })}\n`);
      else row(mode, endpoints, measured, fixture);
    }
  }
}

/** Each replayed several times, one after the other; what the processor needed at best, for other work only adds to it. */
function replay(file: string): void {
  const rounds = Array.from({ length: 5 }, () => ({ fixture: measure(fixtureFile), bundle: measure(file) }));
  const best = (which: 'fixture' | 'bundle'): number => Math.min(...rounds.map((round) => round[which].cpuSeconds));
  const [own, other] = [best('fixture'), best('bundle')];
  const times = other / own;
  process.stdout.write(
    isJson
      ? `${JSON.stringify({ mode: 'replay', cpuSeconds: other, fixtureCpuSeconds: own, times })}\n`
      : `replay, best of ${String(rounds.length)}: ${other.toFixed(2)} s of CPU, the fixture ${own.toFixed(2)} s: ${times.toFixed(2)} times\n`,
  );
}

async function write(mode: ManyEndpointsMode, endpoints: number): Promise<string> {
  const own = join(folder, `${mode}-${String(endpoints)}`);
  writeInput(own, await manyEndpoints(mode, endpoints));
  return own;
}

/** @param measured a folder of `writeInput`, or a bundle to replay */
function measure(measured: string, ...warmUp: readonly string[]): Measured {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...operatorNodeFlags(), join(folder, 'status-once.mjs'), measured, ...warmUp],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${measured}: ${stderr}`);
  return measuredSchema.parse(JSON.parse(stdout));
}

function row(mode: string, endpoints: number, measured: Measured, fixture: Measured): void {
  const { seconds, cpuSeconds, decodingSeconds, peakMiB, eventLoopMilliseconds } = measured;
  const cells = [
    seconds.toFixed(2).padStart(11),
    cpuSeconds.toFixed(2).padStart(12),
    decodingSeconds.toFixed(2).padStart(15),
    peakMiB.toFixed(0).padStart(13),
    eventLoopMilliseconds.toFixed(1).padStart(23),
    ((cpuSeconds * 1000) / endpoints).toFixed(2).padStart(23),
    (cpuSeconds / fixture.cpuSeconds).toFixed(1).padStart(26),
  ];
  process.stdout.write(`${mode.padEnd(12)}${String(endpoints).padStart(9)}${cells.join('')}\n`);
}
