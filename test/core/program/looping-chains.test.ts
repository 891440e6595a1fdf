/** Rules that no kernel holds, of one node among several: what is known of the others stays, and nothing ends the program. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { withoutLoopingChains } from '../../../core/program/looping-chains.ts';
import { parseBundle, printBundle, type Bundle } from '../../../core/wire/bundle.ts';
import { walkPacket } from '../../../core/program/walk-packet.ts';
import { recordsOf, type NodeReportRecord } from '../../../core/wire/node-report.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';

const whole = readFileSync(fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url)), 'utf8');

/** The recorded trace, with the records of one node altered. */
function altered(node: string, change: (record: NodeReportRecord) => unknown): Bundle {
  const bundle = parseBundle(whole);
  return {
    ...bundle,
    answers: bundle.answers.map((answer) =>
      answer.node === node && 'report' in answer
        ? {
            ...answer,
            report: {
              ...answer.report,
              records: answer.report.records.flatMap((record) => change(record) ?? record) as NodeReportRecord[],
            },
          }
        : answer,
    ),
  };
}

function statusOf({ spec, desired, answers, recordedAt: now, cluster }: Bundle): ServiceTraceStatus {
  return buildStatus({
    spec,
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now,
    ...(cluster === undefined ? {} : { cluster }),
  });
}

const plain = statusOf(parseBundle(whole));
const nodeWith = (kind: NodeReportRecord['kind']): string =>
  parseBundle(whole).answers.find((answer) => 'report' in answer && recordsOf(answer.report, kind).length > 0)?.node ??
  '';
const ofIptables = nodeWith('iptablesChain');
const ofNftables = nodeWith('nftChain');
/** All rules of a chain, and one that jumps. */
const jumping =
  (pattern: RegExp, to: (chain: string) => string) =>
  (record: NodeReportRecord): unknown =>
    record.kind === 'iptablesChain' &&
    record.family === 'IPv4' &&
    record.table === 'nat' &&
    pattern.test(record.chain) &&
    !record.absent
      ? { ...record, lines: [`-A ${record.chain} -j ${to(record.chain)}`, ...record.lines] }
      : undefined;

const rows: [string, string, (record: NodeReportRecord) => unknown, RegExp][] = [
  [
    'a chain of the Service that jumps to itself',
    ofIptables,
    jumping(/^KUBE-SVC-/, (chain) => chain),
    /^rules of iptables-(?:nft|legacy), table nat: on NODE, chain (KUBE-SVC-\w+) jumps in a circle, \1 -> \1, which no kernel takes/,
  ],
  [
    'a chain of an endpoint that jumps back',
    ofIptables,
    jumping(/^KUBE-SEP-/, () => 'KUBE-SERVICES'),
    /^rules of iptables-(?:nft|legacy), table nat: on NODE, chain [\w-]+ jumps in a circle, .*KUBE-SEP-\w+ -> /,
  ],
  [
    "another program's chain that jumps to itself",
    ofIptables,
    (record) =>
      record.kind === 'start'
        ? [
            record,
            {
              kind: 'hookChain',
              backend: 'nf_tables',
              family: 'IPv4',
              table: 'filter',
              chain: 'FORWARD',
              policy: 'ACCEPT',
              lines: ['-A FORWARD -j MINE'],
              omitted: 0,
            },
            {
              kind: 'hookChain',
              backend: 'nf_tables',
              family: 'IPv4',
              table: 'filter',
              chain: 'MINE',
              lines: ['-A MINE -j MINE'],
              omitted: 0,
            },
          ]
        : undefined,
    /^chains of other programs, iptables-(?:nft|legacy), table filter: on NODE, chain MINE jumps in a circle, MINE -> MINE, /,
  ],
  [
    'a chain of nftables that jumps to itself',
    ofNftables,
    (record) =>
      record.kind === 'nftChain' && record.family === 'IPv4' && record.chain === 'services'
        ? {
            ...record,
            objects: [
              ...record.objects,
              {
                rule: {
                  family: 'ip',
                  table: 'kube-proxy',
                  chain: 'services',
                  handle: 1,
                  expr: [{ jump: { target: 'services' } }],
                },
              },
            ],
          }
        : undefined,
    /^rules of nftables, table kube-proxy: on NODE, chain services jumps in a circle, services -> services, /,
  ],
  [
    'a map of nftables that leads back',
    ofNftables,
    (record) =>
      record.kind === 'nftElements' && record.family === 'IPv4' && record.name === 'service-ips'
        ? {
            ...record,
            elements: record.elements.map((element) =>
              Array.isArray(element) ? [(element as unknown[])[0], { goto: { target: 'services' } }] : element,
            ),
          }
        : undefined,
    /^rules of nftables, table kube-proxy: on NODE, chain [\w-]+ jumps in a circle, .*services -> /,
  ],
];

