/**
 * `npm run build && npm run bench:tui`: how fast the live view is, with what it costs.
 * - first paint: from the start of the built plugin, in a terminal, to the first frame, with an API server that never
 *   answers; against `node -e 0` in the same run
 * - keys: from a key to the frame that answers it, with 1,000 nodes and 5,000 endpoints (live-view/key-latency.ts)
 * - at rest: CPU of the built plugin while its trace does not change
 * With names of these (`first-paint`, `keys`, `rest`), only those.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { pluginOptions, root } from '../scripts/bundle-options.ts';
import { exampleTrace } from '../test/support/example-trace.ts';
import { startTraceServer } from '../test/terminal/trace-server.ts';

const plugin = `${root}dist/kubectl-svctrace.mjs`;
const runs = 21;
const restSeconds = 20;
const folder = mkdtempSync(join(tmpdir(), 'svctrace-bench-'));
const asked = process.argv.slice(2);
const wants = (name: string): boolean => asked.length === 0 || asked.includes(name);

if (!existsSync(plugin)) throw new Error(`${plugin} is not there: npm run build makes it`);
try {
  process.stdout.write(
    `node ${process.versions.node}, ${String(cpus().length)} CPUs, load ${loadavg()
      .map((each) => each.toFixed(1))
      .join(' ')}\n`,
  );
  if (wants('first-paint')) await firstPaint();
  if (wants('keys')) await keys();
  if (wants('rest')) await rest();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A program in a terminal of 120x40 (util-linux's script gives it one); what it writes comes to its stdout. */
function inTerminal(command: readonly string[], cache: string): ChildProcess {
  const line = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return spawn('script', ['-qfec', `stty cols 120 rows 40; exec ${line}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, KUBECACHEDIR: cache, TERM: 'xterm-256color' },
  });
}

interface Start {
  /** Milliseconds from the start to the text, or to the end. */
  readonly wall: number;
  /** Milliseconds of CPU until then, at 10 ms each. */
  readonly cpu: number;
}

/**
 * @param text what is waited for; absent for the end of the program
 * @param end how it is ended then: by these keys, or at once
 */
function start(command: readonly string[], cache: string, text: string | undefined, end = 'killed'): Promise<Start> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = inTerminal(command, cache);
    let written = '';
    let seen: Start | undefined;
    child.stdout?.on('data', (chunk) => {
      written += String(chunk);
      if (seen !== undefined || text === undefined || !written.includes(text)) return;
      const program = programOf(child);
      seen = { wall: performance.now() - started, cpu: cpuOf(program) };
      // Leaving takes its time, where an API server does not answer; but what was compiled is kept only then.
      if (end === 'killed') process.kill(program, 'SIGKILL');
      else child.stdin?.write(end);
    });
    child.on('error', reject);
    child.on('close', () => {
      if (text === undefined) resolve({ wall: performance.now() - started, cpu: NaN });
      else if (seen === undefined) reject(new Error(`${command.join(' ')} ended without a frame:\n${written}`));
      else resolve(seen);
    });
  });
}

function programOf({ pid = 0 }: ChildProcess): number {
  return Number(
    readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
      .trim()
      .split(' ')[0],
  );
}

/** User and system time of a process, in milliseconds: fields 14 and 15 of proc_pid_stat(5), in 100ths of a second. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function firstPaint(): Promise<void> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const view = [process.execPath, plugin, 'auth-service', '-n', 'default', '--server', address];
  const picker = [process.execPath, plugin, '--server', address];
  const cache = join(folder, 'cache');
  const samples = new Map<string, Start[]>();
  const measure = async (
    name: string,
    command: readonly string[],
    text: string | undefined,
    own = cache,
  ): Promise<void> => {
    samples.set(name, [...(samples.get(name) ?? []), await start(command, own, text)]);
  };
  await start(view, cache, 'connecting', 'q');
  await start(picker, cache, 'being listed', '\u001b');
  // In turn, so that what else the machine does is shared by all.
  for (let run = 0; run < runs; run += 1) {
    await measure('node -e 0, from start to end', [process.execPath, '-e', '0'], undefined);
    await measure(
      'node, to the first byte that it writes',
      [process.execPath, '-e', 'process.stdout.write("up"); setInterval(() => undefined, 1000)'],
      'up',
    );
    await measure('live view', view, 'connecting');
    await measure('choice of a Service', picker, 'being listed');
    if (run % 3 === 0)
      await measure('live view, started for the first time', view, 'connecting', join(folder, `cold-${String(run)}`));
  }
  server.closeAllConnections();
  server.close();
  const node = quantile(
    (samples.get('node -e 0, from start to end') ?? []).map(({ wall }) => wall),
    0,
  );
  process.stdout.write(
    '\nfirst paint                                 runs   best (ms)   median (ms)   best, past node   CPU until then (ms)\n',
  );
  for (const [name, taken] of samples) {
    const walls = taken.map(({ wall }) => wall);
    const cpu = quantile(
      taken.map((each) => each.cpu),
      0,
    );
    process.stdout.write(
      `${name.padEnd(42)}${String(taken.length).padStart(6)}${quantile(walls, 0).toFixed(0).padStart(12)}${quantile(walls, 0.5).toFixed(0).padStart(14)}${(quantile(walls, 0) - node).toFixed(0).padStart(18)}${(Number.isNaN(cpu) ? '-' : cpu.toFixed(0)).padStart(22)}\n`,
    );
  }
}

async function keys(): Promise<void> {
  const entry = `${root}bench/live-view/key-latency.ts`;
  await build({ ...pluginOptions, entryPoints: { 'key-latency': entry }, outdir: folder });
  process.stdout.write('\n');
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(folder, 'key-latency.mjs')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error('the keys could not be measured');
}

async function rest(): Promise<void> {
  const server = await startTraceServer(exampleTrace);
  const child = inTerminal(
    [process.execPath, plugin, 'auth-service', '-n', 'default', '--server', server.address],
    join(folder, 'cache'),
  );
  let written = 0;
  let screen = '';
  child.stdout?.on('data', (chunk) => {
    written += Buffer.byteLength(String(chunk));
    screen += String(chunk);
  });
  while (!screen.includes('node-c')) await sleep(50);
  await sleep(1000);
  const [before, bytes] = [cpuOf(programOf(child)), written];
  await sleep(restSeconds * 1000);
  const used = cpuOf(programOf(child)) - before;
  process.stdout.write(
    `\nat rest for ${String(restSeconds)} s: ${String(used)} ms of CPU, ${(used / restSeconds / 10).toFixed(1)} % of a core; ${String(written - bytes)} bytes written (the age of the result)\n`,
  );
  child.stdin?.write('q');
  await new Promise((resolve) => {
    child.on('close', resolve);
  });
  await server.close();
}

function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
