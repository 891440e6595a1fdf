/**
 * `npm run scale -- --nodes N [--services N] [--traces N] [--interval SECONDS] [--seconds N] [--short] [--json]`: what the
 * operator takes in a cluster of so many nodes: at rest, for one trace of all nodes from nothing, while traces of mode Watch
 * go on, and when it is killed and starts again, or another one takes over. Exit status 1 where a limit does not hold
 * (bench/scale/limits.ts), 2 for wrong arguments. docs/scale.md says what is simulated and what the numbers mean.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster, type SimulatedCluster } from './scale/api-server.ts';
import { brokenLimits, rounded } from './scale/limits.ts';
import { bundleOperator, startOperator, type OperatorProcess } from './scale/operator-process.ts';
import { ticks } from './process-usage.ts';
import { mostTraced, type TracedService } from './scale/traced-service.ts';

const howTo =
  'scale: npm run scale -- --nodes N (3 to 32768) [--services N] [--traces N (1 to 250)] [--interval SECONDS] [--seconds N] [--short] [--json]\n';

const simulated = `Simulated, in one process beside the operator's:
- the API server: in memory, over HTTPS on loopback; it validates and authorizes nothing, and writes no managedFields of a status
- kubelets: a probe's pod runs 0.8 to 2.5 s after it was made
- nodes: the probe's own side of a session; what it reads of the kernel is recorded of kube-proxy in mode iptables, for a Service with
  3 endpoints of both families, with each node's own addresses, counters and connections; a reading takes 20 to 200 ms
- Services that are not traced have an EndpointSlice of 4 endpoints, and no pods
Real: the operator's program with the flags of its image, its client, TLS and WebSockets.
`;

interface Asked {
  readonly nodes: number;
  readonly services: number;
  readonly traces: number;
  readonly interval: number;
  readonly seconds: number;
  readonly isShort: boolean;
  readonly isJson: boolean;
}

const asked = askedFor();
if (asked === undefined) {
  process.stderr.write(howTo);
  process.exit(2);
}
process.exit(await run(asked));

function askedFor(): Asked | undefined {
  try {
    const { values } = parseArgs({
      options: {
        nodes: { type: 'string' },
        services: { type: 'string' },
        traces: { type: 'string', default: '1' },
        interval: { type: 'string', default: '60' },
        seconds: { type: 'string', default: '120' },
        short: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const nodes = Number(values.nodes);
    const numbers = {
      nodes,
      services: Number(values.services ?? nodes * 2),
      traces: Number(values.traces),
      interval: Number(values.interval),
      seconds: Number(values.seconds),
    };
    const isRight =
      Object.values(numbers).every((value) => Number.isInteger(value) && value >= 1) &&
      nodes >= 3 &&
      nodes <= 32_768 &&
      numbers.services <= 65_536 &&
      numbers.traces <= mostTraced;
    return isRight ? { ...numbers, isShort: values.short, isJson: values.json } : undefined;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

async function run(options: Asked): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-scale-'));
  const running = new Set<OperatorProcess>();
  let cluster: SimulatedCluster | undefined;
  const start = async (name: string): Promise<OperatorProcess> => {
    if (cluster === undefined) throw new Error('there is no cluster');
    const operator = await startOperator(folder, name, cluster.kubeConfig);
    running.add(operator);
    return operator;
  };
  const kill = async (operator: OperatorProcess): Promise<void> => {
    running.delete(operator);
    await operator.kill();
  };
  try {
    if (!options.isJson) process.stdout.write(simulated);
    await bundleOperator(folder);
    cluster = await startCluster({
      nodes: options.nodes,
      services: Math.max(0, options.services - options.traces),
      traced: options.traces,
    });
    return print(options, await measure(options, cluster, { start, kill }));
  } catch (error) {
    process.stderr.write(`scale: ${error instanceof Error ? error.message : String(error)}\n`);
    for (const name of ['operator-a', 'operator-b']) process.stderr.write(lastLines(join(folder, `${name}.log`)));
    return 1;
  } finally {
    for (const operator of running) await operator.kill();
    await cluster?.close();
    rmSync(folder, { recursive: true });
  }
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-10).join('\n');
  } catch {
    return '';
  }
}

/** Of a time in which the operator did something. */
interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  readonly heldMilliseconds: number;
  readonly requests: number;
  /** By verb and resource. */
  readonly requestsOf: readonly (readonly [string, number])[];
  readonly traceWrites: number;
  readonly traceBytes: number;
  readonly leaseWrites: number;
  /** Of the process that simulates: where it needs a whole core, the operator waits for it. */
  readonly simulationCpuSeconds: number;
}

type Measurement = Awaited<ReturnType<typeof measure>>;

