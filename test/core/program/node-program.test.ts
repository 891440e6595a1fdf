/** The model of a node's program: the same facts in every mode, each with the rule that it comes from. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { parseBundle } from '../../../core/wire/bundle.ts';
import { explainProgram } from '../../../core/explain/explain-program.ts';
import { shareText } from '../../../cmd/tables/words.ts';
import { buildNodeProgram } from '../../../core/program/node-program.ts';
import { recordsOf, type NodeReport, type NodeReportRecord } from '../../../core/wire/node-report.ts';
import type { Fact, FrontendProgram, RuleReference } from '../../../core/program/program.ts';
import type { DesiredService } from '../../../core/api/service.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));

interface Recorded {
  readonly report: NodeReport;
  readonly desired: DesiredService;
}

/** One node of a recorded trace. */
function recorded(bundle: string, node: string): Recorded {
  const { answers, desired } = parseBundle(readFileSync(`${fixtures}${bundle}.svctrace`, 'utf8'));
  const answer = answers.find((each) => each.node === node);
  if (answer === undefined || !('report' in answer)) throw new Error(`${bundle} holds no answer of ${node}`);
  return { report: answer.report, desired };
}

function frontend({ report, desired }: Recorded, kind: FrontendProgram['frontend'], port?: number): FrontendProgram {
  const found = buildNodeProgram(report, desired).frontends.find(
    (each) => each.family === 'IPv4' && each.frontend === kind && (port === undefined || each.port === port),
  );
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

/** Everything that the kernel's tools printed of the node, to look a rule up in. */
function rulesText({ report }: Recorded): string {
  return report.records
    .map((record) => ('lines' in record ? record.lines.join('\n') : JSON.stringify(record)))
    .join('\n');
}

function referencesOf(value: unknown): RuleReference[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = 'table' in value && 'chain' in value && 'rule' in value ? [value as RuleReference] : [];
  return [...own, ...Object.values(value).flatMap(referencesOf)];
}

const nodes = ['node-a', 'node-b', 'node-c'];
const bundles = [
  'auth-service',
  'sticky',
  'node-port',
  'node-port-local',
  'internal-local',
  'external-ip',
  'many-ports',
  'nobody-home',
  'only-ipv6',
];

describe.each(bundles.flatMap((bundle) => nodes.map((node) => [bundle, node] as const)))('%s on %s', (bundle, node) => {
  const each = recorded(bundle, node);
  const program = buildNodeProgram(each.report, each.desired);

  it('has an entry for each frontend, and a rule for each target, refusal and masquerade', () => {
    expect(program.frontends.length).toBeGreaterThan(0);
    for (const { verdict, entry, refusedBy, dnatTargets, masquerade } of program.frontends) {
      expect(entry).toBeDefined();
      expect(refusedBy !== undefined).toBe(verdict === 'REJECT' || verdict === 'DROP');
      for (const { by } of dnatTargets) expect(by).toBeDefined();
      if (masquerade !== undefined)
        for (const { value, by } of Object.values(masquerade)) expect(by !== undefined).toBe(value);
    }
  });

  it('names rules that the node has', () => {
    const rules = rulesText(each);
    const references = program.frontends.flatMap(referencesOf);
    expect(references.length).toBeGreaterThan(0);
    for (const { rule, chain } of references) {
      // Rules of nftables were recorded as JSON: their chain is there, and the rule's text is the model's.
      if (program.proxyMode === 'iptables')
        expect(rules.replace(/ -c \d+ \d+/g, '').replaceAll(/^\[\d+:\d+\] /gm, '')).toContain(rule);
      else expect(rules).toContain(chain.replace(/^(map|set) /, ''));
    }
  });
});

describe.each(nodes)('facts of %s', (node) => {
  const value = <Value>(fact: Fact<Value> | undefined): Value | undefined => fact?.value;

  it('session affinity, for as long as the rules say', () => {
    const { sessionAffinity } = frontend(recorded('sticky', node), 'ClusterIP');
    expect(sessionAffinity).toBeDefined();
    // These reports of the nftables mode are older than the time-outs in them, and have the rules alone.
    expect(value(sessionAffinity)).toBe(node === 'node-b' ? undefined : 300);
    expect(frontend(recorded('auth-service', node), 'ClusterIP').sessionAffinity).toBeUndefined();
  });

  it('traffic policies', () => {
    expect(value(frontend(recorded('internal-local', node), 'ClusterIP').trafficPolicy)).toBe('Local');
    expect(value(frontend(recorded('node-port-local', node), 'ClusterIP').trafficPolicy)).toBe('Cluster');
    expect(value(frontend(recorded('node-port-local', node), 'NodePort').trafficPolicy)).toBe('Local');
    expect(value(frontend(recorded('node-port', node), 'NodePort').trafficPolicy)).toBe('Cluster');
    expect(value(frontend(recorded('external-ip', node), 'ExternalIP').trafficPolicy)).toBe('Cluster');
  });

  it('who is masqueraded', () => {
    const { masquerade } = frontend(recorded('node-port', node), 'NodePort');
    expect([masquerade?.outside.value, masquerade?.node.value]).toEqual([true, true]);
    // Only one node has endpoints of its own; there, externalTrafficPolicy Local keeps the client's address.
    const local = frontend(recorded('node-port-local', node), 'NodePort');
    if (local.verdict === 'DNAT')
      expect([local.masquerade?.outside.value, local.masquerade?.node.value]).toEqual([false, true]);
    else expect(local.verdict).toBe('DROP');
  });

  it('the way of an endpoint of this node back to itself', () => {
    const here = recorded('auth-service', node);
    const own = here.desired.endpointSlices
      .flatMap(({ endpoints }) => endpoints)
      .filter(({ nodeName }) => nodeName === node)
      .flatMap(({ addresses }) => addresses);
    const { dnatTargets } = frontend(here, 'ClusterIP');
    expect(dnatTargets.filter(({ hairpin }) => hairpin?.value === true).map(({ address }) => address)).toEqual(
      dnatTargets.map(({ address }) => address).filter((address) => own.includes(address)),
    );
    expect(
      dnatTargets.filter(({ address }) => !own.includes(address)).every(({ hairpin }) => hairpin === undefined),
    ).toBe(true);
  });
});

describe('a changed node', () => {
  const without = (each: Recorded, kind: NodeReportRecord['kind'], line: RegExp): Recorded => ({
    ...each,
    report: {
      ...each.report,
      records: each.report.records.map((record) =>
        record.kind === kind && 'lines' in record
          ? { ...record, lines: record.lines.filter((text) => !line.test(text)) }
          : record,
      ),
    },
  });

  it('without the rule that marks an endpoint for its own packets does not lead it back', () => {
    const each = recorded('auth-service', 'node-a');
    const own =
      each.desired.endpointSlices
        .flatMap(({ endpoints }) => endpoints)
        .find(({ nodeName, addresses }) => nodeName === 'node-a' && addresses[0]?.includes('.') === true)
        ?.addresses[0] ?? '';
    const changed = without(each, 'iptablesChain', new RegExp(`-s ${own}/32 .*KUBE-MARK-MASQ`));
    expect(frontend(changed, 'ClusterIP').dnatTargets.find(({ address }) => address === own)?.hairpin).toEqual({
      value: false,
    });
  });

  it('without its dispatch rule has no entry and no target', () => {
    const changed = without(recorded('auth-service', 'node-a'), 'iptablesChain', /-A KUBE-SERVICES /);
    expect(frontend(changed, 'ClusterIP')).toMatchObject({ verdict: 'None', dnatTargets: [] });
    expect(frontend(changed, 'ClusterIP').entry).toBeUndefined();
  });

  it('without its chains for masquerading masquerades nobody', () => {
    const changed = without(recorded('node-port', 'node-a'), 'iptablesChain', /-A KUBE-MARK-MASQ /);
    expect(frontend(changed, 'NodePort').masquerade).toEqual({ outside: { value: false }, node: { value: false } });
  });
});

/** The chains of iptables dumps as records, each whole. */
function chainRecords(service: string, backend: 'nf_tables' | 'legacy', lines: readonly string[]): NodeReportRecord[] {
  const chains = new Map<string, string[]>();
  let table = '';
  for (const line of lines) {
    if (line.startsWith('*')) table = line.slice(1);
    const declared = /^:(\S+)/.exec(line)?.[1];
    const chain = declared ?? /^(?:\[\d+:\d+\] )?-A (\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
    const rules = chains.get(`${table} ${chain}`) ?? [];
    chains.set(`${table} ${chain}`, rules);
    if (declared === undefined) rules.push(line);
  }
  return [...chains].map(([key, rules]) => {
    const [tableName = '', chain = ''] = key.split(' ');
    return {
      kind: 'iptablesChain',
      service,
      backend,
      family: 'IPv4',
      table: tableName,
      chain,
      scope: 'all',
      absent: false,
      lines: rules,
    };
  });
}

const listingSchema = z.object({
  nftables: z.array(
    z.record(
      z.string(),
      z.looseObject({
        family: z.string().optional(),
        table: z.string().optional(),
        name: z.string().optional(),
        chain: z.string().optional(),
        elem: z.array(z.unknown()).optional(),
      }),
    ),
  ),
});

/** kube-proxy's table of nft -j list ruleset as records. */
function nftRecords(service: string, json: string): NodeReportRecord[] {
  const chains = new Map<string, { [key: string]: unknown }[]>();
  const records: NodeReportRecord[] = [];
  for (const object of listingSchema.parse(JSON.parse(json)).nftables) {
    const body = object['chain'] ?? object['rule'] ?? object['map'] ?? object['set'];
    if (body?.family !== 'ip' || body.table !== 'kube-proxy') continue;
    if (object['map'] !== undefined || object['set'] !== undefined)
      records.push({
        kind: 'nftElements',
        service,
        family: 'IPv4',
        table: 'kube-proxy',
        name: body.name ?? '',
        elements: body.elem ?? [],
      });
    else {
      const name = body.chain ?? body.name ?? '';
      chains.set(name, [...(chains.get(name) ?? []), object]);
    }
  }
  return [
    ...records,
    ...[...chains].map(([chain, objects]): NodeReportRecord => ({
      kind: 'nftChain',
      service,
      family: 'IPv4',
      table: 'kube-proxy',
      chain,
      scope: 'all',
      absent: false,
      objects,
    })),
  ];
}

/** A node that holds these records, and a Service without EndpointSlices. */
function nodeOf(
  name: string,
  mode: 'iptables' | 'nftables' | 'ipvs',
  address: string,
  rules: readonly NodeReportRecord[],
  service: Pick<DesiredService['service'], 'clusterIPs' | 'ports'> & Partial<DesiredService['service']>,
): Recorded {
  const records: NodeReportRecord[] = [
    {
      kind: 'start',
      version: 1,
      node: 'node-a',
      startedAt: '2026-11-25T10:00:00Z',
      kernel: '6.12',
      probeVersion: 'test',
      addresses: [address],
    },
    { kind: 'kubeProxy', proxyMode: mode, errors: [] },
    ...rules,
  ];
  return {
    report: { node: 'node-a', records, complete: true },
    desired: {
      namespace: 'kinds',
      name,
      service: { type: 'ClusterIP', externalIPs: [], loadBalancerIPs: [], ...service },
      endpointSlices: [],
    },
  };
}

describe.each(['iptables-nft.txt', 'iptables-legacy.txt', 'nftables.json'])('source ranges of %s', (file) => {
  const text = readFileSync(`${fixtures}rulesets/${file}`, 'utf8');
  const id = 'kinds/load-balancer';
  const [mode, rules] = file.startsWith('nftables')
    ? (['nftables', nftRecords(id, text)] as const)
    : (['iptables', chainRecords(id, file.includes('legacy') ? 'legacy' : 'nf_tables', text.split('\n'))] as const);
  const each = nodeOf('load-balancer', mode, '172.30.0.11', rules, {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.178.104'],
    loadBalancerIPs: ['203.0.113.10'],
    ports: [{ protocol: 'TCP', port: 443, nodePort: 30443 }],
  });

  it('are a fact of the load balancer IP alone, whose targets are those of a client within them', () => {
    const guarded = frontend(each, 'LoadBalancerIP');
    expect([...(guarded.sourceRanges?.value ?? [])].sort()).toEqual(
      expect.arrayContaining(['172.30.0.0/24', '192.0.2.0/24']),
    );
    expect(guarded.verdict).toBe('DNAT');
    expect(guarded.dnatTargets).toHaveLength(3);
    expect(guarded.refusedBy).toBeUndefined();
    for (const kind of ['ClusterIP', 'NodePort'] as const) expect(frontend(each, kind).sourceRanges).toBeUndefined();
  });

  it('without any of them is shut', () => {
    const closed: Recorded = {
      ...each,
      report: {
        ...each.report,
        records: each.report.records.map((record) => {
          if (record.kind === 'iptablesChain' && record.chain.startsWith('KUBE-FW-')) return { ...record, lines: [] };
          return record.kind === 'nftChain' && record.chain.startsWith('firewall-') && record.chain !== 'firewall-check'
            ? {
                ...record,
                objects: record.objects.map((object) =>
                  'rule' in object ? { rule: { chain: record.chain, expr: [{ drop: null }] } } : object,
                ),
              }
            : record;
        }),
      },
    };
    expect(frontend(closed, 'LoadBalancerIP')).toMatchObject({ verdict: 'DROP', dnatTargets: [] });
    expect(frontend(closed, 'LoadBalancerIP').refusedBy).toBeDefined();
  });
});

/** What a probe reads of a node in IPVS mode, from the dumps of test/fixtures/rulesets/ipvs. */
function ipvsNode(name: string, service: Parameters<typeof nodeOf>[4], scheduler = 'rr'): Recorded {
  const dump = (file: string): string[] => readFileSync(`${fixtures}rulesets/ipvs/${file}`, 'utf8').trim().split('\n');
  const id = `kinds/${name}`;
  const sets = Map.groupBy(dump('ipset-save.txt'), (line) => line.split(' ')[1] ?? '');
  return nodeOf(
    name,
    'ipvs',
    '172.30.0.11',
    [
      {
        kind: 'ipvs',
        service: id,
        family: 'IPv4',
        lines: dump('ipvsadm-Sn.txt').map((line) => line.replace(' -s rr', ` -s ${scheduler}`)),
      },
      ...[...sets].map(([set, lines]): NodeReportRecord => ({
        kind: 'ipSet',
        service: id,
        family: 'IPv4',
        name: set,
        lines,
      })),
      ...chainRecords(id, 'nf_tables', dump('iptables-save.txt')),
    ],
    service,
  );
}

describe('the IPVS mode', () => {
  it('has weights, entries and the path back of local endpoints', () => {
    const each = ipvsNode('web', {
      clusterIPs: ['10.96.0.7'],
      ports: [{ protocol: 'TCP', port: 80, nodePort: 30080 }],
    });
    const { entry, verdict, dnatTargets, masquerade } = frontend(each, 'ClusterIP');
    expect(verdict).toBe('DNAT');
    expect(entry).toEqual({ table: 'ipvs', chain: 'TCP 10.96.0.7:80', rule: 'TCP 10.96.0.7:80 rr' });
    expect(
      dnatTargets.map(({ address, weight, probability, hairpin }) => [address, weight, probability, hairpin?.value]),
    ).toEqual([
      ['10.244.1.2', 1, 0.5, true],
      ['10.244.2.2', 1, 0.5, false],
    ]);
    expect(dnatTargets[0]?.by).toEqual({ table: 'ipvs', chain: 'TCP 10.96.0.7:80', rule: '-> 10.244.1.2:8080 Masq 1' });
    expect([masquerade?.outside.value, masquerade?.node.value]).toEqual([true, true]);
    expect(frontend(each, 'NodePort').trafficPolicy).toEqual({
      value: 'Cluster',
      by: { table: 'ipset', chain: 'KUBE-NODE-PORT-TCP', rule: '30080' },
    });
    expect(
      buildNodeProgram(each.report, each.desired)
        .chains.find(({ name }) => name === 'TCP 10.96.0.7:80')
        ?.rules.map(({ text }) => text),
    ).toEqual(['-> 10.244.1.2:8080 Masq 1', '-> 10.244.2.2:8080 Masq 1', '-> 10.244.3.2:8080 Masq 0']);
  });

  it.each([
    ['sh', 'ClientHash', 'by hash of the client'],
    ['wlc', 'LeastConnections', 'by least connections'],
  ])('has no shares under %s, and says what decides', (scheduler, chosenBy, text) => {
    const service = { clusterIPs: ['10.96.0.8'], ports: [{ protocol: 'TCP', port: 80 } as const] };
    const each = ipvsNode('sticky', service, scheduler);
    const { verdict, dnatTargets } = frontend(each, 'ClusterIP');
    expect(verdict).toBe('DNAT');
    expect(dnatTargets.map((target) => [target.address, target.probability, target.chosenBy])).toEqual([
      ['10.244.1.2', undefined, chosenBy],
      ['10.244.2.2', undefined, chosenBy],
    ]);
    expect(buildNodeProgram(each.report, each.desired).unrecognized).toEqual([]);
    expect(dnatTargets.map(shareText)).toEqual([text, text]);
  });

  it('has session affinity, refusals, policies and source ranges', () => {
    expect(
      frontend(ipvsNode('sticky', { clusterIPs: ['10.96.0.8'], ports: [{ protocol: 'TCP', port: 80 }] }), 'ClusterIP')
        .sessionAffinity,
    ).toMatchObject({ value: 10800 });
    expect(
      frontend(ipvsNode('nobody', { clusterIPs: ['10.96.0.9'], ports: [{ protocol: 'TCP', port: 80 }] }), 'ClusterIP'),
    ).toMatchObject({ verdict: 'REJECT', refusedBy: { rule: 'TCP 10.96.0.9:80 rr' } });
    expect(
      frontend(
        ipvsNode('local', { clusterIPs: ['10.96.0.12'], ports: [{ protocol: 'TCP', port: 80, nodePort: 30081 }] }),
        'NodePort',
      ),
    ).toMatchObject({ verdict: 'DNAT', trafficPolicy: { value: 'Local' }, masquerade: { outside: { value: false } } });
    const guarded = frontend(
      ipvsNode('guarded', {
        clusterIPs: ['10.96.0.11'],
        loadBalancerIPs: ['203.0.113.10'],
        ports: [{ protocol: 'TCP', port: 443 }],
      }),
      'LoadBalancerIP',
    );
    expect(guarded).toMatchObject({
      verdict: 'DNAT',
      sourceRanges: { value: ['192.0.2.0/24'] },
      trafficPolicy: { value: 'Cluster' },
    });
  });

  it('is explained from the sets to the virtual server and its real servers', () => {
    const { report, desired } = ipvsNode('web', {
      clusterIPs: ['10.96.0.7'],
      ports: [{ protocol: 'TCP', port: 80, nodePort: 30080 }],
    });
    const [family] = explainProgram(report, desired);
    const rules = (family?.stages ?? []).flatMap(({ chains }) =>
      chains.flatMap((chain) => chain.rules.map((rule) => ({ ...rule, table: chain.table }))),
    );
    expect(family?.stages.map(({ title }) => title.split(':')[0])).toEqual([
      'Before routing',
      'After routing',
      'IPVS',
      'As packets leave',
    ]);
    expect(rules.filter(({ unknown, sentence }) => unknown.length > 0 || sentence.includes('undefined'))).toEqual([]);
    expect(rules.map(({ sentence }) => sentence)).toContain(
      'TCP connections to 10.96.0.7 port 80 are taken by IPVS, and get one of its 3 real servers as their destination: rr, in turn.',
    );
    expect(rules.find(({ text }) => text === '-> 10.244.1.2:8080 Masq 1')).toMatchObject({
      sentence: '50.0 %: to 10.244.1.2:8080, by rewriting the destination (DNAT), weight 1.',
      shares: { outside: 0.5 },
    });
    expect(
      rules.find(({ text }) => text.includes('! -s 10.244.0.0/16') && text.includes('KUBE-CLUSTER-IP'))?.sentence,
    ).toBe(
      'Connections from outside of 10.244.0.0/16 whose destination address and destination port are in set KUBE-CLUSTER-IP (cluster IPs) go to chain KUBE-MARK-MASQ, which marks them for masquerading.',
    );
  });

  it('says what it cannot know', () => {
    const each = ipvsNode('web', { clusterIPs: ['10.96.0.7'], ports: [{ protocol: 'TCP', port: 80 }] });
    const blind = {
      ...each,
      report: {
        ...each.report,
        records: each.report.records.filter(({ kind }) => kind !== 'ipvs' && kind !== 'iptablesChain'),
      },
    };
    expect(frontend(blind, 'ClusterIP').verdict).toBe('Unknown');
    expect(recordsOf(blind.report, 'ipSet').length).toBeGreaterThan(0);
  });
});
