/** The objects of `nft -j list table`, and the table names of `nft list flowtables`. */
import { expect, it } from 'vitest';
import { NftTableListing, splitObjects } from '../../../probe/rules/nft-table.ts';
import { parseTableHeading } from '../../../probe/rules/read-tables.ts';

const objects = [
  { metainfo: { version: '1.0.6' } },
  {
    set: {
      family: 'ip',
      name: 'cluster-ips',
      table: 'kube-proxy',
      type: 'ipv4_addr',
      handle: 2,
      comment: 'a "quoted" } brace {',
      elem: ['10.96.0.7'],
    },
  },
  { map: { family: 'ip', name: 'firewall-ips', table: 'kube-proxy', type: 'ipv4_addr', map: 'verdict', handle: 3 } },
  { chain: { family: 'ip', table: 'kube-proxy', name: 'services', handle: 20 } },
  { chain: { family: 'ip', table: 'kube-proxy', name: 'reject-chain', handle: 21 } },
  {
    rule: {
      family: 'ip',
      table: 'kube-proxy',
      chain: 'services',
      handle: 30,
      comment: 'ends with \\',
      expr: [{ goto: { target: 'reject-chain' } }],
    },
  },
  { set: { family: 'ip', name: 'affinity-a', table: 'kube-proxy', type: 'ipv4_addr', handle: 40, timeout: 300 } },
];
const text = JSON.stringify({ nftables: objects });

it('cuts the listing into its objects, whatever stands in strings', () => {
  expect([...splitObjects(text)].map((object) => JSON.parse(object) as unknown)).toEqual(objects);
});

it.each([text, text.replaceAll('":', '": ').replaceAll(',"', ', "')])(
  'finds sets by name, rules by their chain, and the chains that they lead to',
  async (listing) => {
    const table = new NftTableListing(listing);
    const keys = ['cluster-ips', 'firewall-ips', 'service-ips'].map((name) => ({ name, key: ['10.96.0.7'] }));
    expect([...(await table.elements(keys))]).toEqual([
      ['cluster-ips', ['10.96.0.7']],
      ['firewall-ips', []],
      ['service-ips', []],
    ]);
    expect([...(await table.chains(['services', 'nat-output']))]).toEqual([
      ['services', [objects[3], objects[5]]],
      ['nat-output', undefined],
      ['reject-chain', [objects[4]]],
    ]);
    expect([...(await table.timeouts(['cluster-ips', 'affinity-a', 'affinity-b']))]).toEqual([['affinity-a', 300]]);
  },
);

it.each([
  ['table ip kube-proxy {', { family: 'ip', name: 'kube-proxy' }],
  ['table inet "a b" {', { family: 'inet', name: 'a b' }],
  ['\tflowtable table {', undefined],
  ['}', undefined],
])('reads the heading of a table: %s', (line, expected) => {
  expect(parseTableHeading(line)).toEqual(expected);
});
