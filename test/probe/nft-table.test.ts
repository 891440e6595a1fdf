/** The objects of `nft -j list table`, and the table names of `nft list flowtables`. */
import { expect, it } from 'vitest';
import { NftTableListing, splitObjects } from '../../probe/nft-table.ts';
import { parseTableHeading } from '../../probe/read-tables.ts';

const objects = [
  { metainfo: { version: '1.0.6' } },
  { set: { family: 'ip', name: 'cluster-ips', table: 'kube-proxy', type: 'ipv4_addr', handle: 2, comment: 'a "quoted" } brace {', elem: ['10.96.0.7'] } },
  { map: { family: 'ip', name: 'firewall-ips', table: 'kube-proxy', type: 'ipv4_addr', map: 'verdict', handle: 3 } },
  { chain: { family: 'ip', table: 'kube-proxy', name: 'services', handle: 20 } },
  { chain: { family: 'ip', table: 'kube-proxy', name: 'reject-chain', handle: 21 } },
  { rule: { family: 'ip', table: 'kube-proxy', chain: 'services', handle: 30, comment: 'ends with \\', expr: [{ goto: { target: 'x' } }] } },
];
const text = JSON.stringify({ nftables: objects });

it('cuts the listing into its objects, whatever stands in strings', () => {
  expect([...splitObjects(text)].map((object) => JSON.parse(object) as unknown)).toEqual(objects);
});

it.each([text, text.replaceAll('":', '": ').replaceAll(',"', ', "')])('finds sets by name, and rules by their chain', (listing) => {
  const table = new NftTableListing(listing);
  expect(table.elements('cluster-ips')).toEqual(['10.96.0.7']);
  expect(table.elements('firewall-ips')).toEqual([]);
  expect(table.elements('service-ips')).toBeUndefined();
  expect(table.chain('services')).toEqual([objects[3], objects[5]]);
  expect(table.chain('reject-chain')).toEqual([objects[4]]);
  expect(table.chain('nat-output')).toBeUndefined();
});

it.each([
  ['table ip kube-proxy {', { family: 'ip', name: 'kube-proxy' }],
  ['table inet "a b" {', { family: 'inet', name: 'a b' }],
  ['\tflowtable table {', undefined],
  ['}', undefined],
])('reads the heading of a table: %s', (line, expected) => {
  expect(parseTableHeading(line)).toEqual(expected);
});
