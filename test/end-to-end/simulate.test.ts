/** `kubectl svctrace simulate SERVICE`: a packet sent through the rules of real nodes, and the same recorded. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as z from 'zod';
import { eventually } from '../support/eventually.ts';
import { cluster, clusterTest, connect, readyEndpoints, svctrace } from '../support/cluster-under-test.ts';

const answerSchema = z.object({
  verdict: z.string(),
  destinations: z.array(z.object({ address: z.string(), port: z.number(), probability: z.number() })),
  masquerade: z.boolean(),
  path: z.array(z.object({ table: z.string(), chain: z.string(), rule: z.string(), effect: z.string() })).min(1),
  unknown: z.array(z.string()).optional(),
  nodes: z.array(z.string()),
});
const resultSchema = z.union([
  z.object({ answers: z.array(answerSchema) }).transform(({ answers }) => answers),
  answerSchema.transform((answer) => [answer]),
]);

async function simulate(args: readonly string[]): Promise<z.infer<typeof answerSchema>[]> {
  const { stdout, stderr, exitCode } = await svctrace(['simulate', ...args, '-o', 'json']);
  expect(exitCode, stderr).toBe(0);
  return resultSchema.parse(JSON.parse(stdout));
}

async function addressOf(kind: string, name: string, path: string): Promise<string> {
  return (await (await cluster()).kubectl(['get', kind, name, '-o', `jsonpath=${path}`])).stdout;
}

clusterTest('says for a pod what its connections then do, on each node as in a record of it', async () => {
  const clusterIP = await addressOf('service', 'auth-service', '{.spec.clusterIP}');
  const pod = await addressOf('pod', 'client-a', '{.status.podIP}');
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-simulate-'));
  try {
    const endpoints = await readyEndpoints('auth-service', 'IPv4');
    const live = await eventually(async () => {
      const answers = await simulate(['auth-service', '--from', pod, '--to', `${clusterIP}:80`]);
      expect(answers.flatMap(({ nodes }) => nodes).sort()).toEqual(['node-a', 'node-b', 'node-c']);
      for (const { verdict, destinations, unknown } of answers) {
        expect(verdict).toBe('DNAT');
        expect(destinations.map(({ address }) => address).sort()).toEqual(endpoints);
        expect(unknown).toBeUndefined();
      }
      return answers;
    });
    const podNames = new Set((await connect('client-a', clusterIP, 80, 30)).map(({ answer }) => answer));
    expect(podNames.size).toBe(live[0]?.destinations.length);

    const bundle = join(folder, 'auth-service.svctrace');
    expect((await svctrace(['record', 'auth-service', '--to', bundle])).exitCode).toBe(0);
    expect(await simulate(['--bundle', bundle, '--from', pod, '--to', `${clusterIP}:80`])).toEqual(live);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

clusterTest('walks the packet of a node on that node alone, from OUTPUT, and masquerades it', async () => {
  const clusterIP = await addressOf('service', 'auth-service', '{.spec.clusterIP}');
  const node = (await cluster()).node('node-b').ip;
  const answers = await simulate(['auth-service', '--from', node, '--to', `${clusterIP}:80`]);
  expect(
    answers.map(({ nodes, verdict, masquerade, path }) => [
      nodes,
      verdict,
      masquerade,
      path.find(({ chain }) => chain.startsWith('nat-'))?.chain,
    ]),
  ).toEqual([[['node-b'], 'DNAT', true, 'nat-output']]);
});

clusterTest('refuses a packet of another Service, whose rules nobody read', async () => {
  const { stderr, exitCode } = await svctrace([
    'simulate',
    'auth-service',
    '--from',
    '10.244.1.77',
    '--to',
    '10.96.0.10:53/udp',
  ]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("is not an address of Service auth-service, and a trace holds no other's rules");
});
