/**
 * The evaluator against the kernel: random Services that the real kube-proxy programs in its three modes, real
 * connections from pods, nodes and outside, and the comparison of who answered, and under which source address the
 * packets went on, with what the evaluator said.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { summarize, type Walk } from '../../core/evaluate/walk-packet.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { hostPort } from '../../core/diagnose/frontend-drift.ts';
import { parseConntrackLine } from '../../core/parse/conntrack.ts';
import { mergeRulesets, parseRulesetFile } from '../../core/parse/ruleset-file.ts';
import type { Ruleset } from '../../core/ruleset.ts';
import { familyOf } from '../../core/service.ts';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { cluster, eventually, unavailable } from './cluster-under-test.ts';

/** Connections for each case: so many that a target with a share of a third is missed once in 200,000 cases. */
const connections = 30;
const services = 24;

interface Shape {
  readonly type: 'ClusterIP' | 'NodePort';
  readonly internal: 'Cluster' | 'Local';
  readonly external: 'Cluster' | 'Local';
  readonly affinity: 'None' | 'ClientIP';
  readonly families: 'IPv4' | 'IPv6' | 'both';
  /** Which of the three pods are its endpoints. */
  readonly endpoints: readonly [boolean, boolean, boolean];
}

const shapes = fc.record({
  type: fc.constantFrom('ClusterIP' as const, 'NodePort' as const),
  internal: fc.constantFrom('Cluster' as const, 'Cluster' as const, 'Local' as const),
  external: fc.constantFrom('Cluster' as const, 'Local' as const),
  affinity: fc.constantFrom('None' as const, 'None' as const, 'ClientIP' as const),
  families: fc.constantFrom('IPv4' as const, 'IPv6' as const, 'both' as const),
  endpoints: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
});

function manifest(shape: Shape, name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { test: 'evaluator' } },
    spec: {
      type: shape.type,
      selector: { [name]: 'yes' },
      ports: [{ port: 80, targetPort: 8080 }],
      internalTrafficPolicy: shape.internal,
      ...(shape.type === 'NodePort' ? { externalTrafficPolicy: shape.external } : {}),
      sessionAffinity: shape.affinity,
      ipFamilyPolicy: shape.families === 'both' ? 'RequireDualStack' : 'SingleStack',
      ipFamilies: shape.families === 'both' ? ['IPv4', 'IPv6'] : [shape.families],
    },
  };
}

const podSchema = z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ nodeName: z.string() }), status: z.object({ podIPs: z.array(z.object({ ip: z.string() })) }) });
const serviceSchema = z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ clusterIPs: z.array(z.string()), ports: z.array(z.object({ nodePort: z.number().optional() })) }) });
const listOf = <Item extends z.ZodType>(item: Item): z.ZodObject<{ items: z.ZodArray<Item> }> => z.object({ items: z.array(item) });
type Pod = z.infer<typeof podSchema>;

async function podsOf({ kubectl }: Cluster, selector: string): Promise<Pod[]> {
  return listOf(podSchema).parse(JSON.parse((await kubectl(['get', 'pods', '-l', selector, '-o', 'json'])).stdout)).items;
}

/** All rules of the node, by the tools of its mode. */
async function rulesetOf(node: ClusterNode): Promise<Ruleset> {
  const dumps = node.proxyMode === 'nftables' ? [['nft', '-j', 'list', 'ruleset']] : [['iptables-save'], ['ip6tables-save']];
  return mergeRulesets(await Promise.all(dumps.map(async ([tool = '', ...args]) => parseRulesetFile((await node.exec([tool, ...args])).stdout))));
}

const attemptSchema = z.object({ ok: z.boolean(), answer: z.string().optional(), error: z.string().optional(), localPort: z.number().optional() });
type Attempt = z.infer<typeof attemptSchema>;

interface Client {
  readonly name: string;
  /** Its address of a family; undefined where it has none. */
  address(family: 'IPv4' | 'IPv6'): string | undefined;
  readonly entersAt: 'PREROUTING' | 'OUTPUT';
  connect(to: string, count: number): Promise<Attempt[]>;
}

const parseAttempts = (stdout: string): Attempt[] => stdout.trim().split('\n').map((line) => attemptSchema.parse(JSON.parse(line)));

