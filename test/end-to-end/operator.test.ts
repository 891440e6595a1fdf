/**
 * What the operator does where there is too much of something, or something is away: on the real API server, kubelet and
 * kernel. How many traces it bears at the same time is measured by bench/many-traces.ts.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import * as z from 'zod';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { Components } from '../cluster/components.ts';
import { stateDirectory } from '../cluster/paths.ts';
import { signalProcess } from '../cluster/process-identity.ts';
import { untilCrdEstablished } from '../setup/deploy.ts';
import { eventually } from '../support/eventually.ts';
import { clusterTest } from '../support/cluster-under-test.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function manifest(name: string, spec: object, namespace = 'default'): string {
  return JSON.stringify({
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: { name, namespace },
    spec: { serviceRef: { name: 'auth-service' }, ...spec },
  });
}

async function readTrace({ kubectl }: Cluster, name: string): Promise<ServiceTrace> {
  return parseServiceTrace(JSON.parse((await kubectl(['get', 'svct', name, '-o', 'json'])).stdout));
}

const readyOf = (trace: ServiceTrace): string =>
  trace.status?.conditions?.flatMap(({ type, status, reason }) =>
    type === 'Ready' ? [`${status} ${reason}`] : [],
  )[0] ?? 'no status';
const nodesOf = (trace: ServiceTrace): string[] =>
  (trace.status?.nodes ?? []).map(({ name, probe }) => `${name} ${probe.state}`);

const podList = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

async function probesOf({ kubectl }: Cluster): Promise<string[]> {
  const { stdout } = await kubectl([
    'get',
    'pods',
    '-n',
    'svctrace-system',
    '-l',
    'app.kubernetes.io/component=probe',
    '-o',
    'json',
  ]);
  return podList.parse(JSON.parse(stdout)).items.map(({ metadata }) => metadata.name);
}

/** Those of a test before may still be ending. */
async function threeProbes(cluster: Cluster): Promise<string[]> {
  return eventually(async () => {
    const probes = await probesOf(cluster);
    expect(probes).toHaveLength(3);
    return probes;
  });
}

/** The operator that works, as the Lease names it. */
async function leaderOf({ kubectl }: Cluster): Promise<string> {
  const { stdout } = await kubectl([
    '-n',
    'svctrace-system',
    'get',
    'lease',
    'svctrace-operator',
    '-o',
    'jsonpath={.spec.holderIdentity}',
  ]);
  return stdout;
}

const logEntrySchema = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']),
  time: z.iso.datetime(),
  msg: z.string(),
  trace: z.strictObject({ namespace: z.string(), name: z.string() }).optional(),
  node: z.string().optional(),
});

/** The newest lines of an operator's log, each of which is an entry of the form that docs/decisions/138 gives. */
async function logOf({ kubectl }: Cluster, pod: string): Promise<z.infer<typeof logEntrySchema>[]> {
  const { stdout } = await kubectl(['-n', 'svctrace-system', 'logs', pod, '--tail=50']);
  return stdout.split('\n').map((line) => logEntrySchema.parse(JSON.parse(line)));
}

/** Runs one of containerd's commands on the task of an operator's container, from its node. */
async function onTask(cluster: Cluster, pod: string, command: readonly string[]): Promise<void> {
  const { stdout } = await cluster.kubectl([
    'get',
    'pod',
    '-n',
    'svctrace-system',
    pod,
    '-o',
    'jsonpath={.spec.nodeName} {.status.containerStatuses[0].containerID}',
  ]);
  const [node = '', id = ''] = stdout.split(' ');
  await execa(cluster.programs.ctr, [
    '--address',
    cluster.node(node).containerdSocket,
    '--namespace',
    'k8s.io',
    'task',
    ...command,
    id.replace('containerd://', ''),
  ]);
}

