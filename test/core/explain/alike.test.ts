/** Of many endpoints whose rules are alike one is written out: in every mode, of a report and of a status, and never one that is unlike. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manyEndpoints, type ManyEndpointsMode } from '../../../bench/many-endpoints.ts';
import { iptablesEndpointChainName } from '../../../core/kube-proxy/chain-names.ts';
import { foldAlike, nftChoice, nftChoices, type Choice } from '../../../core/explain/alike.ts';
import { explainProgram } from '../../../core/explain/explain-program.ts';
import type { FamilyExplanation } from '../../../core/explain/explanation.ts';
import { explainStatusFamilies } from '../../../core/explain/explain-status.ts';
import { present } from '../../../core/lib/present.ts';
import { parseNftRuleText } from '../../../core/nftables/parse-statement.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { buildStatus } from '../../../core/status/status.ts';
import type { NodeReport, NodeReportRecord } from '../../../core/wire/node-report.ts';
import { endpoint } from '../../support/node-facts.ts';
import { ipvsService } from '../../support/ipvs-cases.ts';

const endpoints = 20;
/** The third one; the first one is written out anyway. */
const unlike = '10.244.144.2';
const port = { namespace: 'default', name: 'many', portName: 'http', protocol: 'TCP' as const };
const unlikeChain = iptablesEndpointChainName(port, `${unlike}:8080`);

type Change = (record: NodeReportRecord) => NodeReportRecord;

async function explained(
  mode: ManyEndpointsMode,
  from: 'report' | 'status',
  isFolded: boolean,
  change: Change = (record) => record,
): Promise<FamilyExplanation[]> {
  const { spec, desired, answers: recorded, cluster, nodeZones, recordedAt } = await manyEndpoints(mode, endpoints);
  const answers = recorded.map((answer) =>
    'report' in answer
      ? { ...answer, report: { ...answer.report, records: answer.report.records.map(change) } }
      : answer,
  );
  const [answer] = answers;
  if (answer === undefined || !('report' in answer)) throw new Error('the node answered');
  if (from === 'report') return explainProgram(answer.report, desired, { cluster, isFolded });
  const status = buildStatus({
    spec,
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now: recordedAt,
    ...present({ cluster, nodeZones }),
  });
  const [node] = status.nodes ?? [];
  const program = status.programs?.find(({ fingerprint }) => fingerprint === node?.program);
  if (node === undefined || program === undefined) throw new Error('the node has a program');
  return explainStatusFamilies(program, desired, node.ports, { isFolded });
}

const chainsOf = (families: readonly FamilyExplanation[]): FamilyExplanation['stages'][number]['chains'] =>
  families.flatMap(({ stages }) => stages.flatMap(({ chains }) => chains));
const alikeOf = (families: readonly FamilyExplanation[]): NonNullable<ReturnType<typeof rulesOf>[number]['alike']> =>
  rulesOf(families).flatMap(({ alike }) => alike ?? []);
const rulesOf = (
  families: readonly FamilyExplanation[],
): FamilyExplanation['stages'][number]['chains'][number]['rules'] => chainsOf(families).flatMap(({ rules }) => rules);

describe.each(['report', 'status'] as const)('the rules of a %s', (from) => {
  it('of iptables: one chain of an endpoint is written out, the others have their share and their packets', async () => {
    const families = await explained('iptables', from, true);
    const [group, ...others] = alikeOf(families);
    expect(others).toEqual([]);
    expect(group?.writtenOut).toBe('10.244.16.2:8080');
    expect(group?.others).toHaveLength(endpoints - 1);
    expect(group?.others[1]).toMatchObject({ endpoint: `${unlike}:8080`, pod: 'many-5995955cd8-00002' });
    for (const { shares, endpointShare } of group?.others ?? [])
      for (const share of from === 'report' ? Object.values(shares ?? {}) : [endpointShare])
        expect(share).toBeCloseTo(1 / endpoints, 6);
    expect(chainsOf(families).filter(({ chain }) => chain.startsWith('KUBE-SEP-'))).toHaveLength(1);
  });

  it('of iptables: a chain without its masquerade rule is written out beside the others', async () => {
    const families = await explained('iptables', from, true, (record) =>
      record.kind === 'iptablesChain' && record.chain === unlikeChain
        ? { ...record, lines: record.lines.filter((line) => !line.includes('KUBE-MARK-MASQ')) }
        : record,
    );
    expect(alikeOf(families).map(({ others }) => others.length)).toEqual([endpoints - 2]);
    expect(alikeOf(families)[0]?.others.map((other) => other.endpoint)).not.toContain(`${unlike}:8080`);
    const written = chainsOf(families).filter(({ chain }) => chain.startsWith('KUBE-SEP-'));
    expect(written.map(({ rules }) => rules.length)).toEqual([2, 1]);
    expect(written[1]?.chain).toBe(unlikeChain);
  });

  it('of nftables: one element of the map is written out', async () => {
    const families = await explained('nftables', from, true);
    const [group, ...others] = alikeOf(families);
    expect(others).toEqual([]);
    expect(group?.others).toHaveLength(endpoints - 1);
    for (const { endpointShare } of group?.others ?? []) expect(endpointShare).toBeCloseTo(1 / endpoints, 6);
    const rule = rulesOf(families).find(({ alike }) => alike !== undefined);
    expect(rule?.lines).toHaveLength(1);
    expect(rule?.text).toContain('{ 0 : 10.244.16.2 . 8080, … 19 more }');
  });

  it.each(['iptables', 'nftables'] as const)(
    'of %s: all of them are written out where they are asked for',
    async (mode) => {
      const families = await explained(mode, from, false);
      expect(alikeOf(families)).toEqual([]);
      const targets = rulesOf(families)
        .flatMap(({ text, lines }) => [text, ...lines.map((line) => line.text)])
        .join('\n');
      for (let index = 0; index < endpoints; index += 1)
        expect(targets).toMatch(
          new RegExp(`10\\.244\\.${String((index % 3) * 64 + 16)}\\.${String(Math.floor(index / 3) + 2)}[ :]`),
        );
    },
  );
});