/** Says in one line where the observed and the evaluated differ; undefined where they agree. */
function difference(walk: Walk, attempts: readonly Attempt[], podByAddress: ReadonlyMap<string, string>, affinity: Shape['affinity']): string | undefined {
  const answers = attempts.flatMap(({ ok, answer }) => (ok && answer !== undefined ? [answer] : []));
  if (walk.unknown.length > 0) return `the evaluator does not know ${walk.unknown.join(', ')}`;
  if (walk.verdict === 'REJECT') return attempts.every(({ error }) => error?.includes('refused') === true) ? undefined : `REJECT, but observed ${JSON.stringify(attempts[0])}`;
  if (walk.verdict === 'DROP') return attempts.every(({ error }) => error?.includes('timeout') === true) ? undefined : `DROP, but observed ${JSON.stringify(attempts[0])}`;
  if (walk.verdict !== 'DNAT') return answers.length === 0 ? undefined : `${walk.verdict}, but ${answers[0] ?? ''} answered`;
  if (answers.length < attempts.length) return `DNAT, but ${JSON.stringify(attempts.find(({ ok }) => !ok))}`;
  const expected = new Map(walk.destinations.map(({ address, probability }) => [podByAddress.get(address) ?? address, probability]));
  const strangers = answers.filter((answer) => !expected.has(answer));
  if (strangers.length > 0) return `${strangers[0] ?? ''} answered, which is none of ${[...expected.keys()].join(', ')}`;
  if (affinity === 'ClientIP') return new Set(answers).size === 1 ? undefined : `affinity, but ${[...new Set(answers)].join(', ')} answered`;
  // Pearson's chi-square; 30 is exceeded by chance with a probability below 1e-6 at two degrees of freedom.
  const square = [...expected].reduce((sum, [pod, probability]) => {
    const wanted = probability * attempts.length;
    return sum + (answers.filter((answer) => answer === pod).length - wanted) ** 2 / wanted;
  }, 0);
  return square < 30 ? undefined : `the frequencies are too far from ${[...expected.values()].map((share) => share.toFixed(3)).join(', ')}: chi-square ${square.toFixed(1)}`;
}

/**
 * Whether the kernel masqueraded the connection: the reply then goes to another address than the client's. Where the
 * node itself is the client, its address stays, and only the port changes (--random-fully); for other clients a changed
 * port says nothing, for the kernel changes it too where two connections would get the same reply tuple.
 */
async function isMasqueraded(node: ClusterNode, source: string, destination: string, localPort: number | undefined): Promise<boolean | undefined> {
  const { stdout } = await node.exec(['conntrack', '-L', '-f', familyOf(destination).toLowerCase(), '-o', 'extended', '-p', 'tcp', '--orig-src', source, '--orig-port-src', String(localPort)], { reject: false });
  const entry = stdout.split('\n').flatMap((line) => parseConntrackLine(line) ?? []).find(({ original }) => original.destination === destination);
  if (entry === undefined) return undefined;
  const isOwn = source === node.ip || source === node.ipv6;
  return isOwn ? entry.reply.destinationPort !== localPort : entry.reply.destination !== source;
}

