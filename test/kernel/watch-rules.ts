/**
 * Watches the rules of one Service with a real probe in the namespace that it is run in, for test/kernel/probe-watch.test.ts: a
 * scenario as JSON on standard input; on standard output what each of its steps gave.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as z from 'zod';
import { probeRequestSchema } from '../../core/wire/probe-request.ts';
import { ruleRecordSchema, type RuleRecord } from '../../core/wire/watch-records.ts';
import type { WatchRequest } from '../../core/wire/watch-request.ts';
import { NodeSession } from '../../engine/node-session.ts';
import { childrenOf, openProcess } from '../support/probe-process.ts';

const probe = fileURLToPath(new URL('../../probe/main.ts', import.meta.url));
const run = promisify(execFile);

const scenarioSchema = z.object({
  service: probeRequestSchema.shape.services.element,
  steps: z.array(
    z.object({
      name: z.string(),
      /** For the shell. */
      script: z.string(),
      /** The helper that hears of changes: it does not run while the script does, or it is killed. */
      helper: z.enum(['stopped', 'killed']).optional(),
      /** The engine says that a change is near. */
      isExpecting: z.boolean().optional(),
      /** So many changes are waited for, and a loss counts as one; absent: for none. */
      until: z.number().optional(),
      /** How long nothing more has to come before the next step. */
      quiet: z.number(),
    }),
  ),
});

export type Scenario = z.infer<typeof scenarioSchema>;

export const stepsSchema = z.record(
  z.string(),
  z.object({
    /** By the clock of the node, which is this process's too. */
    began: z.number(),
    ended: z.number(),
    /** Of questions about rules. */
    askedBytes: z.number(),
    records: z.array(ruleRecordSchema),
    unwatched: z.array(z.string()),
  }),
);

/** Bytes of questions that the helpers have read over which the probe reads rules; those that hear of changes are others. */
function askedBytes(probes: readonly ChildProcess[]): number {
  return probes
    .flatMap(({ pid = 0 }) => {
      const listeners = childrenOf(pid, 'netlink group');
      return childrenOf(pid, 'netlink socket').filter((each) => !listeners.includes(each));
    })
    .map((pid) => Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${String(pid)}/io`, 'utf8'))?.[1]))
    .reduce((sum, count) => sum + count, 0);
}

async function main(): Promise<void> {
  const scenario = scenarioSchema.parse(JSON.parse(await text(process.stdin)));
  const processes: ChildProcess[] = [];
  const session = new NodeSession({
    open: openProcess(probe, (child) => processes.push(child)),
    version: 'test',
    onUnusable: (sentence) => {
      throw new Error(sentence);
    },
  });
  let records: RuleRecord[] = [];
  let unwatched: string[] = [];
  let last = Date.now();
  const request: WatchRequest = { version: 1, node: 'test', services: [scenario.service], isExpecting: false };
  const watch = (isExpecting = false): void => {
    session.watch(
      { ...request, isExpecting },
      {
        onRecord: (record) => {
          if (record.kind !== 'rules') throw new Error('nobody asked for connections');
          last = Date.now();
          records.push(record);
        },
        onUnfollowed: (reason) => {
          throw new Error(reason);
        },
        onUnwatched: (reason) => {
          unwatched.push(reason);
          last = Date.now();
        },
      },
    );
  };
  watch();
  const steps: z.infer<typeof stepsSchema> = {};
  const first: Scenario['steps'][number] = { name: 'first', script: '', quiet: 500 };
  for (const { name, script, helper, isExpecting, until = 0, quiet } of [first, ...scenario.steps]) {
    if (name === 'first')
      for (let tries = 0; tries < 1200 && records.length + unwatched.length === 0; tries += 1) await sleep(50);
    if (isExpecting === true) watch(true);
    const bytes = askedBytes(processes);
    const helpers = helper === undefined ? [] : processes.flatMap(({ pid = 0 }) => childrenOf(pid, 'netlink group'));
    for (const pid of helpers) process.kill(pid, helper === 'killed' ? 'SIGKILL' : 'SIGSTOP');
    const began = Date.now();
    if (script !== '') await run('sh', ['-euc', script], { maxBuffer: 2 ** 26 });
    const ended = Date.now();
    if (helper === 'stopped') for (const pid of helpers) process.kill(pid, 'SIGCONT');
    if (helper === 'killed') {
      for (let tries = 0; tries < 1200 && unwatched.length === 0; tries += 1) await sleep(50);
      watch();
      for (let tries = 0; tries < 1200 && records.length === 0; tries += 1) await sleep(50);
    }
    const known = (): number =>
      records.reduce((sum, { changes, hasLost }) => sum + changes.length + (hasLost ? 1 : 0), 0);
    for (let tries = 0; tries < 1200 && known() < until; tries += 1) await sleep(50);
    last = Date.now();
    while (Date.now() - last < quiet) await sleep(20);
    steps[name] = { began, ended, askedBytes: askedBytes(processes) - bytes, records, unwatched };
    records = [];
    unwatched = [];
  }
  const offset = session.clockOffset();
  session.close();
  for (const child of processes) if (child.exitCode === null) await once(child, 'exit');
  process.stdout.write(`${JSON.stringify({ steps, offset })}\n`);
}

if (import.meta.main) await main();
