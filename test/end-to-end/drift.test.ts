/** Rules that somebody changes by hand on one node are found there, and only there. */
import { afterEach, describe, expect } from 'vitest';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { ClusterNode } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import {
  cluster,
  clusterTest,
  portOf,
  nodeOf,
  svctrace,
  traceJson,
  unavailable,
} from '../support/cluster-under-test.ts';

/** Writes all rules again: a restarted kube-proxy forgets nothing and keeps nothing. */
async function restartKubeProxy(node: ClusterNode): Promise<void> {
  await node.stopKubeProxy();
  await node.startKubeProxy();
}

async function healthy(): Promise<ServiceTrace> {
  return eventually(async () => {
    const trace = await traceJson(['auth-service']);
    expect(
      trace.status?.conditions?.find(({ type }) => type === 'Converged')?.status,
      JSON.stringify(trace.status?.findings),
    ).toBe('True');
    expect(trace.status?.findings).toEqual([]);
    // A difference counts as drift only 10 s after the last change of the EndpointSlices, which another test may have made.
    expect(Date.now() - Date.parse(trace.status?.convergence?.lastChange ?? '')).toBeGreaterThan(10_500);
    return trace;
  });
}

/** The chain of the Service's port and its rules, as `iptables -S` prints them. */
async function iptablesRules(node: ClusterNode): Promise<{ chain: string; rules: string[] }> {
  const { stdout } = await node.exec(['iptables', '-t', 'nat', '-S']);
  const lines = stdout.split('\n');
  const entry =
    lines.find(
      (line) =>
        line.startsWith('-A KUBE-SERVICES ') &&
        line.includes('default/auth-service:http') &&
        line.includes('-j KUBE-SVC-'),
    ) ??
    lines.find(
      (line) =>
        line.startsWith('-A KUBE-SERVICES ') && line.includes('default/auth-service ') && line.includes('-j KUBE-SVC-'),
    );
  const chain = /-j (KUBE-SVC-\w+)/.exec(entry ?? '')?.[1];
  if (chain === undefined) throw new Error(`no entry rule on ${node.name}`);
  return { chain, rules: lines.filter((line) => line.startsWith(`-A ${chain} `) && line.includes('-j KUBE-SEP-')) };
}

describe('a rule deleted by hand', () => {
  afterEach(async () => {
    if (unavailable === undefined) for (const node of (await cluster()).nodes) await restartKubeProxy(node);
  });

  for (const nodeName of ['node-a', 'node-c']) {
    clusterTest(`on ${nodeName} (iptables) is a missing endpoint there and nowhere else`, async (running) => {
      const before = await healthy();
      const node = running.node(nodeName);
      const { chain, rules } = await iptablesRules(node);
      expect(rules).toHaveLength(3);
      // The rule in the middle: its share goes to the last one, and nothing fails; only a comparison can see it.
      await node.exec(['iptables', '-t', 'nat', '-D', chain, '2']);

      const result = await svctrace(['auth-service', '-o', 'json']);
      const trace = await traceJson(['auth-service']);
      expect(result.exitCode, result.stderr).toBe(1);
      expect(trace.status?.findings?.map(({ id, node: where }) => [id, where])).toEqual([
        ['RULE-EP-MISSING', nodeName],
      ]);
      expect(trace.status?.conditions?.find(({ type }) => type === 'Converged')).toMatchObject({
        status: 'False',
        reason: 'RulesDiffer',
      });
      expect(trace.status?.conditions?.find(({ type }) => type === 'Healthy')).toMatchObject({ status: 'False' });

      // The finding names the endpoint that lost its rule: the one that is no longer among the targets.
      const address = before.status?.service?.clusterIPs[0] ?? '';
      const present = portOf(nodeOf(trace, nodeName), address).dnatTargets.map((target) => target.address);
      const lost = portOf(nodeOf(before, nodeName), address)
        .dnatTargets.map((target) => target.address)
        .filter((target) => !present.includes(target));
      expect(lost).toHaveLength(1);
      expect(trace.status?.findings?.[0]?.message).toContain(lost[0]);
    });
  }

  clusterTest('on node-b (nftables) is a missing endpoint there and nowhere else', async (running) => {
    await healthy();
    const node = running.node('node-b');
    /** @returns the endpoint that is left out. A kube-proxy that was restarted before may write the chain once more: then again. */
    const leaveOutOne = async (): Promise<string> => {
      const { stdout } = await node.exec(['nft', '-a', 'list', 'table', 'ip', 'kube-proxy']);
      const lines = stdout.split('\n');
      const start = lines.findIndex((line) => line.includes('chain service-') && line.includes('default/auth-service'));
      const chain = /chain (\S+)/.exec(lines[start] ?? '')?.[1] ?? '';
      const rule = lines.slice(start).find((line) => line.includes('numgen random mod 3 map'));
      const handle = /# handle (\d+)/.exec(rule ?? '')?.[1] ?? '';
      const targets = [...(rule ?? '').matchAll(/\d : (\S+) \. (\d+)/g)].map(
        (match) => `${match[1] ?? ''} . ${match[2] ?? ''}`,
      );
      expect(targets).toHaveLength(3);
      await node.exec([
        'nft',
        'replace',
        'rule',
        'ip',
        'kube-proxy',
        chain,
        'handle',
        handle,
        'meta',
        'l4proto',
        'tcp',
        'dnat',
        'ip',
        'to',
        `numgen random mod 2 map { 0 : ${targets[0] ?? ''}, 1 : ${targets[2] ?? ''} }`,
      ]);
      return targets[1]?.split(' ')[0] ?? '';
    };
    const isRewritten = async (): Promise<boolean> =>
      (await node.exec(['nft', 'list', 'table', 'ip', 'kube-proxy'])).stdout
        .split('chain service-')
        .some((text) => text.includes('default/auth-service') && text.includes('numgen random mod 3 map'));
    let left = await leaveOutOne();
    let trace = await traceJson(['auth-service']);
    if (await isRewritten()) {
      left = await leaveOutOne();
      trace = await traceJson(['auth-service']);
    }
    expect(trace.status?.findings?.map(({ id, node: where }) => [id, where])).toEqual([['RULE-EP-MISSING', 'node-b']]);
    expect(trace.status?.findings?.[0]?.message).toContain(left);
  });

  clusterTest('a kube-proxy that sleeps leaves its node behind with a stale endpoint', async (running) => {
    await healthy();
    running.node('node-a').pauseKubeProxy();
    try {
      await running.kubectl([
        'delete',
        'pod',
        '-l',
        'app=auth-service',
        '--field-selector=spec.nodeName=node-b',
        '--wait=true',
      ]);
      await running.kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=60s']);
      const trace = await eventually(async () => {
        const found = await traceJson(['auth-service']);
        const ids = new Set(found.status?.findings?.filter(({ node }) => node === 'node-a').map(({ id }) => id));
        expect(ids.has('RULE-EP-STALE') && ids.has('RULE-EP-MISSING')).toBe(true);
        return found;
      }, 60);
      expect(trace.status?.findings?.filter(({ id, node }) => id.startsWith('RULE-') && node !== 'node-a')).toEqual([]);
    } finally {
      running.node('node-a').resumeKubeProxy();
    }
    await healthy();
  });
});
