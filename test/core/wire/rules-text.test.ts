import { expect, it } from 'vitest';
import type { NodeReportRecord, RecordOf } from '../../../core/wire/node-report.ts';
import { rulesText } from '../../../core/wire/rules-text.ts';

const service = 'default/auth-service';
const chain = (...lines: string[]): RecordOf<'iptablesChain'> => ({
  kind: 'iptablesChain',
  service,
  backend: 'nf_tables',
  family: 'IPv4',
  table: 'nat',
  chain: 'KUBE-SVC-A',
  scope: 'all',
  absent: false,
  lines,
});
const nft = (packets: number, handle: number, target = 'endpoint-a'): NodeReportRecord => ({
  kind: 'nftChain',
  service,
  family: 'IPv4',
  table: 'kube-proxy',
  chain: 'service-a',
  scope: 'all',
  absent: false,
  objects: [{ rule: { handle, expr: [{ counter: { packets, bytes: packets * 60 } }, { goto: { target } }] } }],
});
const ipvs = (...lines: string[]): NodeReportRecord => ({ kind: 'ipvs', service, family: 'IPv4', lines });

it('is equal for equal rules, whatever was counted, in whatever order they were read', () => {
  const [first, second] = [chain('-A KUBE-SVC-A -c 1 60 -j KUBE-SEP-A'), chain('[3:180] -A KUBE-SVC-A -j KUBE-SEP-A')];
  expect(rulesText([first, nft(1, 7)])).toBe(rulesText([nft(20, 9), chain('-A KUBE-SVC-A -c 22 900 -j KUBE-SEP-A')]));
  expect(rulesText([first])).toBe(rulesText([second]));
  expect(rulesText([first])).not.toBe(rulesText([chain('-A KUBE-SVC-A -c 1 60 -j KUBE-SEP-B')]));
  expect(rulesText([nft(1, 7)])).not.toBe(rulesText([nft(1, 7, 'endpoint-b')]));
  expect(rulesText([first])).not.toBe(rulesText([{ ...first, absent: true, lines: [] }]));
});

it('has of IPVS the servers with their weight, without their connections', () => {
  const listed = ['TCP  10.96.0.7:80 rr', '  -> 10.244.1.4:8080            Masq    1      3          12'];
  const counted = ['TCP  10.96.0.7:80                       5       30       24     1930     1608'];
  const target = ['  -> 10.244.1.4:8080                      5       30       24     1930     1608'];
  expect(rulesText([ipvs(...listed, ...counted, ...target)])).toBe(
    rulesText([ipvs('TCP  10.96.0.7:80 rr', '  -> 10.244.1.4:8080            Masq    1      0          0')]),
  );
  expect(rulesText([ipvs(...listed)])).not.toBe(
    rulesText([ipvs('TCP  10.96.0.7:80 rr', '  -> 10.244.1.4:8080            Masq    0      3          12')]),
  );
});
