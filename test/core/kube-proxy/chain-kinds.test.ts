import { expect, it } from 'vitest';
import { chainKind, iptablesChainKind, nftChainKind } from '../../../core/kube-proxy/chain-kinds.ts';
import {
  allChains,
  iptablesChainNames,
  iptablesEndpointChainName,
  nftablesChainNames,
} from '../../../core/kube-proxy/chain-names.ts';

const port = { namespace: 'default', name: 'auth-service', portName: 'http', protocol: 'TCP' } as const;
const kinds = ['cluster', 'local', 'external', 'firewall'];

it('knows what the chains of a Service are for by the names that kube-proxy computes', () => {
  expect(allChains(iptablesChainNames(port)).map(iptablesChainKind)).toStrictEqual(kinds);
  expect(allChains(nftablesChainNames(port)).map(nftChainKind)).toStrictEqual(kinds);
  expect([...allChains(iptablesChainNames(port)), ...allChains(nftablesChainNames(port))].map(chainKind)).toStrictEqual(
    [...kinds, ...kinds],
  );
});

it('knows the chains of one endpoint, and those of external traffic of old versions', () => {
  expect(chainKind(iptablesEndpointChainName(port, '10.0.0.1:80'))).toBe('endpoint');
  expect(chainKind('endpoint-AT5VFHDL-default/auth-service/tcp/http__10.0.0.1/80')).toBe('endpoint');
  expect(chainKind('KUBE-XLB-Q6PIRJ5Y3KNKMFJG')).toBe('external');
});

it.each([
  'service-endpoints-check',
  'external-endpoints-check',
  'firewall-check',
  'firewall-allow-check',
  'services',
  'KUBE-SERVICES',
  'KUBE-FIREWALL',
  'KUBE-EXTERNAL-SERVICES',
  'local-traffic',
  'DOCKER',
])('has no kind for %s, which is not the chain of one Service', (name) => {
  expect(chainKind(name)).toBeUndefined();
});
