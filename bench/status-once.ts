/**
 * What bench/status.ts starts for each size and mode: works out the status of one bundle as the operator does, in a
 * process of its own, and prints one line of JSON. `node bench/status-once.ts FILE WARM-UP-FILE`; the warm-up is a small
 * Service in the same mode, as an operator has worked out many.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseBundle } from '../core/wire/bundle.ts';
import type { StatusInput } from '../core/status/input.ts';
import { present } from '../core/lib/present.ts';
import { statusThread } from '../engine/status-thread.ts';

function read(file: string): StatusInput {
  const { spec, desired, answers, cluster, nodeZones, recordedAt } = parseBundle(readFileSync(file, 'utf8'));
  return {
    spec,
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now: recordedAt,
    ...present({ cluster, nodeZones }),
  };
}

const [, , file = '', warmUp = ''] = process.argv;
const statuses = statusThread();
await statuses.judge(read(warmUp));
const input = read(file);
// What reading the bundle left behind is none of the status' cost.
await new Promise((resolve) => {
  setTimeout(resolve, 200);
});
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const cpu = process.cpuUsage();
const started = performance.now();
const { findings = [] } = await statuses.judge(input);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
delay.disable();
await statuses.close();
process.stdout.write(
  `${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakMiB: process.resourceUsage().maxRSS / 1024, eventLoopMilliseconds: delay.max / 1e6, findings: findings.map(({ id }) => id) })}\n`,
);
