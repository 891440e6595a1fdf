/** From records to a status, on bundles that test/fixtures/record.ts recorded on the embedded cluster. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidBundleError, parseBundle, printBundle } from '../../../core/wire/bundle.ts';
import { walkPacket } from '../../../core/program/walk-packet.ts';
import { parseServiceTrace } from '../../../core/api/parse-service-trace.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith('.svctrace'));
const read = (file: string): string => readFileSync(folder + file, 'utf8');

function statusOf(file: string): ServiceTraceStatus {
  const { spec, desired, answers, recordedAt, nodeZones } = parseBundle(read(file));
  return buildStatus({
    spec,
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now: recordedAt,
    ...(nodeZones === undefined ? {} : { nodeZones }),
  });
}

/** One line for each frontend of each node: what the node does with it. */
function shown(status: ServiceTraceStatus): string[] {
  return (status.nodes ?? []).flatMap((node) =>
    node.ports.map(({ frontend, family, protocol, port, verdict, dnatTargets }) => {
      const shares = [...new Set(dnatTargets.map(({ probability }) => probability?.toFixed(3) ?? 'unknown'))];
      return `${node.name} ${node.proxyMode}${node.backend === undefined ? '' : `/${node.backend}`} ${frontend} ${family} ${protocol} ${String(port)}: ${verdict}${dnatTargets.length === 0 ? '' : ` to ${String(dnatTargets.length)} x ${shares.join(', ')}`}`;
    }),
  );
}

const modes = ['node-a iptables/nf_tables', 'node-b nftables', 'node-c iptables/legacy'];
const everywhere = (line: string): string[] => modes.map((mode) => `${mode} ${line}`);

/** What the cluster was made to do (test/cluster/service-kinds.yaml), and so what each recording must show. */
const expected: Readonly<Record<string, readonly string[]>> = {
  'auth-service': modes.flatMap((mode) =>
    ['IPv4', 'IPv6'].map((family) => `${mode} ClusterIP ${family} TCP 80: DNAT to 3 x 0.333`),
  ),
  'external-ip': modes.flatMap((mode) =>
    ['ClusterIP', 'ExternalIP'].map((frontend) => `${mode} ${frontend} IPv4 TCP 80: DNAT to 3 x 0.333`),
  ),
  headless: [],
  'internal-local': [
    'node-a iptables/nf_tables ClusterIP IPv4 TCP 80: DNAT to 2 x 0.500',
    'node-b nftables ClusterIP IPv4 TCP 80: DROP',
    'node-c iptables/legacy ClusterIP IPv4 TCP 80: DROP',
  ],
  'many-ports': modes.flatMap((mode) =>
    ['TCP 80', 'TCP 81', 'UDP 53', 'SCTP 3868'].flatMap((port) =>
      ['IPv4', 'IPv6'].map((family) => `${mode} ClusterIP ${family} ${port}: DNAT to 3 x 0.333`),
    ),
  ),
  'nobody-home': modes.flatMap((mode) =>
    [
      ['ClusterIP', '80'],
      ['NodePort', '30082'],
    ].flatMap(([frontend, port]) =>
      ['IPv4', 'IPv6'].map((family) => `${mode} ${frontend ?? ''} ${family} TCP ${port ?? ''}: REJECT`),
    ),
  ),
  'node-port': modes.flatMap((mode) =>
    [
      ['ClusterIP', '80'],
      ['NodePort', '30080'],
    ].flatMap(([frontend, port]) =>
      ['IPv4', 'IPv6'].map((family) => `${mode} ${frontend ?? ''} ${family} TCP ${port ?? ''}: DNAT to 3 x 0.333`),
    ),
  ),
  'node-port-local': [
    ...everywhere('ClusterIP IPv4 TCP 80: DNAT to 2 x 0.500'),
    'node-a iptables/nf_tables NodePort IPv4 TCP 30081: DNAT to 2 x 0.500',
    'node-b nftables NodePort IPv4 TCP 30081: DROP',
    'node-c iptables/legacy NodePort IPv4 TCP 30081: DROP',
  ],
  'only-ipv6': everywhere('ClusterIP IPv6 TCP 80: DNAT to 3 x 0.333'),
  sticky: modes.flatMap((mode) =>
    ['IPv4', 'IPv6'].map((family) => `${mode} ClusterIP ${family} TCP 80: DNAT to 3 x 0.333`),
  ),
};

/** Healthy, or what is wrong with them on purpose. */
const findings: Readonly<Record<string, readonly string[]>> = {
  headless: ['SVC-NOT-PROXIED'],
  'nobody-home': ['EPS-EMPTY'],
  // Two nodes have no endpoint of their own, which is what the policy Local is about.
  'internal-local': ['RULE-LOCAL-DROP'],
  'node-port-local': ['RULE-LOCAL-DROP'],
};