describe('the evaluator and the kernel', () => {
  const sample = fc.sample(shapes, { numRuns: services, seed: 20261124 });
  let backends: Pod[] = [];

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    const { kubectl } = await cluster();
    await kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=60s'], { timeout: 70_000 });
    backends = (await podsOf(await cluster(), 'app=auth-service')).sort((one, other) => (one.spec.nodeName < other.spec.nodeName ? -1 : 1));
    for (const [index, pod] of backends.entries()) {
      const labels = sample.flatMap((shape, number) => (shape.endpoints[index] === true ? [`random-${String(number)}=yes`] : []));
      if (labels.length > 0) await kubectl(['label', 'pod', pod.metadata.name, ...labels]);
    }
    await kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: sample.map((shape, number) => manifest(shape, `random-${String(number)}`)) }) });
  });

  afterAll(async () => {
    if (unavailable !== undefined) return;
    const { kubectl } = await cluster();
    await kubectl(['delete', 'service', '-l', 'test=evaluator']);
    for (const pod of backends) await kubectl(['label', 'pod', pod.metadata.name, ...sample.map((_shape, number) => `random-${String(number)}-`)]);
    // kube-proxy writes KUBE-SERVICES anew for it, and with it the counters that another test may compare.
    await sleep(4000);
  });

  for (const nodeName of ['node-a', 'node-b', 'node-c']) {
    it(`agree on ${nodeName} about ${String(services)} random Services`, { timeout: 400_000 }, async ({ skip }) => {
      if (unavailable !== undefined) return skip(unavailable);
      const running = await cluster();
      const node = running.node(nodeName);
      const created = await eventually(async () => {
        const { items } = listOf(serviceSchema).parse(JSON.parse((await running.kubectl(['get', 'services', '-l', 'test=evaluator', '-o', 'json'])).stdout));
        expect(items).toHaveLength(services);
        return items;
      });
      // kube-proxy's minSyncPeriod, and the slices before it.
      await sleep(4000);
      const ruleset = await rulesetOf(node);
      const podByAddress = new Map(backends.flatMap(({ metadata, status }) => status.podIPs.map(({ ip }) => [ip, metadata.name] as const)));
      const [clientPod] = (await podsOf(running, 'app=client')).filter(({ spec }) => spec.nodeName === nodeName);
      const testpod = running.programs.testpod;
      // Over IPv6, the kernel tells a refused connection only at its second packet, after a second: no wait is shorter.
      const args = (to: string, count: number): string[] => ['connect', '--count', String(count), '--timeout', '1500ms', '--to', to];
      const inside: Client[] = [
        {
          name: 'pod',
          entersAt: 'PREROUTING',
          address: (family) => clientPod?.status.podIPs.map(({ ip }) => ip).find((ip) => familyOf(ip) === family),
          connect: async (to, count) => parseAttempts((await running.kubectl(['exec', clientPod?.metadata.name ?? '', '--', '/testpod', ...args(to, count)])).stdout),
        },
        {
          name: 'node',
          entersAt: 'OUTPUT',
          address: (family) => (family === 'IPv4' ? node.ip : node.ipv6),
          connect: async (to, count) => parseAttempts((await node.exec([testpod, ...args(to, count)])).stdout),
        },
      ];
      const outside: Client = {
        name: 'outside',
        entersAt: 'PREROUTING',
        address: (family) => (family === 'IPv4' ? running.controlPlane.ip : running.controlPlane.ipv6),
        connect: async (to, count) => parseAttempts((await running.controlPlane.exec([testpod, ...args(to, count)])).stdout),
      };

      const disagreements: string[] = [];
      const verdicts = new Map<string, number>();
      let compared = 0;
      for (const { metadata, spec } of created) {
        const shape = sample[Number(metadata.name.split('-')[1])];
        if (shape === undefined) throw new Error(`a Service of another test: ${metadata.name}`);
        const nodePort = spec.ports[0]?.nodePort;
        const frontends = spec.clusterIPs.flatMap((address): { address: string; port: number; clients: Client[] }[] => [
          { address, port: 80, clients: inside },
          ...(nodePort === undefined ? [] : [{ address: familyOf(address) === 'IPv4' ? node.ip : node.ipv6, port: nodePort, clients: [...inside, outside] }]),
        ]);
        for (const { address, port, clients } of frontends) {
          for (const client of clients) {
            const source = client.address(familyOf(address));
            if (source === undefined) continue;
            const packet = { source, destination: address, destinationPort: port, protocol: 'TCP' as const, entersAt: client.entersAt };
            const walk = summarize(walkRuleset(ruleset, packet, [node.ip, node.ipv6]));
            // What is dropped costs a time-out.
            const attempts = await client.connect(hostPort(address, port), walk.verdict === 'DNAT' ? connections : 1);
            let found = difference(walk, attempts, podByAddress, shape.affinity);
            if (found === undefined && walk.verdict === 'DNAT') {
              const masqueraded = await isMasqueraded(node, source, address, attempts.at(-1)?.localPort);
              if (masqueraded !== walk.masquerade) found = `masquerade is ${String(walk.masquerade)}, but the kernel's entry says ${String(masqueraded ?? 'nothing')}`;
            }
            compared += 1;
            verdicts.set(walk.verdict, (verdicts.get(walk.verdict) ?? 0) + 1);
            if (found !== undefined) disagreements.push(`${metadata.name} ${JSON.stringify(shape)} from ${client.name} ${source} to ${hostPort(address, port)}: ${found}`);
          }
        }
      }
      expect(disagreements).toEqual([]);
      // 200 cases and more on the three nodes together, and none of the verdicts untried.
      expect(compared).toBeGreaterThanOrEqual(70);
      expect([...verdicts.keys()].sort()).toEqual(expect.arrayContaining(['DNAT', 'DROP', 'REJECT']));
      process.stderr.write(`${nodeName}: ${String(compared)} cases, ${[...verdicts].map(([verdict, count]) => `${String(count)} ${verdict}`).join(', ')}\n`);
    });
  }
});
