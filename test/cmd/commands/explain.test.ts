/** Recorded traces explained, as a user reads them. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleNames } from '../../support/drifted-bundle.ts';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runExplain } from '../../../cmd/commands/explain.ts';
import { parseBundle, printBundle } from '../../../core/wire/bundle.ts';
import type { NodeReportRecord } from '../../../core/wire/node-report.ts';
import { manyEndpoints } from '../../../bench/many-endpoints.ts';
import { testIo } from '../../support/fake-cluster.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}.svctrace`, import.meta.url));

const explain = (bundle: string, ...words: string[]): ReturnType<typeof explainFile> =>
  explainFile(fixture(bundle), ...words);

async function explainFile(file: string, ...words: string[]): Promise<{ output: string; status: number }> {
  const parsed = await parseCommandLine(['explain', '--bundle', file, ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'explain') throw new Error('no explain request');
  const io = testIo({ COLUMNS: '100' });
  const status = await runExplain(parsed.request, io);
  return { output: io.out(), status };
}

describe('kubectl svctrace explain', () => {
  it('says of an entry without a reply that nobody answered, and from where an answer is expected', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-explain-')), 'unreplied.svctrace');
    const bundle = parseBundle(await readFile(fixture('auth-service'), 'utf8'));
    const line = (flags: string, port: number): string =>
      `tcp 6 30 ${flags === '' ? 'ESTABLISHED' : 'SYN_SENT'} src=10.244.1.3 dst=10.96.2.60 sport=${String(port)} dport=80 ${flags}src=10.244.2.3 dst=10.244.1.3 sport=8080 dport=${String(port)} ${flags === '' ? '[ASSURED] ' : ''}use=1`;
    const withEntries = (record: NodeReportRecord): NodeReportRecord =>
      record.kind === 'conntrack' ? { ...record, lines: [line('[UNREPLIED] ', 40001), line('', 40002)] } : record;
    await writeFile(
      file,
      printBundle({
        ...bundle,
        answers: bundle.answers.map((answer) =>
          'report' in answer
            ? { ...answer, report: { ...answer.report, records: answer.report.records.map(withEntries) } }
            : answer,
        ),
      }),
    );
    const { output } = await explainFile(file, '--from', '10.244.1.3', '--to', '10.96.2.60:80');
    const text = output.replace(/\s+/g, ' ');
    expect(text).toMatch(
      /SYN_SENT 10\.244\.1\.3:40001 → 10\.96\.2\.60:80, not answered: an answer is expected from 10\.244\.2\.3:8080/,
    );
    expect(text).toMatch(/ESTABLISHED 10\.244\.1\.3:40002 → 10\.96\.2\.60:80, answered by 10\.244\.2\.3:8080/);
  });

  it.each([
    ['iptables', 'auth-service', ['--node', 'node-a', '--to', '10.96.2.60:80']],
    ['nftables', 'sticky', ['--node', 'node-b', '--to', '10.96.239.166:80']],
    ['node-port-local', 'node-port-local', ['--node', 'node-b']],
    ['from-pod', 'auth-service', ['--from', '10.244.1.3', '--to', '80']],
    ['from-endpoint', 'auth-service', ['--from', 'auth-service-5995955cd8-gktwl', '--to', '10.96.2.60:80']],
    ['from-outside', 'nobody-home', ['--from', '192.0.2.9', '--node', 'node-b']],
  ])('%s, as text', async (name, bundle, words) => {
    const { output, status } = await explain(bundle, ...words);
    expect(status).toBe(0);
    await expect(output).toMatchFileSnapshot(`screens/explain-${name}.txt`);
  });

  it.each(bundleNames.filter((name) => name !== 'headless'))('knows every rule of %s', async (bundle) => {
    const { output } = await explain(bundle, '-o', 'json');
    const { nodes, comparison } = JSON.parse(output) as {
      comparison: unknown;
      nodes: { families: { stages: { chains: { rules: { sentence: string; unknown: string[] }[] }[] }[] }[] }[];
    };
    const rules = nodes.flatMap(({ families }) =>
      families.flatMap(({ stages }) => stages.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules))),
    );
    expect(comparison).toEqual({ rows: [], omitted: 0, outliers: [] });
    expect(nodes.length).toBeGreaterThan(1);
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ unknown, sentence }) => unknown.length > 0 || sentence.includes('undefined'))).toEqual([]);
  });

  it('has a table of the endpoints whose rules are alike, and every rule with --all and -o json', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-explain-')), 'many.svctrace');
    await writeFile(file, printBundle(await manyEndpoints('iptables', 30)));
    const countOf = (text: string): number => new Set(text.match(/KUBE-SEP-[A-Z2-7]{16}/g) ?? []).size;
    const { output } = await explainFile(file, '--node', 'node-a', '--to', '80');
    expect(output.replaceAll(/\s+/g, ' ')).toContain(
      'The rules for 29 other endpoints are like those for 10.244.16.2:8080: ENDPOINT POD SHARE PACKETS 10.244.80.2:8080 many-5995955cd8-00001 3.3% not counted',
    );
    expect(countOf(output)).toBe(1);
    for (const words of [['--all'], ['-o', 'json']])
      expect(countOf((await explainFile(file, '--node', 'node-a', '--to', '80', ...words)).output)).toBe(30);
  });

  it('says of a node that the same rules are on others', async () => {
    const { output } = await explain('headless');
    expect(output).toContain('kube-proxy writes no rules for it, because it is headless');
    expect(output).toContain('Node node-a (and 1 node with the same rules: node-c)');
  });

  it('walks a client over its own node alone', async () => {
    const { output } = await explain('auth-service', '--from', '10.244.1.4', '-o', 'json');
    expect(JSON.parse(output)).toMatchObject({
      nodes: [
        {
          node: 'node-a',
          packetPaths: [
            {
              client: { pod: 'auth-service-5995955cd8-gktwl', entersAt: 'PREROUTING' },
              verdict: 'DNAT',
              steps: [{ letter: 'A' }, { letter: 'B' }, { letter: 'C' }, { letter: 'D' }, { letter: 'E' }],
            },
          ],
        },
      ],
    });
  });

  it.each([
    ['A', 'AAAA'],
    ['AAAA', 'A'],
  ] as const)('tells what DNS answered in one order, where %s came before %s', async (...types) => {
    const recorded = parseBundle(await readFile(fixture('auth-service'), 'utf8'));
    const responses = types.map((type): NodeReportRecord => ({
      kind: 'dnsAnswer',
      service: 'default/auth-service',
      server: '10.96.0.10',
      port: 53,
      role: 'Service',
      name: 'auth-service.default.svc.cluster.local',
      type,
      answers: [type === 'A' ? '10.96.2.60' : 'fd00:10:96::919f'],
      responseCode: 'NOERROR',
      milliseconds: 0.4,
    }));
    const answers = recorded.answers.map((answer) =>
      'report' in answer
        ? {
            ...answer,
            report: {
              ...answer.report,
              records: answer.report.records.flatMap((record) => (record.kind === 'dns' ? responses : [record])),
            },
          }
        : answer,
    );
    const file = join(await mkdtemp(join(tmpdir(), 'explain-')), 'asked.svctrace');
    await writeFile(file, printBundle({ ...recorded, answers }));
    const { output } = await explainFile(file, '--from', '10.244.1.3', '--to', '80');
    expect(output.replaceAll(/\s+/g, ' ')).toContain(
      'asked from node-a, 10.96.0.10 answered 10.96.2.60 and fd00:10:96::919f.',
    );
  });

  it('shows at each hop the result of the active check', async () => {
    const recorded = parseBundle(await readFile(fixture('auth-service'), 'utf8'));
    const tried = (
      hop: 'ClusterIP' | 'Endpoint',
      address: string,
      port: number,
      outcome: 'connected' | 'refused',
    ): NodeReportRecord => ({
      kind: 'connection',
      service: 'default/auth-service',
      hop,
      address,
      port,
      protocol: 'TCP',
      outcome,
      milliseconds: 1.2,
      ...(outcome === 'refused' ? { error: 'ECONNREFUSED' } : {}),
    });
    const answers = recorded.answers.map((answer) =>
      'report' in answer && answer.node === 'node-a'
        ? {
            ...answer,
            report: {
              ...answer.report,
              records: [
                ...answer.report.records.slice(0, -1),
                tried('ClusterIP', '10.96.2.60', 80, 'connected'),
                tried('Endpoint', '10.244.1.4', 8080, 'refused'),
                ...answer.report.records.slice(-1),
              ],
            },
          }
        : answer,
    );
    const file = join(await mkdtemp(join(tmpdir(), 'explain-')), 'connected.svctrace');
    await writeFile(file, printBundle({ ...recorded, answers }));
    const { output } = await explainFile(file, '--from', '10.244.1.3', '--to', '80');
    const step = (letter: string): string =>
      output
        .split('Step ')
        .find((each) => each.startsWith(`${letter}:`))
        ?.replaceAll(/\n +/g, ' ') ?? '';
    expect(step('B')).toContain('Active check from node node-a itself: 10.96.2.60:80/TCP: connected after 1 ms.');
    expect(step('E')).toContain(
      'Active check from node node-a itself, past the rules: 10.244.1.4:8080/TCP: refused (ECONNREFUSED) after 1 ms.',
    );
    expect((await explainFile(file)).output).toMatch(
      /Connections made by --connect\nTO .*\nClusterIP .* connected .* node-a .*\nEndpoint .* refused/,
    );
    expect(JSON.parse((await explainFile(file, '-o', 'json')).output)).toMatchObject({
      connections: [
        {
          name: 'node-a',
          connections: [
            { hop: 'ClusterIP', outcome: 'connected' },
            { hop: 'Endpoint', outcome: 'refused' },
          ],
        },
      ],
    });
  });

  it('ends with what EndpointSlices and the nodes disagree on', async () => {
    const recorded = parseBundle(await readFile(fixture('auth-service'), 'utf8'));
    const endpointSlices = recorded.desired.endpointSlices.map((slice) => ({
      ...slice,
      endpoints: slice.endpoints.filter(({ addresses }) => !addresses.includes('10.244.1.4')),
    }));
    const file = join(await mkdtemp(join(tmpdir(), 'explain-')), 'changed.svctrace');
    await writeFile(file, printBundle({ ...recorded, desired: { ...recorded.desired, endpointSlices } }));
    const { output } = await explainFile(file, '--node', 'node-a');
    expect(output.slice(output.indexOf('Comparison'))).toMatch(
      /disagree on 1 address\n.*\n10\.244\.1\.4:8080 .* in no slice .*3\/3.*\n    no EndpointSlice has it\n    node-a, node-b, node-c send packets there, and should not\n/,
    );
  });

  it('refuses what the trace does not have', async () => {
    await expect(explain('auth-service', '--node', 'node-z')).rejects.toThrow(
      '--node node-z: there is no such node in the trace; it has node-a, node-b, node-c.',
    );
    await expect(explain('auth-service', '--to', '81')).rejects.toThrow(
      '--to port 81 is not an address of Service auth-service. It has ClusterIP 10.96.2.60:80/TCP, ClusterIP [fd00:10:96::919f]:80/TCP.',
    );
    await expect(explain('auth-service', '--from', 'client-a')).rejects.toThrow(
      '--from client-a: the trace knows no pod of this name',
    );
    await expect(explain('only-ipv6', '--from', '192.0.2.9')).rejects.toThrow(
      /^Service only-ipv6 has no IPv4 address, only IPv6, so no packet of 192\.0\.2\.9 \(192\.0\.2\.9\) goes to it; choose a client with an IPv6 address\.$/,
    );
    await expect(explain('auth-service', 'other')).rejects.toThrow(
      'holds a trace of Service "auth-service", not of "other".',
    );
  });
});
