import { expect, it } from 'vitest';
import { probeRequestSchema } from '../../../core/wire/probe-request.ts';

const service = {
  namespace: 'default',
  name: 'auth-service',
  clusterIPs: ['10.96.0.7', 'fd00::7'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
};
const request = (change: object): unknown => ({
  version: 1,
  node: 'node-a',
  services: [{ ...service, ...change }],
  collect: { rules: true, conntrack: 'None', kubeProxy: false },
  maxConntrackEntries: 0,
});

it('admits what the API server admits', () => {
  expect(probeRequestSchema.safeParse(request({})).success).toBe(true);
});

// nft reads a language from its arguments: none of these may get there.
it.each([
  { clusterIPs: ['10.0.0.1 } ; flush ruleset ; {'] },
  { clusterIPs: ['fe80::1%eth0;flush'] },
  { externalIPs: ['None'] },
  { loadBalancerIPs: ['10.0.0.0/8'] },
  { name: 'a b' },
  { name: 'a;flush ruleset' },
  { namespace: '-x' },
  { ports: [{ name: 'x y', protocol: 'TCP', port: 80 }] },
  { ports: [{ protocol: 'TCP', port: 70000 }] },
])('refuses %j', (change) => {
  expect(probeRequestSchema.safeParse(request(change)).success).toBe(false);
});