async function measure(
  { nodes, traces, interval, seconds, isShort }: Asked,
  cluster: SimulatedCluster,
  {
    start,
    kill,
  }: {
    readonly start: (name: string) => Promise<OperatorProcess>;
    readonly kill: (operator: OperatorProcess) => Promise<void>;
  },
) {
  const { traced, counts } = cluster;
  const [first] = traced;
  if (first === undefined) throw new Error('no Service is traced');
  const say = (line: string): void => {
    process.stderr.write(`scale: ${line}\n`);
  };

  say('the operator starts, and is at rest');
  let operator = await start('operator-a');
  await until(() => cluster.holder() === 'operator-a' && requested(counts.requests, 'watch nodes') > 0, 60);
  await sleep(isShort ? 2000 : 10_000);
  const rest = await during(cluster, operator, () => sleep(isShort ? 2000 : 20_000));
  const restMiB = operator.residentMiB();

  say('one trace of all nodes');
  const once = await during(cluster, operator, async () => {
    cluster.makeTrace('once', first, { mode: 'Once' });
    await until(() => isWhole(cluster, 'once', first, nodes), Math.max(120, nodes / 10));
  });
  const status = cluster.statusOf('once', first);
  cluster.deleteTrace('once', first);
  await until(() => cluster.probes() === 0, Math.max(60, nodes / 20));
  const common = { rest, restMiB, once, status, largestObjectKiB: counts.largestTraceBytes / 1024 };
  if (isShort) return { ...common, watch: undefined };

  say(`${String(traces)} of mode Watch, every ${String(interval)} s`);
  const converging = await during(cluster, operator, async () => {
    for (const service of traced)
      cluster.makeTrace('watch', service, { mode: 'Watch', interval: `${String(interval)}s` });
    await untilAllAfter(cluster, 'watch', nodes, 0);
  });
  // The first result is followed by what the watches of the nodes give at their beginning.
  await sleep(interval * 1000);
  const watching = await during(cluster, operator, () => sleep(seconds * 1000));

  say('the operator is killed, and starts again');
  const killedAt = Date.now();
  await kill(operator);
  operator = await start('operator-a');
  await untilAllAfter(cluster, 'watch', nodes, killedAt);
  const restartSeconds = (Date.now() - killedAt) / 1000;

  say('the operator is killed, and another one takes over');
  const other = await start('operator-b');
  await sleep(5000);
  const standbyMiB = other.residentMiB();
  const lostAt = Date.now();
  await kill(operator);
  await until(() => cluster.holder() === 'operator-b', 60);
  const handOverSeconds = (Date.now() - lostAt) / 1000;
  await untilAllAfter(cluster, 'watch', nodes, lostAt);
  const handOverResultSeconds = (Date.now() - lostAt) / 1000;
  return {
    ...common,
    largestObjectKiB: counts.largestTraceBytes / 1024,
    watch: { converging, watching, restartSeconds, standbyMiB, handOverSeconds, handOverResultSeconds },
  };
}

async function during(
  { counts }: SimulatedCluster,
  operator: OperatorProcess,
  act: () => Promise<unknown>,
): Promise<Usage> {
  const leases = (): number => requested(counts.requests, 'update leases');
  const all = (): number => [...counts.requests.values()].reduce((sum, each) => sum + each, 0);
  operator.peakMiB();
  await operator.heldMilliseconds();
  const before = {
    ...counts,
    requests: new Map(counts.requests),
    all: all(),
    leases: leases(),
    cpu: operator.cpuSeconds(),
    own: ticks(process.pid).own,
  };
  const begun = performance.now();
  await act();
  return {
    seconds: (performance.now() - begun) / 1000,
    cpuSeconds: operator.cpuSeconds() - before.cpu,
    rssMiB: operator.peakMiB(),
    heldMilliseconds: await operator.heldMilliseconds(),
    requests: all() - before.all - (leases() - before.leases),
    requestsOf: [...counts.requests].flatMap(([what, times]) => {
      const more = times - requested(before.requests, what);
      return more === 0 ? [] : [[what, more] as const];
    }),
    traceWrites: counts.traceWrites - before.traceWrites,
    traceBytes: counts.traceBytes - before.traceBytes,
    leaseWrites: leases() - before.leases,
    simulationCpuSeconds: (ticks(process.pid).own - before.own) / 1000,
  };
}

function requested(requests: ReadonlyMap<string, number>, what: string): number {
  return requests.get(what) ?? 0;
}

/** All nodes are in it, and it is ready. */
function isWhole(cluster: SimulatedCluster, name: string, service: TracedService, nodes: number): boolean {
  const status = cluster.statusOf(name, service);
  return (
    status?.summary?.nodes === `${String(nodes)}/${String(nodes)}` &&
    status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
  );
}

/** @param since milliseconds since 1970 */
async function untilAllAfter(cluster: SimulatedCluster, name: string, nodes: number, since: number): Promise<void> {
  await until(
    () =>
      cluster.traced.every(
        (service) =>
          Date.parse(cluster.statusOf(name, service)?.collectedAt ?? '') > since &&
          isWhole(cluster, name, service, nodes),
      ),
    Math.max(180, nodes / 5),
  );
}

/** @throws where it is not so after this time, in seconds */
async function until(isSo: () => boolean, seconds: number): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !isSo(); await sleep(50))
    if (performance.now() > end) throw new Error(`nothing came within ${String(seconds)} s`);
}

