/**
 * What it costs to show the progress of one collection: 200 nodes that answer one after the other, and progress that is
 * written 31 times. The baseline in the same run: the whole status each time, as it was made before.
 * Usage: node bench/progress.ts [NODES] [TIMES]
 */
import { readFileSync } from 'node:fs';
import { parseBundle } from '../core/wire/bundle.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import { progressStatus } from '../core/status/progress.ts';
import type { ServiceTraceStatus } from '../core/api/service-trace.ts';
import { buildStatus } from '../core/status/status.ts';

const [nodes = 200, times = 31] = process.argv.slice(2).map(Number);
const recorded = parseBundle(readFileSync(new URL('../test/fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const reports = recorded.answers.filter((answer) => 'report' in answer);

/** Of each collection's answers, `answered` have come. */
function answers(answered: number): NodeAnswer[] {
  return Array.from({ length: nodes }, (_, index) => {
    const node = `node-${String(index)}`;
    const recordedAnswer = reports[index % reports.length];
    return index >= answered || recordedAnswer === undefined
      ? { node, state: 'Waiting', reason: 'Asking', message: 'its probe is being asked' }
      : { ...recordedAnswer, node };
  });
}

function measure(name: string, make: (answers: NodeAnswer[]) => ServiceTraceStatus): number {
  let bytes = 0;
  const before = process.cpuUsage();
  for (let time = 1; time <= times; time += 1)
    bytes += Buffer.byteLength(JSON.stringify(make(answers(Math.floor((nodes * time) / times)))));
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  console.log(
    `${name.padEnd(12)} ${seconds.toFixed(3).padStart(8)} s of CPU  ${(bytes / 1024 / 1024).toFixed(2).padStart(6)} MiB written`,
  );
  return seconds;
}

const common = { generation: 1, desired: recorded.desired, previous: undefined, now: recorded.recordedAt };
console.log(`progress of ${String(nodes)} nodes, ${String(times)} times`);
const counts = measure('counts only', (each) => progressStatus({ ...common, answers: each }));
const whole = measure('whole status', (each) => buildStatus({ ...common, spec: recorded.spec, answers: each }));
console.log(`${(whole / counts).toFixed(0)} times less`);