it('shares are those of all endpoints, however few of them are walked as clients', async () => {
  const whole = rulesOf(await explained('iptables', 'report', false));
  const folded = rulesOf(await explained('iptables', 'report', true));
  const before = new Map(whole.map((rule) => [rule.text, rule]));
  expect(folded.length).toBeGreaterThan(10);
  for (const rule of folded) {
    const own = before.get(rule.text);
    expect(rule).toEqual({ ...own, ...(rule.alike === undefined ? {} : { alike: rule.alike }) });
  }
});

describe('chains of nftables with session affinity', () => {
  const count = 8;
  const name = (index: number): string =>
    `endpoint-HASH${String(index)}-default/web/tcp/__10.0.0.${String(index)}/8080`;
  const rules = (index: number, isMasqueraded = true): string[] => [
    ...(isMasqueraded ? [`ip saddr 10.0.0.${String(index)} jump mark-for-masquerade`] : []),
    `update @${name(index).replace('endpoint-', 'affinity-')} { ip saddr }`,
    `meta l4proto tcp counter packets ${String(index)} bytes 60 dnat to 10.0.0.${String(index)}:8080`,
  ];
  const choices = (unlikeIndex?: number): (Choice | undefined)[] => {
    const elements = Array.from({ length: count }, (_, index) => `${String(index)} : goto ${name(index)}`).join(', ');
    const choosing = parseNftRuleText(`numgen random mod ${String(count)} vmap { ${elements} }`, 'service-X', 'ip');
    return (nftChoices(choosing) ?? []).map((element) =>
      nftChoice(element, (chain) => {
        const index = Array.from({ length: count }, (_, each) => each).find((each) => name(each) === chain) ?? -1;
        return rules(index, index !== unlikeIndex).map((rule) => parseNftRuleText(rule, chain, 'ip'));
      }),
    );
  };

  it('are alike but for their endpoint, their set of clients and what they counted', () => {
    expect(choices()[3]).toMatchObject({ endpoint: { address: '10.0.0.3', port: 8080 }, packets: 3 });
    expect([...foldAlike(choices())]).toEqual([[0, [1, 2, 3, 4, 5, 6, 7]]]);
  });

  it('are unlike without the rule that masquerades', () => {
    expect([...foldAlike(choices(4))]).toEqual([[0, [1, 2, 3, 5, 6, 7]]]);
  });

  it('are all written out where there are few', () => {
    expect(foldAlike(choices().slice(0, 5)).size).toBe(0);
  });
});

describe('real servers of IPVS', () => {
  const address = (index: number): string => `10.244.7.${String(index + 1)}`;
  const desired: DesiredService = {
    ...ipvsService,
    endpointSlices: ipvsService.endpointSlices.map((slice) => ({
      ...slice,
      endpoints: Array.from({ length: 10 }, (_, index) => endpoint(address(index))),
    })),
  };
  const report: NodeReport = {
    node: 'node-a',
    complete: true,
    records: [
      {
        kind: 'start',
        version: 1,
        node: 'node-a',
        startedAt: '2026-11-24T10:00:00Z',
        kernel: '6.1',
        probeVersion: 'test',
        addresses: ['172.30.0.11'],
      },
      { kind: 'kubeProxy', proxyMode: 'ipvs', errors: [] },
      {
        kind: 'ipvs',
        service: 'kinds/web',
        family: 'IPv4',
        lines: [
          '-A -t 10.96.0.7:80 -s rr',
          ...Array.from(
            { length: 10 },
            (_, index) => `-a -t 10.96.0.7:80 -r ${address(index)}:8080 -m -w ${index === 4 ? '0' : '1'}`,
          ),
        ],
      },
      ...chains(),
    ],
  };

  it('are folded but for one of another weight', () => {
    const families = explainProgram(report, desired, { isFolded: true });
    expect(alikeOf(families).map(({ writtenOut, others }) => [writtenOut, others.length])).toEqual([
      ['10.244.7.1:8080', 8],
    ]);
    const server = chainsOf(families).find(({ table }) => table === 'ipvs');
    expect(server?.rules.map(({ text }) => text)).toEqual([
      expect.stringContaining('10.96.0.7:80'),
      '-> 10.244.7.1:8080 Masq 1',
      '-> 10.244.7.5:8080 Masq 0',
    ]);
    expect(alikeOf(explainProgram(report, desired))).toEqual([]);
  });

  function chains(): NodeReportRecord[] {
    const dump = readFileSync(new URL('../../fixtures/rulesets/ipvs/iptables-save.txt', import.meta.url), 'utf8');
    const lines = dump.split('*nat')[1]?.split('COMMIT')[0]?.split('\n') ?? [];
    const rules = lines.filter((line) => line.startsWith('-A '));
    return [...Map.groupBy(rules, (line) => line.split(' ')[1] ?? '')].map(([chain, own]) => ({
      kind: 'iptablesChain',
      service: 'kinds/web',
      backend: 'nf_tables',
      family: 'IPv4',
      table: 'nat',
      chain,
      scope: 'all',
      absent: false,
      lines: own,
    }));
  }
});
