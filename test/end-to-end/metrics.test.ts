/** The metrics endpoint on the real cluster: nothing listens by default; with config/monitoring, the real authorizer decides. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import * as z from 'zod';
import type { Cluster } from '../cluster/cluster.ts';
import { buildPromcheck } from '../cluster/programs.ts';
import { deployOperator } from '../setup/deploy.ts';
import { cluster, clusterTest, unavailable } from '../support/cluster-under-test.ts';
import { eventually } from '../support/eventually.ts';

const config = fileURLToPath(new URL('../../config/', import.meta.url));
const system = ['-n', 'svctrace-system'] as const;

/** The operators that are not on their way to their end. */
async function operatorPods({ kubectl }: Cluster): Promise<string[]> {
  const { stdout } = await kubectl([
    ...system,
    'get',
    'pods',
    '-l',
    'app.kubernetes.io/component=operator',
    '-o',
    'json',
  ]);
  return z
    .object({
      items: z.array(z.object({ metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }) })),
    })
    .parse(JSON.parse(stdout))
    .items.flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [metadata.name] : []));
}

/** Runs a program of a few lines in the operator's pod. */
async function inPod({ kubectl }: Cluster, pod: string, code: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await kubectl([...system, 'exec', pod, '--', '/usr/local/bin/node', '-e', code, ...args]);
  return stdout;
}

/** Local ports of TCP sockets that listen, of both families. */
async function listening(of: Cluster, pod: string): Promise<number[]> {
  const stdout = await inPod(
    of,
    pod,
    `console.log(JSON.stringify(['tcp', 'tcp6'].flatMap((file) => require('node:fs').readFileSync('/proc/net/' + file, 'utf8').trim().split('\\n').slice(1)
      .map((line) => line.trim().split(/\\s+/)).filter((words) => words[3] === '0A').map((words) => parseInt(words[1].split(':')[1], 16)))))`,
  );
  return z.array(z.number()).parse(JSON.parse(stdout));
}

async function scrape(
  of: Cluster,
  pod: string,
  token?: string,
  path = '/metrics',
): Promise<{ status: number; text: string }> {
  const stdout = await inPod(
    of,
    pod,
    `const [token, path] = process.argv.slice(1);
    require('node:https').get({ host: '127.0.0.1', port: 8443, path, rejectUnauthorized: false, headers: token === '' ? {} : { authorization: 'Bearer ' + token } },
      (response) => { let text = ''; response.on('data', (data) => text += data); response.on('end', () => console.log(JSON.stringify({ status: response.statusCode, text }))); })`,
    token ?? '',
    path,
  );
  return z.object({ status: z.number(), text: z.string() }).parse(JSON.parse(stdout));
}

/** What the Prometheus operator would read, which this cluster does not have. */
function withoutPrometheusOperator(manifests: string): string {
  return parseAllDocuments(manifests)
    .map((document) => String(document))
    .filter((text) => !text.includes('apiVersion: monitoring.coreos.com/'))
    .map((text) => (text.startsWith('---') ? text : `---\n${text}`))
    .join('');
}

describe('the operator as it is installed', () => {
  clusterTest('listens on no port', async (of) => {
    const pods = await operatorPods(of);
    expect(pods).toHaveLength(2);
    for (const pod of pods) expect(await listening(of, pod), pod).toEqual([]);
  });
});