function print({ nodes, services, traces, isJson }: Asked, measured: Measurement): number {
  const { rest, restMiB, once, status, largestObjectKiB, watch } = measured;
  const perHour = (value: number, usage: Usage): number => (value * 3600) / usage.seconds;
  const fields = {
    nodes,
    services,
    traces,
    seconds: once.seconds,
    cpuSeconds: once.cpuSeconds,
    rssMiB: once.rssMiB,
    requestsPerNode: once.requests / nodes,
    largestObjectKiB,
    eventLoopMilliseconds: once.heldMilliseconds,
    traceWrites: once.traceWrites,
    traceWrittenKiB: once.traceBytes / 1024,
    restMiB,
    restCpuPercent: (100 * rest.cpuSeconds) / rest.seconds,
    leaseWritesPerHour: perHour(rest.leaseWrites, rest),
    ...(watch === undefined
      ? {}
      : {
          watchSeconds: watch.converging.seconds,
          watchCpuPercent: (100 * watch.watching.cpuSeconds) / watch.watching.seconds,
          watchRssMiB: Math.max(watch.watching.rssMiB, watch.converging.rssMiB),
          watchEventLoopMilliseconds: watch.watching.heldMilliseconds,
          watchWritesPerTraceAndHour: perHour(watch.watching.traceWrites, watch.watching) / traces,
          watchMiBPerTraceAndHour: perHour(watch.watching.traceBytes, watch.watching) / traces / 1024 ** 2,
          watchRequestsPerNodeAndHour: perHour(watch.watching.requests, watch.watching) / nodes,
          standbyMiB: watch.standbyMiB,
          restartSeconds: watch.restartSeconds,
          handOverSeconds: watch.handOverSeconds,
          handOverResultSeconds: watch.handOverResultSeconds,
        }),
    simulationCpuPercent: (100 * once.simulationCpuSeconds) / once.seconds,
    requests: Object.fromEntries(once.requestsOf),
    findings: [...new Set((status?.findings ?? []).map(({ id }) => id))],
    cut: status?.truncated ?? [],
    leftOut: watch === undefined ? 'what is watched, restart and hand-over: not measured with --short' : '',
  };
  const broken = brokenLimits({
    ...fields,
    watchRssMiB: fields.watchRssMiB,
    watchCpuPercent: fields.watchCpuPercent,
    handOverSeconds: fields.handOverSeconds,
  });
  if (isJson) process.stdout.write(`${JSON.stringify({ ...fields, broken })}\n`);
  else {
    const meanings: Readonly<Partial<Record<keyof typeof fields, string>>> = {
      seconds: 'one trace of all nodes from nothing: s',
      cpuSeconds: '  CPU of the operator: s',
      rssMiB: '  largest resident set: MiB',
      requestsPerNode: '  requests to the API server, by node',
      eventLoopMilliseconds: '  longest time for which the event loop was held: ms',
      traceWrites: '  writes of the trace',
      traceWrittenKiB: '  of them, all bytes: KiB',
      largestObjectKiB: 'largest ServiceTrace: KiB',
      restMiB: 'at rest: resident set: MiB',
      restCpuPercent: '  CPU: % of a core',
      leaseWritesPerHour: '  writes of the Lease in an hour',
      watchSeconds: 'traces of mode Watch, to their first results: s',
      watchCpuPercent: '  CPU from then on: % of a core',
      watchRssMiB: '  largest resident set: MiB',
      watchEventLoopMilliseconds: '  longest time for which the event loop was held from then on: ms',
      watchWritesPerTraceAndHour: '  writes of each in an hour',
      watchMiBPerTraceAndHour: '  of them, all bytes: MiB',
      watchRequestsPerNodeAndHour: '  requests to the API server in an hour, by node',
      standbyMiB: 'the operator that waits: resident set: MiB',
      restartSeconds: 'killed, started again, a new result of each: s',
      handOverSeconds: 'killed, another one has the Lease: s',
      handOverResultSeconds: '  and a new result of each: s',
      simulationCpuPercent: 'CPU of the simulation meanwhile: % of a core',
      findings: 'findings',
      cut: 'cut from the status',
      leftOut: 'left out',
    };
    process.stdout.write(`\n${String(nodes)} nodes, ${String(services)} Services, ${String(traces)} traced\n`);
    const { requests, ...rows } = fields;
    for (const [field, value] of Object.entries(rows)) {
      const meaning = Object.entries(meanings).find(([name]) => name === field)?.[1];
      const text = typeof value === 'number' ? rounded(value) : Array.isArray(value) ? value.join('; ') : value;
      if (meaning !== undefined && text !== '') process.stdout.write(`${meaning.padEnd(66)} ${text}\n`);
    }
    const kinds = Object.entries(requests).map(([what, times]) => `${what} ${String(times)}`);
    process.stdout.write(`${'requests while the one trace was collected'.padEnd(66)} ${kinds.join('; ')}\n`);
    for (const sentence of broken) process.stdout.write(`limit: ${sentence}\n`);
  }
  return broken.length === 0 ? 0 : 1;
}
