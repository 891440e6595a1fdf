/** The simulation of a large cluster (bench/scale.ts), with a small one. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { recordsOfNode } from '../../bench/scale/node-reports.ts';
import { brokenLimits, type Measured } from '../../bench/scale/limits.ts';
import { tracedService } from '../../bench/scale/traced-service.ts';
import { nodeReportRecordSchema } from '../../core/wire/node-report.ts';

const program = fileURLToPath(new URL('../../bench/scale.ts', import.meta.url));

function scale(words: readonly string[]): Promise<{ status: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { timeout: 120_000 }, (error, out, err) => {
      resolve({ status: error === null ? 0 : error.code, out, err });
    });
  });
}

it('measures the operator itself, with 20 nodes', { timeout: 120_000 }, async () => {
  const { status, out, err } = await scale(['--nodes', '20', '--short', '--json']);
  expect(out.trim().split('\n'), err).toHaveLength(1);
  const number = z.number().positive();
  const measured = z
    .object({
      nodes: z.literal(20),
      services: z.literal(40),
      traces: z.literal(1),
      seconds: number,
      cpuSeconds: number,
      rssMiB: number,
      restMiB: number,
      eventLoopMilliseconds: z.number().min(0),
      largestObjectKiB: number,
      traceWrites: number,
      requestsPerNode: z.number().min(2),
      requests: z.record(z.string(), z.number()),
      leftOut: z.string().min(1),
      broken: z.array(z.string()),
    })
    .parse(JSON.parse(out));
  // Each node's probe is made and asked once: nothing is found that has to be looked for again.
  expect(measured.requests).toMatchObject({ 'create pods': 20, 'exec pods': 20 });
  expect(JSON.parse(out)).toMatchObject({ findings: [], cut: [] });
  expect(JSON.parse(out)).not.toHaveProperty('watchCpuPercent');
  expect(status).toBe(measured.broken.length === 0 ? 0 : 1);
});

it.each([['--nodes', '0'], ['--nodes', '10', '--traces', '251'], ['--nodes', 'many'], ['--wrong'], []])(
  'says how it is called: %j',
  async (...words) => {
    const { status, out, err } = await scale(words.flat());
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('npm run scale -- --nodes N');
  },
);

it('says which limits do not hold', () => {
  const held: Measured = {
    nodes: 5000,
    seconds: 75,
    rssMiB: 500,
    requestsPerNode: 2,
    largestObjectKiB: 512,
    restMiB: 80,
    watchRssMiB: 500,
    watchCpuPercent: 10,
    handOverSeconds: 20,
  };
  expect(brokenLimits(held)).toEqual([]);
  expect(brokenLimits({ ...held, nodes: 1000, watchRssMiB: undefined })).toEqual([
    'one trace took 75 s; with 1000 nodes it may be 15 at most',
    'while it was collected the operator had 500 MiB; with 1000 nodes it may be 200 at most',
  ]);
  const bad = { seconds: 76, rssMiB: 501, requestsPerNode: 3, largestObjectKiB: 513, restMiB: 81 };
  const worse = { watchRssMiB: 501, watchCpuPercent: 11, handOverSeconds: 21 };
  expect(brokenLimits({ ...held, ...bad, ...worse })).toHaveLength(8);
});

it('makes reports that are unlike each other, of records as a probe prints them', () => {
  const service = tracedService(3, 50);
  const ask = { collect: { rules: true, conntrack: 'Summary', kubeProxy: true, system: true } } as const;
  const [one, other, again] = [
    recordsOfNode(1, [service], ask, 1),
    recordsOfNode(2, [service], ask, 1),
    recordsOfNode(1, [service], ask, 2),
  ];
  for (const record of [...one, ...other]) expect(nodeReportRecordSchema.parse(record)).toEqual(record);
  const of = (records: typeof one, kind: string): string =>
    JSON.stringify(records.filter((record) => record.kind === kind));
  for (const kind of ['start', 'iptablesChain', 'conntrack', 'interfaces', 'system', 'kubeProxy'])
    expect(of(one, kind), kind).not.toBe(of(other, kind));
  expect(of(again, 'iptablesChain')).toBe(of(one, 'iptablesChain'));
  expect(of(again, 'conntrack')).not.toBe(of(one, 'conntrack'));
});
