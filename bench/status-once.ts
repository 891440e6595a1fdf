/**
 * What bench/status.ts starts for each row, in a process of its own; prints one line of JSON.
 *
 * `node bench/status-once.ts FOLDER WARM-UP-FOLDER` works out a status as the operator does: the nodes' reports, as their
 * probes printed them, are decoded one by one, and the status is worked out of them. The warm-up is a small Service in the
 * same mode, as an operator has worked out many. `node bench/status-once.ts FILE` replays a bundle, cold.
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { parseBundle } from '../core/wire/bundle.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import { buildStatus } from '../core/status/status.ts';
import { statusInputOf, type StatusInput } from '../core/status/input.ts';
import { decodeReport } from '../engine/decode-report.ts';
import { statusThread } from '../engine/status-thread.ts';
import type { FindingStatus } from '../core/api/service-trace.ts';
import type { WrittenInput } from './status-input.ts';

const [, , measured = '', warmUp = ''] = process.argv;
const delay = monitorEventLoopDelay({ resolution: 5 });
const { findings = [], ...usage } = statSync(measured).isDirectory() ? await operator() : await replay();
process.stdout.write(
  `${JSON.stringify({ ...usage, peakMiB: process.resourceUsage().maxRSS / 1024, eventLoopMilliseconds: delay.max / 1e6, findings: findings.map(({ id }) => id) })}\n`,
);

interface Usage {
  readonly findings: readonly FindingStatus[] | undefined;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of `cpuSeconds`, for the decoding of what came. */
  readonly decodingSeconds: number;
}

async function operator(): Promise<Usage> {
  const statuses = statusThread();
  await statuses.judge(await input(written(warmUp), () => undefined));
  // What the API server reports is with the operator before the nodes are asked.
  const own = written(measured);
  // What the start and the warm-up left behind is none of the status' cost.
  await wait(200);
  delay.enable();
  let decoding = 0;
  const started = performance.now();
  const cpu = process.cpuUsage();
  const asked = await input(own, () => {
    decoding = since(cpu);
  });
  const { findings } = await statuses.judge(asked);
  const usage = {
    findings,
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: since(cpu),
    decodingSeconds: decoding,
  };
  delay.disable();
  await statuses.close();
  return usage;
}

async function replay(): Promise<Usage> {
  const text = readFileSync(measured, 'utf8');
  const started = performance.now();
  const cpu = process.cpuUsage();
  const bundle = parseBundle(text);
  const decodingSeconds = since(cpu);
  const { findings } = buildStatus(statusInputOf(bundle));
  return { findings, seconds: (performance.now() - started) / 1000, cpuSeconds: since(cpu), decodingSeconds };
}

interface Written extends WrittenInput {
  readonly folder: string;
}

function written(folder: string): Written {
  return { folder, ...(JSON.parse(readFileSync(join(folder, 'input.json'), 'utf8')) as WrittenInput) };
}

/** @param decoded called when all reports are */
async function input({ folder, input: rest, answers }: Written, decoded: () => void): Promise<StatusInput> {
  const all: NodeAnswer[] = [];
  for (const { file, ...answer } of answers) {
    all.push({ ...answer, report: await decodeReport(await readFile(join(folder, file), 'utf8')) });
  }
  decoded();
  return { ...rest, answers: all };
}

function since(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
