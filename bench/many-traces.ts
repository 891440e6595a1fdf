/**
 * `node bench/many-traces.ts --cluster NAME [TRACES] [SECONDS]`: how an operator that runs in an embedded cluster bears many
 * traces of mode Watch (default 200, at 10 s, in namespaces of 50 with ten Services each), for so many seconds (default 60).
 * Prints how long it takes until all are Ready, how long a trace of mode Once of another namespace takes while they are
 * not, how many traces fell behind, and whether a probe or the operator was restarted. What it makes, it removes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { attachCluster } from '../test/cluster/cluster.ts';

const { values, positionals } = parseArgs({
  options: { cluster: { type: 'string', default: 'svctrace' } },
  allowPositionals: true,
});
const [traces = 200, seconds = 60] = positionals.map(Number);
const perNamespace = 50;
const servicesPerNamespace = 10;
const cluster = await attachCluster(values.cluster);
const namespaces = Array.from({ length: Math.ceil(traces / perNamespace) }, (_, index) => `many-${String(index)}`);

const traceSchema = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string() }),
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string() })).optional() })
    .optional(),
});
type Trace = z.infer<typeof traceSchema>;

async function apply(items: readonly object[]): Promise<void> {
  await cluster.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    timeout: 300_000,
  });
}

async function read(): Promise<Trace[]> {
  const { stdout } = await cluster.kubectl(['get', 'svct', '-A', '-o', 'json'], { timeout: 120_000 });
  return z.object({ items: z.array(traceSchema) }).parse(JSON.parse(stdout)).items;
}

function count(all: readonly Trace[], type: string, status: string): number {
  return all.filter(
    ({ metadata, status: own }) =>
      metadata.namespace.startsWith('many-') &&
      own?.conditions?.some((condition) => condition.type === type && condition.status === status) === true,
  ).length;
}

async function restarts(): Promise<string> {
  const { stdout } = await cluster.kubectl([
    'get',
    'pods',
    '-n',
    'svctrace-system',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.reason} {.status.phase}{"\\n"}{end}',
  ]);
  return stdout.trim();
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const serviceOf = (index: number): string => `service-${String(index % servicesPerNamespace)}`;

try {
  await apply(
    [...namespaces, 'many-other'].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  );
  await apply(
    [...namespaces, 'many-other'].flatMap((namespace) =>
      Array.from({ length: servicesPerNamespace }, (_, index) => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace, name: serviceOf(index) },
        spec: { ports: [{ port: 80 }] },
      })),
    ),
  );
  say(`before:\n${await restarts()}`);
  const began = performance.now();
  const since = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  await apply(
    Array.from({ length: traces }, (_, index) => ({
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { namespace: namespaces[Math.floor(index / perNamespace)], name: `trace-${String(index)}` },
      spec: { serviceRef: { name: serviceOf(index) }, mode: 'Watch', interval: '10s' },
    })),
  );
  say(
    `${String(traces)} traces are made after ${since()}; ready then: ${String(count(await read(), 'Ready', 'True'))}`,
  );
  const once = performance.now();
  await apply([
    {
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { namespace: 'many-other', name: 'once' },
      spec: { serviceRef: { name: serviceOf(0) } },
    },
  ]);
  await cluster.kubectl(['wait', '-n', 'many-other', '--for=condition=Ready', 'servicetrace/once', '--timeout=300s'], {
    timeout: 310_000,
  });
  say(`a trace of mode Once of another namespace took ${((performance.now() - once) / 1000).toFixed(1)} s`);
  for (let ready = 0; ready < traces;) {
    ready = count(await read(), 'Ready', 'True');
    if (performance.now() - began > 300_000) {
      say(`only ${String(ready)} of ${String(traces)} are Ready after ${since()}`);
      break;
    }
    if (ready < traces) await sleep(500);
    else say(`all ${String(traces)} are Ready after ${since()}`);
  }
  await sleep(seconds * 1000);
  const all = await read();
  say(
    `after ${String(seconds)} s more: ${String(count(all, 'Ready', 'True'))} Ready, ${String(count(all, 'OnSchedule', 'False'))} fell behind, ${String(count(all, 'OnSchedule', 'True'))} on schedule`,
  );
  say(`after:\n${await restarts()}`);
  const { stdout } = await cluster.kubectl([
    'logs',
    '-n',
    'svctrace-system',
    'deployment/svctrace-operator',
    '--tail=20',
  ]);
  say(`the operator's log:\n${stdout}`);
} finally {
  await cluster.kubectl(['delete', 'namespace', ...namespaces, 'many-other', '--wait=false']);
}
