import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runDns } from '../../../cmd/commands/dns.ts';
import type { DnsRequest } from '../../../cmd/cli/request.ts';
import { printBundle, type Bundle } from '../../../core/wire/bundle.ts';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';
import { collectedAt, desiredService } from '../../support/node-facts.ts';
import { testIo } from '../../support/fake-cluster.ts';

const service = 'default/auth-service';
const name = 'auth-service.default.svc.cluster.local';
const health = 'kubernetes.default.svc.cluster.local';
const vip = { kind: 'dnsAnswer', service, server: '10.96.0.10', port: 53, role: 'Service', milliseconds: 0.4 } as const;
const endpoint = { ...vip, server: '10.244.0.2', port: 1053, role: 'Endpoint' } as const;

const responses: NodeReportRecord[] = [
  { ...vip, name: health, type: 'A', responseCode: 'NOERROR', answers: ['10.96.0.1'] },
  { ...vip, name, type: 'A', responseCode: 'NOERROR', answers: ['10.96.0.8'] },
  { ...vip, name, type: 'AAAA', responseCode: 'NOERROR', answers: [] },
  { ...vip, name: `_http._tcp.${name}`, type: 'SRV', responseCode: 'NOERROR', answers: [`0 100 80 ${name}`] },
  { ...endpoint, name: health, type: 'A', answers: [], error: 'ETIMEOUT', milliseconds: 2001 },
];

function answer(node: string, records: NodeReportRecord[]): Bundle['answers'][number] {
  const start: NodeReportRecord = {
    kind: 'start',
    version: 1,
    node,
    startedAt: collectedAt,
    kernel: '6',
    probeVersion: '1',
    addresses: [],
  };
  return {
    node,
    collectedAt,
    report: {
      node,
      complete: true,
      records: [start, ...records, { kind: 'end', finishedAt: collectedAt, durationMilliseconds: 1 }],
    },
  };
}

const bundle: Bundle = {
  recordedAt: collectedAt,
  toolVersion: '1',
  namespace: 'default',
  spec: { serviceRef: { name: 'auth-service' }, from: { pod: 'client-a' } },
  desired: desiredService(),
  answers: [answer('node-a', responses), answer('node-b', responses)],
  cluster: {
    dns: {
      clusterIPs: ['10.96.0.10'],
      endpoints: 1,
      readyEndpoints: 1,
      servers: [{ address: '10.244.0.2', port: 1053, ready: true, pod: 'coredns-1' }],
    },
    client: {
      pod: 'client-a',
      labels: {},
      addresses: [],
      node: 'node-a',
      hostNetwork: false,
      dnsPolicy: 'ClusterFirst',
      resolvConf: 'nameserver 10.96.0.10\nsearch svc.cluster.local\noptions ndots:5\n',
    },
    unread: [],
  },
};

async function run(line: string): Promise<{ status: number; out: string; err: string }> {
  const parsed = await parseCommandLine(line.split(' '), 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'dns') throw new Error('not a request for dns');
  const request: DnsRequest = parsed.request;
  const io = testIo();
  const status = await runDns(request, io);
  return { status, out: io.out(), err: io.err() };
}

async function fileOf(recorded: Bundle): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'svctrace-dns-')), 'recorded.svctrace');
  await writeFile(file, printBundle(recorded));
  return file;
}

describe('dns', () => {
  it('shows each question with its answer, alike nodes once, the client and the findings', async () => {
    const { status, out } = await run(`dns auth-service --bundle ${await fileOf(bundle)}`);
    expect(status).toBe(1);
    await expect(out).toMatchFileSnapshot('screens/dns-80.txt');
  });

  it('gives the same as JSON', async () => {
    const { out } = await run(`dns --bundle ${await fileOf(bundle)} -o json`);
    const report: unknown = JSON.parse(out);
    expect(report).toMatchObject({
      service: 'auth-service',
      clusterDomain: 'cluster.local',
      client: { pod: 'client-a', source: 'read in the pod', asks: ['auth-service.svc.cluster.local', 'auth-service'] },
      findings: [
        { id: 'DNS-WRONG-IP', node: 'node-a' },
        { id: 'DNS-WRONG-IP', node: 'node-b' },
        { id: 'DNS-SEARCH', where: 'pod/client-a' },
      ],
    });
    expect(report).toHaveProperty('questions.1', {
      nodes: ['node-a', 'node-b'],
      server: '10.96.0.10',
      port: 53,
      role: 'Service',
      name,
      type: 'A',
      answer: '10.96.0.8',
      expected: '10.96.0.7',
      result: 'wrong',
      milliseconds: 0.4,
    });
  });

  it('reads what an earlier version recorded', async () => {
    const { status, out } = await run(
      `dns --bundle ${fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url))} -o yaml`,
    );
    expect(status).toBe(0);
    expect(out).toContain('result: right');
    expect(out).not.toContain('result: wrong');
  });

  it('says where nothing was asked', async () => {
    const { status, out, err } = await run(
      `dns --bundle ${await fileOf({ ...bundle, answers: [answer('node-a', [])], nodes: ['node-a'] })}`,
    );
    expect(out).toContain('Findings');
    expect(err).toMatch(/holds no answer of DNS/);
    expect(status).toBe(1);
  });
});
