/** A node in IPVS mode (test/fixtures/rulesets/ipvs): healthy, and with single changes of its virtual servers. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { NodeReport, NodeReportRecord } from '../../../core/wire/node-report.ts';
import { parseDump } from '../../support/dumped-node.ts';
import { ipvsCases, ipvsService, type IpvsCase } from '../../support/ipvs-cases.ts';
import { findingsOf } from '../../support/recorded-proxy.ts';

const folder = fileURLToPath(new URL('../../fixtures/rulesets/ipvs/', import.meta.url));
const lines = (file: string): string[] =>
  readFileSync(folder + file, 'utf8')
    .trim()
    .split('\n');

/** Without the virtual servers of other Services, of which a probe does not ask. */
function report({ change, records = [], kernel = '6.12' }: IpvsCase): NodeReport {
  const service = 'kinds/web';
  const family = 'IPv4';
  const servers = lines('ipvsadm-Sn.txt').filter((line) => line.includes(' 10.96.0.7:80 '));
  const sets = Map.groupBy(lines('ipset-save.txt'), (line) => line.split(' ')[1] ?? '');
  const chains = [...parseDump(lines('iptables-save.txt').join('\n'))].flatMap(([table, each]) =>
    [...each].map(([chain, { lines: rules }]): NodeReportRecord => ({
      kind: 'iptablesChain',
      service,
      backend: 'nf_tables',
      family,
      table,
      chain,
      scope: 'all',
      absent: false,
      lines: rules,
    })),
  );
  return {
    node: 'node-a',
    complete: true,
    records: [
      {
        kind: 'start',
        version: 1,
        node: 'node-a',
        startedAt: '2026-11-24T10:00:00Z',
        kernel,
        probeVersion: 'test',
        addresses: ['172.30.0.11'],
      },
      { kind: 'kubeProxy', proxyMode: 'ipvs', errors: [] },
      { kind: 'ipvs', service, family, lines: change(servers) },
      ...[...sets].map(([name, each]): NodeReportRecord => ({ kind: 'ipSet', service, family, name, lines: each })),
      ...chains,
      ...records,
    ],
  };
}

describe('a node in IPVS mode', () => {
  it.each(['sh', 'dh', 'lc', 'wlc', 'lblc'])(
    'whose scheduler is %s has no fault by shares that no rule says',
    (scheduler) => {
      // One that drains keeps its places in a hash, and whom it would get is refused: the finding reports that.
      const scheduled =
        (name: string) =>
        (servers: readonly string[]): string[] =>
          servers.map((line) => line.replace(/^(-A .*) -s rr\b/, `$1 -s ${name}`).replace(/ -w 0$/, ' -w 1'));
      expect(scheduled(scheduler)(lines('ipvsadm-Sn.txt')).join('\n')).toContain(` -s ${scheduler}\n`);
      const [before, after] = ['rr', scheduler].map((name) =>
        findingsOf(ipvsService, [report({ name, ids: [], change: scheduled(name) })]).map(({ id }) => id),
      );
      expect(after).toEqual(before);
    },
  );

  it.each(ipvsCases)('$name gives $ids', (each) => {
    const { desired: other = ipvsService, ids } = each;
    const findings = findingsOf(other, [report(each)]).filter(({ id }) => /^(?:RULE|IPVS|DATA|SVC-AFFINITY)-/.test(id));
    expect(
      findings.map(({ id }) => id),
      JSON.stringify(findings, undefined, 1),
    ).toEqual(ids);
  });
});
