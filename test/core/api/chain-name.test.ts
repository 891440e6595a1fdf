/** Names of chains in a status: what is printed is read back. */
import { expect, it } from 'vitest';
import { ipvsChainName, ipvsTable, mapChainName, readChainName } from '../../../core/api/chain-name.ts';

it.each([
  ['nat', 'KUBE-SVC-ABC', { kind: 'chain', name: 'KUBE-SVC-ABC' }],
  ['kube-proxy', 'map-of-somebody', { kind: 'chain', name: 'map-of-somebody' }],
  ['kube-proxy', mapChainName('service-ips'), { kind: 'map', name: 'service-ips' }],
  [
    ipvsTable,
    ipvsChainName({ protocol: 'TCP', address: '10.96.0.7', port: 80 }),
    { kind: 'virtualServer', protocol: 'TCP', address: '10.96.0.7', port: 80 },
  ],
  [
    ipvsTable,
    ipvsChainName({ protocol: 'UDP', address: 'fd00::7', port: 53 }),
    { kind: 'virtualServer', protocol: 'UDP', address: 'fd00::7', port: 53 },
  ],
  [ipvsTable, ipvsChainName({ firewallMark: 5 }), { kind: 'firewallMark', mark: 5 }],
] as const)('%s %s', (table, name, expected) => {
  expect(readChainName({ table, name })).toEqual(expected);
});

it('is what older versions wrote', () => {
  expect([mapChainName('service-ips'), ipvsChainName({ protocol: 'TCP', address: 'fd00::7', port: 80 })]).toEqual([
    'map service-ips',
    'TCP [fd00::7]:80',
  ]);
});
