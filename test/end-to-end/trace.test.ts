/** One Service traced on three nodes in three proxy modes, compared with what the cluster itself says and does. */
import { describe, expect } from 'vitest';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { eventually } from '../support/eventually.ts';
import {
  clusterTest,
  connect,
  nodeOf,
  portOf,
  readyEndpoints,
  svctrace,
  traceJson,
} from '../support/cluster-under-test.ts';

const clients = { 'node-a': 'client-a', 'node-b': 'client-b', 'node-c': 'client-c' } as const;

function clusterIp(trace: ServiceTrace, family: 'IPv4' | 'IPv6'): string {
  const found = trace.status?.service?.clusterIPs.find((address) => address.includes(':') === (family === 'IPv6'));
  if (found === undefined) throw new Error(`the Service has no ${family} cluster IP`);
  return found;
}

/** A trace of a cluster at rest: kube-proxy has written the last change of the EndpointSlices everywhere. */
async function settledTrace(args: readonly string[] = []): Promise<ServiceTrace> {
  return eventually(async () => {
    const trace = await traceJson(['auth-service', ...args]);
    expect(trace.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      'Ready=True',
      'Collected=True',
      'Converged=True',
      'Healthy=True',
    ]);
    return trace;
  });
}

describe('kubectl svctrace auth-service', () => {
  clusterTest('says the proxy mode of each node and how it is known', async () => {
    const trace = await settledTrace();
    expect(trace.status?.nodes?.map(({ name, proxyMode, backend }) => [name, proxyMode, backend])).toEqual([
      ['node-a', 'iptables', 'nf_tables'],
      ['node-b', 'nftables', undefined],
      ['node-c', 'iptables', 'legacy'],
    ]);
    for (const node of trace.status?.nodes ?? []) {
      expect(node.proxyModeSource).toContain('127.0.0.1:10249/proxyMode');
      expect(node.kubeProxy?.healthy).toBe(true);
      expect(node.probe.unread).toBeUndefined();
    }
    expect(trace.status?.findings).toEqual([]);
    expect(trace.status?.summary).toEqual({ nodes: '3/3', endpoints: '3/3', findings: 0, errors: 0, warnings: 0 });
  });

  clusterTest('has, on each node and in both families, the ready endpoints as DNAT targets', async () => {
    const trace = await settledTrace();
    for (const family of ['IPv4', 'IPv6'] as const) {
      const endpoints = await readyEndpoints('auth-service', family);
      expect(endpoints).toHaveLength(3);
      for (const node of trace.status?.nodes ?? []) {
        const port = portOf(node, clusterIp(trace, family));
        expect(port.verdict).toBe('DNAT');
        expect(port.dnatTargets.map(({ address }) => address).sort(), `${node.name} ${family}`).toEqual(endpoints);
        expect(
          port.dnatTargets.every((target) => target.port === 8080 && target.pod?.startsWith('auth-service-') === true),
        ).toBe(true);
        const probabilities = port.dnatTargets.map(({ probability }) => probability ?? 0);
        for (const probability of probabilities) expect(probability).toBeCloseTo(1 / 3, 6);
      }
    }
  });

  for (const [nodeName, client] of Object.entries(clients)) {
    clusterTest(
      `counts on ${nodeName} exactly the connections that ${client} makes, and knows who answered each`,
      async () => {
        const connections = 12;
        const before = await settledTrace();
        const address = clusterIp(before, 'IPv4');
        const answers = await connect(client, address, 80, connections);
        expect(answers).toHaveLength(connections);
        const after = await settledTrace(['--conntrack', 'entries']);

        for (const { name } of after.status?.nodes ?? []) {
          const made = name === nodeName ? connections : 0;
          const [old, now] = [portOf(nodeOf(before, name), address), portOf(nodeOf(after, name), address)];
          const sum = (port: typeof now): number | undefined =>
            port.dnatTargets.every(({ packets }) => packets === undefined)
              ? undefined
              : port.dnatTargets.reduce((total, { packets }) => total + (packets ?? 0), 0);
          if (nodeOf(after, name).proxyMode === 'nftables') {
            // kube-proxy writes no counter in this mode: absent, never 0.
            expect(sum(now)).toBeUndefined();
            expect(now.packets).toBeUndefined();
          } else {
            expect((sum(now) ?? NaN) - (sum(old) ?? NaN), `DNAT rules of ${name}`).toBe(made);
            expect((now.packets ?? NaN) - (old.packets ?? NaN), `entry rule of ${name}`).toBe(made);
          }
        }

        const node = nodeOf(after, nodeName);
        const entries = node.conntrack?.entries ?? [];
        for (const { answer, localPort } of answers) {
          const entry = entries.find(
            ({ original }) => original.sourcePort === localPort && original.destination === address,
          );
          expect(entry, `the conntrack entry of port ${String(localPort)}`).toBeDefined();
          expect(entry?.pod).toBe(answer);
        }
        // The share of each backend is known from conntrack in every mode.
        for (const target of portOf(node, address).dnatTargets) {
          const answered = answers.filter(({ answer }) => answer === target.pod).length;
          expect(target.connections ?? NaN).toBeGreaterThanOrEqual(answered);
        }
      },
    );
  }

  clusterTest('sees connections over IPv6 too', async () => {
    const before = await settledTrace();
    const address = clusterIp(before, 'IPv6');
    for (const client of Object.values(clients)) expect(await connect(client, address, 80, 4)).toHaveLength(4);
    const after = await settledTrace();
    for (const name of ['node-a', 'node-c']) {
      const rise =
        (portOf(nodeOf(after, name), address).packets ?? NaN) - (portOf(nodeOf(before, name), address).packets ?? NaN);
      expect(rise, name).toBe(4);
    }
    const connections = portOf(nodeOf(after, 'node-b'), address).dnatTargets.reduce(
      (sum, target) => sum + (target.connections ?? 0),
      0,
    );
    expect(connections).toBeGreaterThanOrEqual(4);
  });

  clusterTest("asks the cluster's DNS from each node", async () => {
    const trace = await settledTrace();
    for (const node of trace.status?.nodes ?? []) {
      expect(node.dns).toMatchObject({ name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10' });
      expect(node.dns?.answers).toEqual([...(trace.status?.service?.clusterIPs ?? [])].sort());
    }
  });

  clusterTest('walks the packet of a pod through the rules of its node', async () => {
    const trace = await settledTrace(['--from', 'client-a']);
    const walks = trace.status?.walks ?? [];
    expect(walks.map(({ node }) => node)).toEqual(walks.map(() => 'node-a'));
    const walk = walks.find(({ destination }) => destination === clusterIp(trace, 'IPv4'));
    expect(walk).toMatchObject({ verdict: 'DNAT', masquerade: false, unknown: [] });
    expect(walk?.destinations.map(({ address }) => address).sort()).toEqual(
      await readyEndpoints('auth-service', 'IPv4'),
    );
    expect(walk?.path.some(({ chain }) => chain.startsWith('KUBE-SVC-'))).toBe(true);
  });

  clusterTest('restricts itself to the nodes that were asked for', async () => {
    const trace = await traceJson(['auth-service', '--node', 'node-b']);
    expect(trace.status?.nodes?.map(({ name }) => name)).toEqual(['node-b']);
  });

  clusterTest('prints a table where there is no terminal, and YAML', async () => {
    const table = await svctrace(['auth-service']);
    expect(table.exitCode, table.stderr).toBe(0);
    for (const word of ['auth-service', 'node-a', 'node-b', 'node-c', 'nftables', 'legacy', 'nf_tables'])
      expect(table.stdout).toContain(word);
    expect(table.stdout).not.toContain('\u001b');
    const yaml = await svctrace(['auth-service', '-o', 'yaml']);
    expect(yaml.stdout).toMatch(/^apiVersion: svctrace.io\/v1alpha1$/m);
    expect(yaml.stdout).toMatch(/^kind: ServiceTrace$/m);
  });

  clusterTest('leaves no trace behind', async () => {
    await traceJson(['auth-service']);
    const { cluster } = await import('../support/cluster-under-test.ts');
    const { stdout } = await (await cluster()).kubectl(['get', 'servicetraces', '-A', '-o', 'name']);
    expect(stdout).toBe('');
  });

  clusterTest('gives the same answer without the operator, with the engine in the plugin (--standalone)', async () => {
    const withOperator = await settledTrace();
    const alone = await settledTrace(['--standalone']);
    const view = (trace: ServiceTrace): unknown =>
      trace.status?.nodes?.map(({ name, proxyMode, program, ports }) => ({
        name,
        proxyMode,
        program,
        targets: ports.map(({ dnatTargets }) => dnatTargets.map(({ address }) => address).sort()),
      }));
    expect(view(alone)).toEqual(view(withOperator));
    const { cluster } = await import('../support/cluster-under-test.ts');
    await eventually(async () => {
      const { stdout } = await (
        await cluster()
      ).kubectl([
        'get',
        'pods',
        '-A',
        '-l',
        'app.kubernetes.io/component=probe',
        '-o',
        'jsonpath={.items[*].metadata.namespace}',
      ]);
      expect(stdout.split(' ').filter((namespace) => namespace === 'kube-system')).toEqual([]);
    });
  });
});