describe('a recorded bundle', () => {
  it('is there for every case below, and no other', () => {
    expect(files.map((file) => file.replace('.svctrace', '')).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(files)('%s shows what the nodes do, in all three modes', (file) => {
    const name = file.replace('.svctrace', '');
    const status = statusOf(file);
    expect(shown(status).sort()).toEqual([...(expected[name] ?? [])].sort());
    expect(status.findings?.map(({ id }) => id)).toEqual(findings[name] ?? []);
    expect(status.conditions?.find(({ type }) => type === 'Collected')?.status).toBe('True');
  });

  it.each(files)('%s gives a status that its own CRD admits', (file) => {
    const trace = {
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { name: 'x' },
      spec: parseBundle(read(file)).spec,
      status: statusOf(file),
    };
    expect(() => parseServiceTrace(JSON.parse(JSON.stringify(trace)))).not.toThrow();
  });

  it.each(files)('%s is printed as it was read', (file) => {
    expect(printBundle(parseBundle(read(file)))).toBe(read(file));
  });

  it('counts connections where the mode has counters, and leaves them out where it has none', () => {
    const status = statusOf('auth-service.svctrace');
    for (const node of status.nodes ?? []) {
      const port = node.ports.find(({ family }) => family === 'IPv4');
      const packets = port?.dnatTargets.map((target) => target.packets);
      if (node.proxyMode === 'nftables') expect(packets).toEqual([undefined, undefined, undefined]);
      else expect(packets?.reduce((sum = 0, count = 0) => sum + count, 0)).toBe(12);
      expect(port?.dnatTargets.reduce((sum, { connections = 0 }) => sum + connections, 0)).toBe(12);
    }
  });

  it('walks a packet: a pod keeps its address; one from outside, and a pod that meets itself, are masqueraded', () => {
    const { desired, answers } = parseBundle(read('auth-service.svctrace'));
    for (const answer of answers) {
      if (!('report' in answer)) throw new Error(`${answer.node} did not answer`);
      const destination = desired.service.clusterIPs.find((address) => !address.includes(':')) ?? '';
      const walk = (source: string, entersAt: 'PREROUTING' | 'OUTPUT'): ReturnType<typeof walkPacket> =>
        walkPacket(answer.report, desired, { source, destination, destinationPort: 80, protocol: 'TCP', entersAt });
      expect(walk('10.244.1.200', 'PREROUTING')).toMatchObject({ verdict: 'DNAT', masquerade: false, unknown: [] });
      expect(walk('192.0.2.1', 'PREROUTING')).toMatchObject({ verdict: 'DNAT', masquerade: true, unknown: [] });
      const itself = desired.endpointSlices
        .flatMap(({ endpoints }) => endpoints)
        .find(({ nodeName, addresses }) => nodeName === answer.node && !addresses[0]?.includes(':'));
      expect(walk(itself?.addresses[0] ?? '', 'PREROUTING'), answer.node).toMatchObject({
        verdict: 'DNAT',
        masquerade: true,
      });
      const total = walk('10.244.1.200', 'PREROUTING').destinations.reduce(
        (sum, { probability = NaN }) => sum + probability,
        0,
      );
      expect(total).toBeCloseTo(1, 9);
    }
  });

  it('that is truncated is unknown, never healthy', () => {
    const bundle = parseBundle(read('auth-service.svctrace'));
    const answers = bundle.answers.map((answer) =>
      'report' in answer && answer.node === 'node-a'
        ? { ...answer, report: { ...answer.report, records: answer.report.records.slice(0, 3), complete: false } }
        : answer,
    );
    const status = buildStatus({
      spec: bundle.spec,
      generation: 1,
      desired: bundle.desired,
      answers,
      previous: undefined,
      now: bundle.recordedAt,
    });
    expect(status.nodes?.[0]?.ports.map(({ verdict }) => verdict)).toEqual(['Unknown', 'Unknown']);
    expect(status.findings?.map(({ id, node }) => [id, node])).toEqual([['DATA-UNREAD', 'node-a']]);
    expect(status.conditions?.find(({ type }) => type === 'Healthy')?.status).toBe('Unknown');
    expect(status.conditions?.find(({ type }) => type === 'Converged')?.status).toBe('Unknown');
  });

  it('with a broken line says which', () => {
    const lines = read('headless.svctrace').split('\n');
    for (const [line, words] of [
      [0, 'line 1'],
      [1, 'line 2'],
      [3, 'line 4'],
    ] as const) {
      const broken = lines.map((text, index) => (index === line ? text.slice(0, -5) : text)).join('\n');
      expect(() => parseBundle(broken)).toThrow(InvalidBundleError);
      expect(() => parseBundle(broken)).toThrow(words);
    }
    expect(() => parseBundle('')).toThrow('kubectl svctrace record');
  });

  it('whatever the kernel answered, in any part of it, never crashes the judgement', { timeout: 120_000 }, () => {
    const bundle = parseBundle(read('auth-service.svctrace'));
    fc.assert(
      fc.property(fc.nat(), fc.string({ unit: 'grapheme-ascii' }), (seed, junk) => {
        const answers = bundle.answers.map((answer) => {
          if (!('report' in answer)) return answer;
          const records = answer.report.records.map((record, index) =>
            (record.kind === 'iptablesChain' || record.kind === 'conntrack') && (index + seed) % 3 === 0
              ? {
                  ...record,
                  lines: record.lines.map((line, at) =>
                    (at + seed) % 2 === 0 ? line.slice(0, seed % (line.length + 1)) + junk : line,
                  ),
                }
              : record,
          );
          return { ...answer, report: { ...answer.report, records } };
        });
        const status = buildStatus({
          spec: bundle.spec,
          generation: 1,
          desired: bundle.desired,
          answers,
          previous: undefined,
          now: bundle.recordedAt,
        });
        expect(status.nodes).toHaveLength(3);
      }),
      { numRuns: 200 },
    );
  });
});
