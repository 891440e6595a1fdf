/** Active checks of a trace: from the nodes, and from within a pod. */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { toolsPod } from '../setup/tools-pod.ts';
import { cluster, clusterTest, svctrace, unavailable } from '../support/cluster-under-test.ts';

const client = 'client-with-tools';
const args = ['auth-service', '--connect', '--from', client] as const;

async function clientAddress(): Promise<string> {
  const { stdout } = await (await cluster()).kubectl(['get', 'pod', client, '-o', 'jsonpath={.status.podIP}']);
  return stdout;
}

/** Where the pod connected to, and the result. */
function outcomes({ status }: ServiceTrace): string[] {
  return (status?.client?.connections ?? []).map(({ hop, outcome }) => `${hop} ${outcome}`);
}

/** A trace in which the pod connected. */
async function connected(): Promise<{ readonly exitCode: number; readonly trace: ServiceTrace }> {
  const { exitCode, stdout } = await svctrace([...args, '-o', 'json']);
  const trace = parseServiceTrace(JSON.parse(stdout));
  expect(trace.status?.client?.untried).toBeUndefined();
  return { exitCode, trace };
}

describe('--connect --from POD', () => {
  beforeAll(async () => {
    if (unavailable !== undefined) return;
    const running = await cluster();
    await running.kubectl(['apply', '-f', '-'], { input: JSON.stringify(toolsPod(client, 'default', 'node-a')) });
    await running.kubectl(['wait', '--for=condition=Ready', `pod/${client}`, '--timeout=60s']);
  });

  afterAll(async () => {
    if (unavailable === undefined)
      await (await cluster()).kubectl(['delete', 'pod', client, '--ignore-not-found', '--wait=false']);
  });

  clusterTest(
    'connects from within the pod, with a program of its own, to every address that nodes connect to',
    async () => {
      const { trace } = await connected();
      expect(trace.status?.findings).toEqual([]);
      expect(trace.status?.client).toMatchObject({ pod: client, node: 'node-a' });
      expect(trace.status?.client?.by).toMatch(/ in container client$/);
      expect(trace.status?.client?.untried).toBeUndefined();
      expect(outcomes(trace).length).toBeGreaterThan(3);
      expect(new Set(outcomes(trace).map((text) => text.split(' ')[1]))).toEqual(new Set(['connected']));
    },
  );

  clusterTest('finds what only the pod meets, and ends with 1', async (running) => {
    const rule = `FORWARD -s ${await clientAddress()}/32 -p tcp -m tcp --dport 8080 -j DROP`;
    const iptables = async (change: string): Promise<unknown> =>
      running.node('node-a').exec(['sh', '-c', `iptables --wait -t filter ${change} ${rule}`]);
    await iptables('-I');
    try {
      const { exitCode, trace } = await connected();
      expect(exitCode).toBe(1);
      expect(trace.status?.findings?.map(({ id, node }) => `${id} ${node ?? ''}`)).toEqual([
        'PROBE-FAIL-CLIENT node-a',
      ]);
      expect(outcomes(trace)).toContain('ClusterIP timeout');
      expect(trace.status?.conditions?.find(({ type }) => type === 'Healthy')?.status).toBe('False');
    } finally {
      await iptables('-D');
    }
  });
});
