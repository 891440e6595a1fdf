/** Explain, simulate, the walk of a trace and the diagram follow one packet path: through third-party rules, too, until the packet ends. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBundle, type Bundle } from '../../../core/wire/bundle.ts';
import { buildDiagram } from '../../../core/diagram/build-diagram.ts';
import { lineText } from '../../../core/diagram/diagram.ts';
import { walkPacket } from '../../../core/program/walk-packet.ts';
import { explainProgram } from '../../../core/explain/explain-program.ts';
import { followClient, type PacketPath } from '../../../core/explain/follow-client.ts';
import { frontendsOf } from '../../../core/api/frontends.ts';
import type { NodeReport, NodeReportRecord, RecordOf } from '../../../core/wire/node-report.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';

const recorded = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const clusterIp = '10.96.2.60';
const client = { address: '10.244.1.250', pod: 'client-a' };

/** The built-in chains of a node of the iptables mode, with rules (`TABLE CHAIN RULE`) before kube-proxy's. */
function chainsOf(rules: readonly string[]): NodeReportRecord[] {
  const kube: Record<string, readonly string[]> = {
    'nat PREROUTING': ['-A PREROUTING -j KUBE-SERVICES'],
    'nat OUTPUT': ['-A OUTPUT -j KUBE-SERVICES'],
    'nat POSTROUTING': ['-A POSTROUTING -j KUBE-POSTROUTING'],
  };
  const places = [
    'raw PREROUTING',
    'raw OUTPUT',
    'mangle PREROUTING',
    'mangle POSTROUTING',
    'nat PREROUTING',
    'nat OUTPUT',
    'nat POSTROUTING',
    'filter INPUT',
    'filter FORWARD',
    'filter OUTPUT',
  ];
  return places.map((place): RecordOf<'hookChain'> => {
    const [table = '', chain = ''] = place.split(' ');
    const own = rules
      .filter((rule) => rule.startsWith(`${place} `))
      .map((rule) => `-A ${rule.slice(table.length + 1)}`);
    return {
      kind: 'hookChain',
      backend: 'nf_tables',
      family: 'IPv4',
      table,
      chain,
      policy: 'ACCEPT',
      lines: [...own, ...(kube[place] ?? [])],
      omitted: 0,
    };
  });
}

/** A table of nftables that sends the cluster IP elsewhere, before kube-proxy's nat. */
const elsewhere: RecordOf<'foreignTable'> = {
  kind: 'foreignTable',
  family: 'ip',
  name: 'detour',
  objects: [
    { table: { family: 'ip', name: 'detour', handle: 1 } },
    {
      chain: {
        family: 'ip',
        table: 'detour',
        name: 'early',
        handle: 1,
        type: 'nat',
        hook: 'prerouting',
        prio: -110,
        policy: 'accept',
      },
    },
    {
      rule: {
        family: 'ip',
        table: 'detour',
        chain: 'early',
        handle: 2,
        expr: [
          { match: { op: '==', left: { payload: { protocol: 'ip', field: 'daddr' } }, right: clusterIp } },
          { dnat: { addr: '10.244.9.9' } },
        ],
      },
    },
  ],
};

/** The recorded trace with these on node-a. */
function traceWith(records: readonly NodeReportRecord[]): { bundle: Bundle; report: NodeReport } {
  const answers = recorded.answers.map((answer) =>
    'report' in answer && answer.node === 'node-a'
      ? {
          ...answer,
          report: {
            ...answer.report,
            records: [...answer.report.records.slice(0, -1), ...records, ...answer.report.records.slice(-1)],
          },
        }
      : answer,
  );
  const found = answers.find(({ node }) => node === 'node-a');
  if (found === undefined || !('report' in found)) throw new Error('node-a has no report');
  return { bundle: { ...recorded, answers }, report: found.report };
}

function packetPathOf(
  records: readonly NodeReportRecord[],
  from: { readonly address: string; readonly pod?: string } = client,
): PacketPath {
  const { bundle, report } = traceWith(records);
  const [frontend] = frontendsOf(bundle.desired).filter(({ family }) => family === 'IPv4');
  const packetPath = frontend === undefined ? undefined : followClient(bundle, report, from, frontend);
  if (packetPath === undefined) throw new Error('nothing was followed');
  return packetPath;
}

