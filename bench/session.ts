/**
 * `npm run build && npm run bench:session -- 1000 10000 [--json]`: what a reading of one Service costs a node in an open
 * session, against a probe that is started for it, and against what people do by hand (bench/loaded-ruleset.ts), in the
 * same run, for each backend and number of Services. It is the bundled probe (dist/probe.mjs), asked by the engine's own
 * side of a session; beside the rules it lists the tables, reads what other programs have, and asks kube-proxy, which is
 * not there. Each reading is asked when the one before is answered.
 *
 * CPU is that of the probe, its helpers and all that they ran; the kernel counts it in ticks of 10 ms, so that it is taken
 * over all rounds. At rest: the resident sets of the probe and its helper after the readings, and their CPU in 20 s in
 * which nothing is asked but the two sides say that they live. With --json, one line of JSON for each row.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeReport } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { NodeSession } from '../engine/node-session.ts';
import { childrenOf, openProcess, runOnce } from '../test/support/probe-process.ts';
import {
  inNamespaces,
  loadRuleset,
  pipelineByHand,
  probeFile,
  requestedService,
  requireEndpoints,
  runsOf,
  type Backend,
} from './loaded-ruleset.ts';
import { residentOf, ticks } from './process-usage.ts';
import { generatedService } from './ruleset.ts';

const endpoints = 4;
const rounds = 11;
const restSeconds = 20;
const words = process.argv.slice(2);
const isJson = words.includes('--json');

await inNamespaces(import.meta.url, runsOf(words, [1000]), {
  flags: isJson ? ['--json'] : [],
  measureOne,
  printHead: () => {
    if (isJson) return;
    process.stdout.write(
      'One Service of so many; milliseconds (medians); x: how many times faster than by hand, and than a probe that is started\n' +
        'backend    Services    by hand   started   session      x hand   x started   CPU started   CPU session   at rest: MiB    CPU\n',
    );
  },
});

async function measureOne(backend: Backend, size: number): Promise<void> {
  loadRuleset(backend, { services: size, endpoints });
  // From the middle: neither the first nor the last of a long chain.
  const asked = generatedService(Math.floor(size / 2) + 1, endpoints);
  const request: ProbeRequest = {
    version: 1,
    node: 'bench',
    services: [requestedService(asked)],
    collect: { rules: true, conntrack: 'None', kubeProxy: false, dispatch: 'References' },
    maxConntrackEntries: 0,
  };
  const processes: ChildProcess[] = [];
  const session = new NodeSession({
    open: openProcess(probeFile, (child) => processes.push(child)),
    version: 'bench',
    onUnusable: (sentence) => {
      throw new Error(sentence);
    },
  });
  const read = (): Promise<NodeReport> =>
    session.ask(request, { timeoutMilliseconds: 60_000, signal: new AbortController().signal });
  const pids = (): number[] =>
    processes.flatMap(({ pid }) => (pid === undefined ? [] : [pid, ...childrenOf(pid, 'netlink socket')]));
  // The first reading starts the process.
  requireEndpoints(JSON.stringify(await read()), asked.endpoints);

  const byHand = await measure(size >= 10_000 ? 5 : rounds, async () => {
    const child = spawn('sh', ['-c', pipelineByHand(backend, asked.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    requireEndpoints(await text(child.stdout), asked.endpoints);
  });
  const childrenBefore = ticks(process.pid).ofChildren;
  const started = await measure(rounds, async () => {
    requireEndpoints(await runOnce(probeFile, request), asked.endpoints);
  });
  const startedCpu = (ticks(process.pid).ofChildren - childrenBefore) / rounds;
  const sessionBefore = cpuOf(pids());
  const inSession = await measure(rounds, async () => {
    requireEndpoints(JSON.stringify(await read()), asked.endpoints);
  });
  // What the last reading ran counts when it has ended.
  await sleep(1000);
  const sessionCpu = (cpuOf(pids()) - sessionBefore) / rounds;
  const restBefore = cpuOf(pids());
  await sleep(restSeconds * 1000);
  const restCpuPercent = (cpuOf(pids()) - restBefore) / (restSeconds * 10);
  const restMiB = pids().reduce((sum, pid) => sum + residentOf(pid), 0);
  session.close();
  if (isJson)
    process.stdout.write(
      `${JSON.stringify({
        backend,
        services: size,
        ratio: byHand / inSession,
        ratioToStarted: started / inSession,
        cpuMilliseconds: sessionCpu,
        restMiB,
        restCpuPercent,
      })}\n`,
    );
  else
    process.stdout.write(
      [
        backend.padEnd(10),
        String(size).padStart(8),
        byHand.toFixed(1).padStart(10),
        started.toFixed(1).padStart(9),
        inSession.toFixed(1).padStart(9),
        `${(byHand / inSession).toFixed(2)}x`.padStart(11),
        `${(started / inSession).toFixed(2)}x`.padStart(11),
        startedCpu.toFixed(0).padStart(13),
        sessionCpu.toFixed(0).padStart(13),
        restMiB.toFixed(0).padStart(14),
        `${restCpuPercent.toFixed(2)} %`.padStart(9),
      ].join(' ') + '\n',
    );
}

/** Median, in milliseconds. */
async function measure(count: number, once: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const begun = performance.now();
    await once();
    times.push(performance.now() - begun);
  }
  return times.sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? NaN;
}

/** Milliseconds of CPU: of these processes, and of what they ran and waited for. */
function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticks(pid).own + ticks(pid).ofChildren, 0);
}
