/** Deployments that are rolled while clients connect steadily: on real nodes, with a real kubelet and its preStop hooks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect } from 'vitest';
import type { RolloutResult } from '../../core/rollout/result.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { testpodImage } from '../cluster/images.ts';
import { parseRolloutResult } from '../support/rollout-result.ts';
import { cluster, clusterTest, svctrace, unavailable } from '../support/cluster-under-test.ts';

interface Termination {
  readonly preStopSeconds?: number;
  readonly graceSeconds: number;
}

/** Two replicas behind a Service of the same name. */
function workload(name: string, { preStopSeconds, graceSeconds }: Termination): string {
  const labels = { app: name };
  const container = {
    name: 'server',
    image: testpodImage,
    imagePullPolicy: 'Never',
    args: ['serve', '--port', '8080'],
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: {
      httpGet: { path: '/healthz', port: 8080 },
      periodSeconds: 1,
      timeoutSeconds: 3,
      failureThreshold: 3,
    },
    ...(preStopSeconds === undefined ? {} : { lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } } }),
  };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name },
        spec: {
          replicas: 2,
          selector: { matchLabels: labels },
          strategy: { rollingUpdate: { maxSurge: 2, maxUnavailable: 0 } },
          template: {
            metadata: { labels },
            spec: { terminationGracePeriodSeconds: graceSeconds, containers: [container] },
          },
        },
      },
    ],
  });
}

async function start({ kubectl }: Cluster, name: string, termination: Termination): Promise<string> {
  await kubectl(['apply', '-f', '-'], { input: workload(name, termination) });
  await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=60s']);
  const { stdout } = await kubectl(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}']);
  return stdout;
}

/** A pod that connects ten times a second, until the signal aborts. */
async function connectSteadily({ kubectl }: Cluster, client: string, to: string, signal: AbortSignal): Promise<void> {
  const args = ['exec', client, '--', '/testpod', 'connect', '--count', '2000', '--interval', '100ms', '--to', to];
  await kubectl(args, { signal, timeout: 200_000, reject: false }).catch(() => undefined);
}

interface Followed {
  readonly status: number;
  readonly result: RolloutResult;
}

/** Restarts the Deployment under `rollout` while two clients connect. @param meanwhile runs beside it */
async function restart(
  own: Cluster,
  name: string,
  clusterIp: string,
  meanwhile: () => Promise<void>,
): Promise<Followed> {
  const stop = new AbortController();
  const clients = ['client-a', 'client-b'].map((client) =>
    connectSteadily(own, client, `${clusterIp}:80`, stop.signal),
  );
  try {
    const [result] = await Promise.all([
      svctrace(
        [
          'rollout',
          name,
          '--settle',
          '4s',
          '--timeout',
          '60s',
          '-o',
          'json',
          '--',
          'kubectl',
          'rollout',
          'restart',
          `deployment/${name}`,
        ],
        { timeout: 150_000 },
      ),
      meanwhile(),
    ]);
    if (result.stdout === '') throw new Error(`nothing on stdout, status ${String(result.exitCode)}: ${result.stderr}`);
    // What the command prints is not among the result.
    expect(result.stderr).toContain(`deployment.apps/${name} restarted`);
    return { status: result.exitCode, result: parseRolloutResult(result.stdout) };
  } finally {
    stop.abort();
    await Promise.all(clients);
  }
}

const nothing = async (): Promise<void> => undefined;

describe('a Deployment that is rolled', () => {
  afterAll(async () => {
    if (unavailable !== undefined) return;
    const { kubectl } = await cluster();
    for (const name of ['roll-gently', 'roll-abruptly'])
      await kubectl(['delete', `deployment/${name}`, `service/${name}`, '--ignore-not-found', '--wait=false']);
  });

  clusterTest(
    'puts no connection at risk, where its pods sleep until every node has withdrawn them',
    async (own) => {
      const clusterIp = await start(own, 'roll-gently', { preStopSeconds: 8, graceSeconds: 20 });
      const { status, result } = await restart(own, 'roll-gently', clusterIp, nothing);
      expect(result, JSON.stringify(result, undefined, 1)).toMatchObject({
        verdict: 'noneAtRisk',
        gaps: [],
        connections: { unanswered: 0 },
        command: { exitCode: 0 },
        preStopSleep: { isEnough: true, present: { preStopMinSeconds: 8, terminationGracePeriodSeconds: 20 } },
      });
      expect(result.goneEndpoints.map(({ risk }) => risk)).toEqual(['none', 'none']);
      expect(result.newEndpoints).toHaveLength(2);
      for (const { nodes } of result.goneEndpoints)
        expect(nodes.map(({ node }) => node).sort()).toEqual(['node-a', 'node-b', 'node-c']);
      expect(status).toBe(0);
    },
    150_000,
  );

  clusterTest(
    'puts some at risk, where its pods die at once and a kube-proxy stands still: that node is named',
    async (own) => {
      const clusterIp = await start(own, 'roll-abruptly', { graceSeconds: 1 });
      const node = own.node('node-b');
      const { status, result } = await restart(own, 'roll-abruptly', clusterIp, async () => {
        const { kubectl } = own;
        const generation = async (): Promise<string> =>
          (await kubectl(['get', 'deployment/roll-abruptly', '-o', 'jsonpath={.metadata.generation}'])).stdout;
        const before = await generation();
        node.pauseKubeProxy();
        try {
          while ((await generation()) === before) await sleep(100);
          await kubectl(['rollout', 'status', 'deployment/roll-abruptly', '--timeout=60s']);
          // From now on, every endpoint that was to go is withdrawn, on this node for three seconds at least.
          await sleep(3000);
        } finally {
          node.resumeKubeProxy();
        }
      });
      expect(status, JSON.stringify(result, undefined, 1)).toBe(1);
      expect(result).toMatchObject({
        verdict: 'someAtRisk',
        preStopSleep: { node: 'node-b', present: { preStopMinSeconds: 0, terminationGracePeriodSeconds: 1 } },
      });
      expect(result.goneEndpoints.map(({ lastNode, risk }) => [lastNode, risk])).toEqual([
        ['node-b', 'atRisk'],
        ['node-b', 'atRisk'],
      ]);
      const behind = result.nodes.find((each) => each.node === 'node-b');
      expect(behind?.sentFor?.maxMilliseconds).toBeGreaterThan(3000);
      expect(result.preStopSleep?.seconds).toBeGreaterThan(3);
    },
    150_000,
  );
});