function statusOf(bundle: Bundle): ServiceTraceStatus {
  const { spec, desired, answers, recordedAt, cluster } = bundle;
  return buildStatus({
    spec,
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now: recordedAt,
    walkFrom: [{ node: 'node-a', address: client.address }],
    ...(cluster === undefined ? {} : { cluster }),
  });
}

/** Rules for what comes from the endpoints. */
function answersTo(place: string, target: string): string[] {
  const endpoints = recorded.desired.endpointSlices
    .filter(({ addressType }) => addressType === 'IPv4')
    .flatMap((slice) => slice.endpoints.flatMap(({ addresses }) => addresses.slice(0, 1)));
  return endpoints.map((address) => `${place} -s ${address}/32 -p tcp -m tcp --sport 8080 -j ${target}`);
}

const nodeAddress = '10.0.0.1';
const faults: readonly (readonly [
  name: string,
  records: readonly NodeReportRecord[],
  verdict: string,
  rule: string,
])[] = [
  ['a table of nftables at -110 that sends it elsewhere', [...chainsOf([]), elsewhere], 'DNAT', 'dnat to 10.244.9.9'],
  [
    'a DROP in FORWARD for one port',
    chainsOf(['filter FORWARD -p tcp -m tcp --dport 8080 -j DROP']),
    'DROP',
    '-A FORWARD -p tcp -m tcp --dport 8080 -j DROP',
  ],
  [
    'CT --notrack in raw',
    chainsOf([`raw PREROUTING -d ${clusterIp}/32 -j CT --notrack`]),
    'NONE',
    '-A PREROUTING -d 10.96.2.60/32 -j CT --notrack',
  ],
];