/** Process 1 of the container takes no SIGKILL from inside: from the node it does. */
async function killWithoutNotice(cluster: Cluster, pod: string): Promise<void> {
  await onTask(cluster, pod, ['kill', '--signal', 'SIGKILL']);
}

/** When each node's last result of the trace was collected. */
async function collectedAt(cluster: Cluster, trace: string): Promise<string> {
  return (await readTrace(cluster, trace)).status?.nodes?.map(({ probe }) => probe.collectedAt ?? '').join() ?? '';
}

/** Stops a program of the cluster where it is, for as long as the test runs. */
async function whileStopped(cluster: Cluster, component: string, test: () => Promise<void>): Promise<void> {
  const record = new Components(cluster.name, stateDirectory(cluster.name)).find(component);
  if (record === undefined) throw new Error(`the cluster has no ${component}`);
  signalProcess(record, 'SIGSTOP');
  try {
    await test();
  } finally {
    signalProcess(record, 'SIGCONT');
  }
}

const eventList = z.object({
  items: z.array(
    z.object({
      type: z.string(),
      reason: z.string(),
      action: z.string(),
      note: z.string(),
      reportingController: z.string(),
      reportingInstance: z.string(),
      regarding: z.object({ kind: z.string(), name: z.string(), uid: z.string() }),
      series: z.object({ count: z.number() }).optional(),
    }),
  ),
});