describe.each(rows)('%s', (_name, node, change, evidence) => {
  const bundle = altered(node, change);
  const status = statusOf(bundle);

  it('is a part of its node that could not be read, with the node and the chain', () => {
    expect(status.findings?.filter(({ id }) => id === 'DATA-UNREAD')).toMatchObject([
      {
        where: `node/${node}`,
        evidence: [expect.stringMatching(new RegExp(evidence.source.replace('NODE', node)))],
      },
    ]);
    expect(status.conditions?.find(({ type }) => type === 'Healthy')?.status).not.toBe('True');
  });

  it('leaves what is known of the other nodes', () => {
    const others = (all: ServiceTraceStatus): unknown => all.nodes?.filter(({ name }) => name !== node);
    expect(others(status)).toEqual(others(plain));
    const errors = (all: ServiceTraceStatus): unknown => all.findings?.filter(({ severity }) => severity === 'error');
    expect(errors(status)).toEqual(errors(plain));
  });
});

it('follows chains that are too deep to the last one that it knows, and says that the rest is unknown', () => {
  const depth = 70;
  const chain = (name: string, line: string, policy?: string): NodeReportRecord => ({
    kind: 'hookChain',
    backend: 'nf_tables',
    family: 'IPv4',
    table: 'filter',
    chain: name,
    ...(policy === undefined ? {} : { policy }),
    lines: [`-A ${name} ${line}`],
    omitted: 0,
  });
  const bundle = altered(ofIptables, (record) =>
    record.kind === 'start'
      ? [
          record,
          chain('FORWARD', '-j DEEP-0', 'ACCEPT'),
          ...Array.from({ length: depth }, (_, index) =>
            chain(`DEEP-${String(index)}`, index === depth - 1 ? '-j DROP' : `-j DEEP-${String(index + 1)}`),
          ),
        ]
      : undefined,
  );
  const status = statusOf(bundle);
  expect(status.conditions?.find(({ type }) => type === 'Healthy')?.status).toBe('Unknown');
  expect(status.findings?.find(({ id }) => id === 'RULE-FOREIGN-UNKNOWN')).toMatchObject({
    node: ofIptables,
    evidence: [expect.stringContaining('chain DEEP-64 of table filter, which is more than 64 jumps deep')],
  });
});

it('is the same for a recorded trace, of which each node is still walked', () => {
  const [, node, change] = rows[0] ?? [];
  if (node === undefined || change === undefined) throw new Error('no row');
  const read = parseBundle(printBundle(altered(node, change)));
  const bundle = { ...read, answers: withoutLoopingChains(read.answers) };
  const [port] = bundle.desired.service.ports;
  for (const answer of bundle.answers)
    if ('report' in answer)
      expect(
        walkPacket(
          answer.report,
          bundle.desired,
          {
            source: '10.244.9.9',
            destination: bundle.desired.service.clusterIPs[0] ?? '',
            destinationPort: port?.port ?? 0,
            protocol: 'TCP',
            entersAt: 'PREROUTING',
          },
          bundle.cluster,
        ).verdict,
      ).toBe(answer.node === node ? 'UNKNOWN' : 'DNAT');
});

it('answers right of a chain of 80,000 lines', () => {
  const lines = Array.from(
    { length: 80_000 },
    (_, index) =>
      `-A KUBE-SERVICES -d 10.${String(100 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-${String(index)}`,
  );
  const status = statusOf(
    altered(ofIptables, (record) =>
      record.kind === 'iptablesChain' &&
      record.family === 'IPv4' &&
      record.table === 'nat' &&
      record.chain === 'KUBE-SERVICES'
        ? { ...record, lines: [...lines, ...record.lines] }
        : undefined,
    ),
  );
  const known = (all: ServiceTraceStatus): unknown => all.nodes?.find(({ name }) => name === ofIptables)?.ports;
  expect(known(status)).toEqual(known(plain));
  expect(status.findings?.filter(({ id }) => id === 'DATA-UNREAD')).toEqual([]);
}, 240_000);