describe('a third-party rule', () => {
  it.each(faults)('%s ends the packet in every view', (_name, records, verdict, rule) => {
    const { bundle, report } = traceWith(records);
    const packet = {
      source: client.address,
      destination: clusterIp,
      destinationPort: 80,
      protocol: 'TCP',
      entersAt: 'PREROUTING',
    } as const;
    const simulated = walkPacket(report, bundle.desired, packet);
    expect(simulated).toMatchObject({ verdict, probability: 1, unknown: [] });
    expect(simulated.path.map((step) => step.rule).join('\n')).toContain(rule);
    expect(simulated.destinations.map(({ address }) => address)).toEqual(verdict === 'DNAT' ? ['10.244.9.9'] : []);

    const packetPath = packetPathOf(records);
    expect(packetPath.verdict).toBe(verdict);
    const text = JSON.stringify(packetPath);
    expect(text).toContain(rule);
    expect(text).not.toContain('and answers it.');

    const status = statusOf(bundle);
    expect(status.walks?.find(({ destination }) => destination === clusterIp)).toMatchObject({ verdict });
    expect(status.conditions?.find(({ type }) => type === 'Healthy')?.status).toBe('False');
    expect(
      status.findings
        ?.filter(({ id }) => id === 'RULE-FOREIGN')
        .map((finding) => finding.rule?.rule)
        .join('\n'),
    ).toContain(rule);

    const { boxes, arrows } = buildDiagram(status, {
      namespace: 'default',
      name: 'auth-service',
      nodes: ['node-a'],
      mostEndpoints: 40,
    });
    const marked = boxes.filter(({ lines }) => lines.map(lineText).includes('! RULE-FOREIGN'));
    expect(marked.map(({ title }) => title)).not.toContain('nat KUBE-SERVICES');
    expect(marked.map(({ lines }) => lines.map(lineText).join(' ')).join('\n')).toContain(rule);
    expect(arrows.some(({ to }) => to === marked[0]?.id)).toBe(true);

    const explained = explainProgram(report, bundle.desired).find(({ family }) => family === 'IPv4');
    expect(explained?.stages[0]?.title).toContain('Third-party rules');
    expect(explained?.stages[0]?.chains.flatMap(({ rules }) => rules.map(({ text }) => text)).join('\n')).toContain(
      rule,
    );
  });

  it('that rejects in OUTPUT ends what the node itself sends, and a pod still gets its answer', () => {
    const records = chainsOf(['filter OUTPUT -d 10.244.0.0/16 -p tcp -m tcp --dport 8080 -j REJECT']);
    const { report } = traceWith(records);
    const own =
      report.records
        .find((record) => record.kind === 'start')
        ?.addresses.find((address) => /^\d/.test(address) && !address.startsWith('127.')) ?? nodeAddress;
    const packetPath = packetPathOf(records, { address: own });
    expect(packetPath).toMatchObject({ verdict: 'REJECT' });
    expect(packetPath.faults).toEqual([
      expect.stringMatching(/^100\.0 % of the connections are refused, by the rule -A OUTPUT .* of filter OUTPUT\.$/),
    ]);
    expect(packetPathOf(records)).toMatchObject({ verdict: 'DNAT', faults: [] });
  });

  it.each([
    [
      'drops answers',
      answersTo('filter FORWARD', 'DROP'),
      'its answer does not come to the client: on node-a, it is dropped',
    ],
    ['puts them into a zone', answersTo('raw PREROUTING', 'CT --zone 7'), 'conntrack of node-a does not know it'],
    ['does not track them', answersTo('raw PREROUTING', 'CT --notrack'), 'conntrack of node-a does not know it'],
  ] as const)('that %s is on the packet path back', (_name, rules, sentence) => {
    const { verdict, faults: found, steps } = packetPathOf(chainsOf(rules));
    expect(verdict).toBe('DNAT');
    expect(found).toHaveLength(3);
    for (const each of found) expect(each).toContain(sentence);
    expect(steps.at(-1)?.sentences.join(' ')).not.toContain('and answers it.');
  });

  it("on the endpoint's own node is on the packet path, too", () => {
    const { bundle, report } = traceWith(chainsOf([]));
    const there = recorded.answers.find((answer) => answer.node === 'node-c');
    if (there === undefined || !('report' in there)) throw new Error('node-c has no report');
    const stopped = chainsOf(['filter FORWARD -s 10.244.1.0/24 -p tcp -m tcp --dport 8080 -j DROP']).map((record) =>
      record.kind === 'hookChain' ? { ...record, backend: 'legacy' as const } : record,
    );
    const answers = bundle.answers.map((answer) =>
      answer.node === 'node-c' && 'report' in answer
        ? {
            ...answer,
            report: {
              ...answer.report,
              records: [...answer.report.records.slice(0, -1), ...stopped, ...answer.report.records.slice(-1)],
            },
          }
        : answer,
    );
    const [frontend] = frontendsOf(bundle.desired).filter(({ family }) => family === 'IPv4');
    if (frontend === undefined) throw new Error('no frontend');
    const found = followClient({ ...bundle, answers }, report, client, frontend)?.faults;
    expect(found).toHaveLength(1);
    expect(found?.[0]).toContain('does not receive the connection: on node-c, it is dropped, by the rule -A FORWARD');
  });

  it('of which it is not known whether it holds leaves the verdict and the condition Healthy unknown', () => {
    const records = chainsOf(['filter FORWARD -i eth7 -p tcp -m tcp --dport 8080 -j DROP']);
    const { bundle, report } = traceWith(records);
    expect(
      walkPacket(report, bundle.desired, {
        source: client.address,
        destination: clusterIp,
        destinationPort: 80,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
      }),
    ).toMatchObject({ verdict: 'UNKNOWN', probability: 1 });
    expect(packetPathOf(records).verdict).toBe('UNKNOWN');
    const status = statusOf(bundle);
    expect(status.findings?.filter(({ id }) => id.startsWith('RULE-FOREIGN')).map(({ id }) => id)).toEqual([
      'RULE-FOREIGN-UNKNOWN',
    ]);
    expect(status.conditions?.find(({ type }) => type === 'Healthy')).toMatchObject({
      status: 'Unknown',
      reason: 'RulesNotJudged',
    });
  });

  it('that does nothing to the packet changes nothing', () => {
    const plain = packetPathOf([]);
    expect(
      packetPathOf(chainsOf(['filter FORWARD -p udp -j DROP', 'mangle PREROUTING -j MARK --set-xmark 0x8/0x8']))
        .verdict,
    ).toBe(plain.verdict);
    expect(packetPathOf(chainsOf([])).faults).toEqual([]);
    expect(JSON.stringify(packetPathOf(chainsOf([])))).toContain('and answers it.');
  });
});