describe('the operator', () => {
  clusterTest('reports the result of a trace as an Event, and the same again as a series of it', async (cluster) => {
    const spec = { serviceRef: { name: 'comes-and-goes' }, mode: 'Watch', interval: '1s' };
    const service = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'comes-and-goes' },
      spec: { ports: [{ port: 80 }] },
    });
    const isReady = async (status: string): Promise<void> => {
      await cluster.kubectl(['wait', `--for=condition=Ready=${status}`, 'servicetrace/reported', '--timeout=60s'], {
        timeout: 70_000,
      });
    };
    const eventsOf = async (type: string): Promise<z.infer<typeof eventList>['items']> => {
      const { stdout } = await cluster.kubectl(['get', 'events.events.k8s.io', '-o', 'json']);
      return eventList
        .parse({
          items: (JSON.parse(stdout) as { items: { regarding?: { name?: string } }[] }).items.filter(
            ({ regarding }) => regarding?.name === 'reported',
          ),
        })
        .items.filter((event) => event.type === type);
    };
    await cluster.kubectl(['apply', '-f', '-'], { input: manifest('reported', spec) });
    try {
      for (let times = 1; times <= 2; times += 1) {
        await isReady('False');
        await cluster.kubectl(['apply', '-f', '-'], { input: service });
        await isReady('True');
        await cluster.kubectl(['delete', 'service', 'comes-and-goes']);
      }
      await isReady('False');
      const leader = await leaderOf(cluster);
      await eventually(async () => {
        const [normal, ...others] = await eventsOf('Normal');
        expect(others).toEqual([]);
        expect(normal).toMatchObject({
          action: 'Collect',
          reportingController: 'svctrace.io/operator',
          reportingInstance: leader,
          regarding: { kind: 'ServiceTrace', name: 'reported' },
          series: { count: 2 },
        });
      }, 20);
      const warnings = await eventsOf('Warning');
      expect(warnings.map(({ reason }) => reason)).toEqual(['ServiceNotFound']);
    } finally {
      await cluster.kubectl(
        ['delete', 'servicetrace/reported', 'service/comes-and-goes', '--ignore-not-found', '--timeout=60s'],
        {
          timeout: 70_000,
        },
      );
    }
  });

  clusterTest('reads a node once for twelve traces at the same time, and each has its result', async (cluster) => {
    const names = Array.from({ length: 12 }, (_, index) => `many-${String(index)}`);
    await cluster.kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: names.map(
          (name, index) =>
            JSON.parse(manifest(name, index % 3 === 0 ? { collect: { conntrack: 'Entries' } } : {})) as object,
        ),
      }),
    });
    try {
      await cluster.kubectl(
        ['wait', '--for=condition=Ready', ...names.map((name) => `servicetrace/${name}`), '--timeout=120s'],
        { timeout: 130_000 },
      );
      for (const name of names)
        expect(nodesOf(await readTrace(cluster, name)), name).toEqual([
          'node-a Collected',
          'node-b Collected',
          'node-c Collected',
        ]);
    } finally {
      await cluster.kubectl(['delete', 'servicetrace', ...names, '--timeout=60s'], { timeout: 70_000 });
    }
  });

  clusterTest('gives a trace of 5,000 nodes that are not there a status, which says so', async (cluster) => {
    const names = Array.from(
      { length: 5000 },
      (_, index) => `no-such-node-${String(index)}.of-a-long-name.example.com`,
    );
    await cluster.kubectl(['create', '-f', '-'], { input: manifest('unknown-nodes', { nodes: { names } }) });
    try {
      await eventually(async () => {
        expect(readyOf(await readTrace(cluster, 'unknown-nodes'))).toMatch(/^False (NodesDidNotAnswer|StatusRefused)$/);
      }, 90);
    } finally {
      await cluster.kubectl(['delete', 'servicetrace', 'unknown-nodes', '--timeout=60s'], { timeout: 70_000 });
    }
  });

  clusterTest(
    'shows the results of the other nodes where a kubelet hangs, and that node when it is back',
    async (cluster) => {
      await cluster.kubectl(['apply', '-f', '-'], { input: manifest('hangs', { mode: 'Watch', interval: '2s' }) });
      try {
        await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/hangs', '--timeout=60s'], {
          timeout: 70_000,
        });
        const before =
          (await readTrace(cluster, 'hangs')).status?.nodes?.find(({ name }) => name === 'node-a')?.probe.collectedAt ??
          '';
        await whileStopped(cluster, 'node-c.kubelet', async () => {
          await eventually(async () => {
            expect(nodesOf(await readTrace(cluster, 'hangs'))).toEqual([
              'node-a Collected',
              'node-b Collected',
              expect.stringMatching(/^node-c (Waiting|Failed)$/),
            ]);
          });
          const since =
            (await readTrace(cluster, 'hangs')).status?.nodes?.find(({ name }) => name === 'node-a')?.probe
              .collectedAt ?? '';
          expect(Date.parse(since)).toBeGreaterThan(Date.parse(before));
          // Another trace is not held up by it.
          await cluster.kubectl(['apply', '-f', '-'], {
            input: manifest('beside', { nodes: { names: ['node-a', 'node-b'] } }),
          });
          await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/beside', '--timeout=30s'], {
            timeout: 40_000,
          });
          await eventually(async () => {
            expect(nodesOf(await readTrace(cluster, 'hangs'))[2]).toBe('node-c Failed');
          });
        });
        await eventually(async () => {
          expect(nodesOf(await readTrace(cluster, 'hangs'))).toEqual([
            'node-a Collected',
            'node-b Collected',
            'node-c Collected',
          ]);
        }, 120);
      } finally {
        await cluster.kubectl(['delete', 'servicetrace', 'hangs', 'beside', '--ignore-not-found', '--timeout=60s'], {
          timeout: 70_000,
        });
      }
    },
  );

  clusterTest('deletes probes that a killed process left, with no trace there', async (cluster) => {
    await cluster.kubectl(['apply', '-f', '-'], { input: manifest('left', { mode: 'Watch' }) });
    await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/left', '--timeout=60s'], { timeout: 70_000 });
    const probes = await threeProbes(cluster);
    await killWithoutNotice(cluster, await leaderOf(cluster));
    await cluster.kubectl(['delete', 'servicetrace', 'left', '--timeout=60s'], { timeout: 70_000 });
    await eventually(async () => {
      expect((await probesOf(cluster)).filter((name) => probes.includes(name))).toEqual([]);
    }, 90);
    await cluster.kubectl(
      ['-n', 'svctrace-system', 'rollout', 'status', 'deployment/svctrace-operator', '--timeout=120s'],
      { timeout: 130_000 },
    );
  });

  clusterTest('has one of two work, and the other go on where that one is gone or frozen', async (cluster) => {
    await cluster.kubectl(['apply', '-f', '-'], { input: manifest('two', { mode: 'Watch', interval: '2s' }) });
    try {
      await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/two', '--timeout=60s'], {
        timeout: 70_000,
      });
      await threeProbes(cluster);
      const first = await leaderOf(cluster);
      // As when its node is taken away.
      await cluster.kubectl(['-n', 'svctrace-system', 'delete', 'pod', first, '--force', '--grace-period=0']);
      const second = await eventually(async () => {
        const leader = await leaderOf(cluster);
        expect(leader).not.toBe('');
        expect(leader).not.toBe(first);
        return leader;
      }, 30);
      const before = await collectedAt(cluster, 'two');
      await eventually(async () => {
        expect(await collectedAt(cluster, 'two')).not.toBe(before);
      }, 30);
      // The probes of the first went with its pod; each node has one.
      await threeProbes(cluster);

      await onTask(cluster, second, ['pause']);
      const third = await eventually(async () => {
        const leader = await leaderOf(cluster);
        expect(leader).not.toBe(second);
        return leader;
      }, 40);
      await onTask(cluster, second, ['resume']);
      await eventually(async () => {
        const entries = await logOf(cluster, second);
        expect(entries).toContainEqual(
          expect.objectContaining({
            level: 'warn',
            msg: 'this operator could not renew its Lease in time: it stops, and another may work',
          }),
        );
        expect(entries.at(-1)).toMatchObject({
          level: 'info',
          msg: `${third} works; this operator waits until it ends`,
        });
      }, 30);
      expect(await leaderOf(cluster)).toBe(third);
      // Those of the one that was frozen are its own to delete.
      await threeProbes(cluster);
      expect(nodesOf(await readTrace(cluster, 'two'))).toEqual([
        'node-a Collected',
        'node-b Collected',
        'node-c Collected',
      ]);
    } finally {
      await cluster.kubectl(['delete', 'servicetrace', 'two', '--timeout=60s'], { timeout: 70_000 });
    }
  });

  clusterTest('deletes its probes though the API server was away when it had to', async (cluster) => {
    await cluster.kubectl(['apply', '-f', '-'], { input: manifest('away', { mode: 'Watch' }) });
    await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/away', '--timeout=90s'], {
      timeout: 100_000,
    });
    await threeProbes(cluster);
    // The trace is gone, and the API server with it.
    await cluster.kubectl(['delete', 'servicetrace', 'away', '--wait=false']);
    await whileStopped(cluster, 'kube-apiserver', async () => {
      await new Promise((resolve) => {
        setTimeout(resolve, 15_000);
      });
    });
    await eventually(async () => {
      expect(await probesOf(cluster)).toEqual([]);
    }, 90);
  });

  clusterTest('serves traces again after its CustomResourceDefinition was deleted and recreated', async (cluster) => {
    const file = join(root, 'crds/servicetraces.yaml');
    await cluster.kubectl(['delete', '-f', file, '--timeout=60s'], { timeout: 70_000 });
    await cluster.kubectl(['apply', '-f', file]);
    await untilCrdEstablished(cluster);
    await eventually(async () => {
      await cluster.kubectl(['apply', '-f', '-'], { input: manifest('again', {}) });
    }, 30);
    await cluster.kubectl(['wait', '--for=condition=Ready', 'servicetrace/again', '--timeout=60s'], {
      timeout: 70_000,
    });
    await cluster.kubectl(['delete', 'servicetrace', 'again', '--timeout=60s'], { timeout: 70_000 });
  });
});