describe.skipIf(unavailable !== undefined)('config/monitoring', () => {
  let manifests = '';

  beforeAll(async () => {
    const { kubectl } = await cluster();
    manifests = withoutPrometheusOperator((await kubectl(['kustomize', join(config, 'monitoring')])).stdout);
    await kubectl(['apply', '-f', '-'], { input: manifests });
    await kubectl(['create', 'serviceaccount', 'scraper', '-n', 'default']);
    await kubectl([
      'create',
      'clusterrolebinding',
      'scraper',
      '--clusterrole=svctrace-metrics-reader',
      '--serviceaccount=default:scraper',
    ]);
    await kubectl([...system, 'rollout', 'status', 'deployment/svctrace-operator', '--timeout=120s'], {
      timeout: 130_000,
    });
  });
  afterAll(async () => {
    const of = await cluster();
    await of.kubectl(['delete', 'clusterrolebinding', 'scraper']);
    await of.kubectl(['delete', 'serviceaccount', 'scraper', '-n', 'default']);
    for (const file of ['authorizer_role', 'reader_role', 'service', 'network_policy'])
      await of.kubectl(['delete', '-f', join(config, `monitoring/${file}.yaml`)]);
    await of.kubectl([...system, 'delete', 'configmap', 'svctrace-dashboard']);
    await deployOperator(of);
  });

  clusterTest('opens one port, and whoever has no right gets nothing', async (of) => {
    await eventually(async () => {
      expect(await operatorPods(of)).toHaveLength(2);
    }, 60);
    for (const pod of await operatorPods(of)) {
      expect(await listening(of, pod)).toEqual([8443]);
      const { stdout: notAllowed } = await of.kubectl(['create', 'token', 'default', '-n', 'default']);
      expect((await scrape(of, pod)).status).toBe(401);
      expect((await scrape(of, pod, 'eyJhbGciOiJub25lIn0.e30.')).status).toBe(401);
      const refused = await scrape(of, pod, notAllowed.trim());
      expect(refused.status).toBe(403);
      expect(refused.text).not.toContain('svctrace_leader');
    }
  });

  clusterTest(
    'gives metrics to who may get the path, as Prometheus reads them',
    async (of) => {
      const { stdout } = await of.kubectl(['create', 'token', 'scraper', '-n', 'default']);
      const token = stdout.trim();
      const trace = JSON.stringify({
        apiVersion: 'svctrace.io/v1alpha1',
        kind: 'ServiceTrace',
        metadata: { name: 'measured', namespace: 'default' },
        spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch', interval: '1s' },
      });
      await of.kubectl(['apply', '-f', '-'], { input: trace });
      try {
        await of.kubectl(['wait', '--for=condition=Ready', 'servicetrace/measured', '--timeout=60s'], {
          timeout: 70_000,
        });
        const texts = await eventually(async () => {
          const found = await Promise.all((await operatorPods(of)).map((pod) => scrape(of, pod, token)));
          expect(found.map(({ status }) => status)).toEqual([200, 200]);
          const works = found.filter(({ text }) => text.includes('svctrace_leader 1'));
          expect(works).toHaveLength(1);
          for (const line of [
            /^svctrace_traces\{mode="Watch",state="Active"\} 1$/m,
            /^svctrace_trace_conditions\{condition="Ready",status="True"\} 1$/m,
            /^svctrace_probes\{state="started"\} 3$/m,
            /^svctrace_sessions 3$/m,
            /^svctrace_node_reading_duration_seconds_count\{result="success"\} [1-9]/m,
            /^svctrace_collection_duration_seconds_count\{mode="Watch",result="success"\} [1-9]/m,
            /^svctrace_queue_wait_seconds_count [1-9]/m,
            /^svctrace_api_requests_total\{verb="watch",resource="servicetraces.svctrace.io",code="200"\} [1-9]/m,
            /^svctrace_api_requests_total\{verb="connect",resource="pods\/exec",code="101"\} [1-9]/m,
            /^svctrace_api_requests_total\{verb="patch",resource="servicetraces.svctrace.io\/status",code="200"\} [1-9]/m,
            /^svctrace_api_requests_total\{verb="list",resource="nodes",code="200"\} [1-9]/m,
          ])
            expect(works[0]?.text).toMatch(line);
          return found.map(({ text }) => text);
        }, 60);
        const promcheck = await buildPromcheck();
        for (const text of texts) {
          // No name of a trace, a Service, a node or a namespace is a label.
          expect(text).not.toMatch(/measured|auth-service|node-[abc]|"default"/);
          const { stdout: problems } = await execa(promcheck, ['metrics'], { input: text, reject: false });
          // prom-client's own collection of the process has these two names that the linter does not like.
          expect(
            problems
              .split('\n')
              .filter((line) => !/^(?:nodejs|process)_/.test(line))
              .join('\n'),
          ).toBe('');
        }
      } finally {
        await of.kubectl(['delete', 'servicetrace', 'measured', '--timeout=60s'], { timeout: 70_000 });
      }
    },
    600_000,
  );

  clusterTest(
    'has alerts that Prometheus takes',
    async () => {
      const promcheck = await buildPromcheck();
      const { spec } = z
        .object({ spec: z.looseObject({ groups: z.array(z.looseObject({ rules: z.array(z.unknown()) })) }) })
        .parse(parse(readFileSync(join(config, 'monitoring/alerts.yaml'), 'utf8')));
      expect(spec.groups.flatMap(({ rules }) => rules).length).toBeGreaterThan(5);
      const checked = await execa(promcheck, ['rules'], { input: JSON.stringify(spec), reject: false });
      expect([checked.stdout, checked.stderr, checked.exitCode]).toEqual(['', '', 0]);
      // And refuses what is none.
      const wrong = await execa(promcheck, ['rules'], {
        input: JSON.stringify({ groups: [{ name: 'a', rules: [{ alert: 'A', expr: 'sum(' }] }] }),
        reject: false,
      });
      expect(wrong.exitCode).toBe(3);
    },
    600_000,
  );
});
