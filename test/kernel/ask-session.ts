/**
 * Asks a real probe in the namespace that it is run in, for test/kernel/probe-session.test.ts: the requests as JSON on
 * standard input; on standard output what was answered without a session, in one, to all at the same time, after the helper
 * that asks the kernel was killed, after it stopped, and after the probe itself was killed in the middle of an answer.
 */
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { parseNodeReport, type NodeReport } from '../../core/wire/node-report.ts';
import { probeRequestSchema, type ProbeRequest } from '../../core/wire/probe-request.ts';
import { NodeSession } from '../../engine/node-session.ts';
import { childrenOf, isThere, openProcess, runOnce } from '../support/probe-process.ts';

const probe = fileURLToPath(new URL('../../probe/main.ts', import.meta.url));
const reports = z.array(z.array(z.unknown()));
export const answersSchema = z.object({
  once: reports,
  session: reports,
  together: reports,
  /** None where no helper is kept. */
  helpers: z.object({ atFirst: z.number(), reused: z.boolean() }),
  afterKilledHelper: reports,
  late: z.string(),
  isStoppedHelperGone: z.boolean(),
  afterStoppedHelper: reports,
  afterKilledProbe: reports,
  processes: z.number(),
  left: z.array(z.number()),
});
export type SessionAnswers = z.infer<typeof answersSchema>;

/** All but what another time or process changes, in an order of its own: records come as they are read. */
const comparable = ({ records, complete }: NodeReport): unknown[] => [
  complete,
  ...records
    .map((record) => {
      if (record.kind === 'start') return { ...record, startedAt: '' };
      return record.kind === 'end' ? { kind: 'end' } : record;
    })
    .map((record) => JSON.stringify(record))
    .sort(),
];

async function main(): Promise<void> {
  const requests = z.array(probeRequestSchema).parse(JSON.parse(await text(process.stdin)));
  const processes: ChildProcess[] = [];
  const signal = new AbortController().signal;
  const problems: string[] = [];
  const session = new NodeSession({
    open: openProcess(probe, (child) => processes.push(child)),
    version: 'test',
    onUnusable: (sentence) => problems.push(sentence),
  });
  const ask = (request: ProbeRequest, timeoutMilliseconds = 25_000): Promise<NodeReport> =>
    session.ask(request, { timeoutMilliseconds, signal });
  const inTurn = async (): Promise<unknown[][]> => {
    const answers: unknown[][] = [];
    for (const request of requests) answers.push(comparable(await ask(request)));
    return answers;
  };
  const helpers = (): number[] =>
    processes.flatMap(({ pid }) => (pid === undefined ? [] : childrenOf(pid, 'netlink socket')));

  const once_: unknown[][] = [];
  for (const request of requests) once_.push(comparable(parseNodeReport(await runOnce(probe, request))));
  await ask(requests[0] as ProbeRequest);
  const first = helpers();
  const inSession = await inTurn();
  const reused = first.length > 0 && first.every((pid) => isThere(pid));
  // Four run, and the others wait.
  const together = await Promise.all(
    Array.from({ length: 20 }, (_, index) => ask(requests[index % requests.length] as ProbeRequest)),
  );
  const kill = (signalName: 'SIGKILL' | 'SIGSTOP'): number[] => {
    // One that was one too many after many readings at once may end at this moment.
    return helpers().filter((pid) => {
      try {
        return process.kill(pid, signalName);
      } catch {
        return false;
      }
    });
  };
  kill('SIGKILL');
  const afterKilledHelper = await inTurn();
  const stopped = kill('SIGSTOP');
  const late =
    stopped.length === 0
      ? 'nothing hangs'
      : await ask(requests[0] as ProbeRequest, 3000).then(
          () => 'answered',
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        );
  const afterStoppedHelper = await inTurn();
  // One that no reading had stays stopped; the one that stopped in a reading has been killed.
  const isStoppedHelperGone = stopped.some((pid) => !isThere(pid));
  for (const pid of stopped) if (isThere(pid)) process.kill(pid, 'SIGCONT');
  const answers = Promise.all(requests.map((request) => ask(request)));
  processes.at(-1)?.kill('SIGKILL');
  const afterKilledProbe = await answers;
  const lastProbe = processes.at(-1);
  const others = helpers();
  session.close();
  if (lastProbe?.exitCode === null) await once(lastProbe, 'exit');
  for (let tries = 0; tries < 100 && others.some(isThere); tries += 1) await sleep(20);
  if (problems.length > 0) throw new Error(problems.join());
  const all: SessionAnswers = {
    once: once_,
    session: inSession,
    together: together.map(comparable),
    helpers: { atFirst: first.length, reused },
    afterKilledHelper,
    late,
    isStoppedHelperGone,
    afterStoppedHelper,
    afterKilledProbe: afterKilledProbe.map(comparable),
    processes: processes.length,
    left: [...others, ...processes.flatMap(({ pid }) => pid ?? [])].filter(isThere),
  };
  process.stdout.write(`${JSON.stringify(all)}\n`);
}

if (import.meta.main) await main();
