import { expect, it } from 'vitest';
import { clusterFactsSchema } from '../../../core/api/cluster-facts.ts';

it.each([
  ['services and pods of all namespaces', 'addressHolders'],
  ['pods of namespace shop', 'pods'],
  ['endpoints/auth-service', 'endpoints'],
  ['networkpolicies of namespace shop', 'networkPolicies'],
  ['service/kube-dns of namespace kube-system', 'clusterDns'],
  ['pods of kube-proxy in namespace kube-system', 'kubeProxyPods'],
  ['kube-proxy', 'kubeProxyPods'],
  ['configmap/kube-proxy of namespace kube-system', 'kubeProxyConfig'],
  ['leases', 'other'],
])('knows of a record of an older version, %s, which part was not read', (what, part) => {
  expect(clusterFactsSchema.parse({ unread: [{ what, reason: 'r' }] }).unread).toEqual([{ part, what, reason: 'r' }]);
});

it('takes the part that a record names, whatever its words are', () => {
  const named = { part: 'networkPolicies', what: 'pods of kube-proxy', reason: 'r' };
  expect(clusterFactsSchema.parse({ unread: [named] }).unread).toEqual([named]);
});
