/** Whose an external address is: what a tenant writes into externalIPs proves nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedFrontends } from '../../../core/api/frontends.ts';
import {
  classifyExternalAddresses,
  externalAddressesOf,
  isAddressChecked,
  maxExternalAddresses,
  ownExternalAddresses,
  uncheckedAddresses,
  type AddressHolder,
  type OtherAddresses,
} from '../../../core/api/external-addresses.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { desiredService } from '../../support/node-facts.ts';

const victim: AddressHolder = {
  namespace: 'victim',
  name: 'secret',
  clusterIPs: ['10.96.0.50', 'fd00:96::50'],
  external: ['203.0.113.9'],
  ports: [
    { protocol: 'TCP', port: 80, nodePort: 30050 },
    { protocol: 'UDP', port: 53 },
  ],
};
const others: OtherAddresses = {
  services: [victim],
  nodes: ['172.30.0.11', 'fd00:172::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
  pods: ['10.9.8.7'],
};

function usesOf(extra: Partial<DesiredService['service']>, known: Partial<OtherAddresses> = {}): string[] {
  return classifyExternalAddresses(desiredService([], extra), { ...others, ...known }).map(
    ({ address, use }) => `${address} ${use}`,
  );
}

const taken = [
  '10.96.0.50',
  'fd00:96::50',
  'fd00:0096:0:0::0050',
  '203.0.113.9',
  '172.30.0.11',
  'fd00:172::11',
  '10.244.1.200',
  'fd00:10:244:1::5',
  '10.9.8.7',
];

describe('an external IP', () => {
  it.each(taken)("that is somebody else's is taken, however it is written: %s", (address) => {
    expect(usesOf({ externalIPs: [address] })).toEqual([expect.stringMatching(/ Taken$/)]);
  });

  it("is the Service's own where nobody has it, or it is its own cluster IP", () => {
    expect(usesOf({ externalIPs: ['198.51.100.7', '10.96.0.7'] })).toEqual(['198.51.100.7 Own', '10.96.0.7 Own']);
  });

  it('is shared with who has it on other ports, and taken where any port and protocol is the same', () => {
    const ports = [{ name: 'other', protocol: 'TCP' as const, port: 8443 }];
    expect(usesOf({ externalIPs: ['203.0.113.9'], ports })).toEqual(['203.0.113.9 Shared']);
    expect(
      usesOf({ externalIPs: ['203.0.113.9'], ports: [...ports, { name: 'dns', protocol: 'TCP', port: 53 }] }),
    ).toEqual(['203.0.113.9 Shared']);
    expect(
      usesOf({ externalIPs: ['203.0.113.9'], ports: [...ports, { name: 'dns', protocol: 'UDP', port: 53 }] }),
    ).toEqual(['203.0.113.9 Taken']);
  });

  it('is not its own where Services of all namespaces may not be listed', () => {
    expect(usesOf({ externalIPs: ['198.51.100.7'] }, { services: undefined })).toEqual(['198.51.100.7 Unlisted']);
  });

  it('of a Service that kube-proxy leaves out is not looked at', () => {
    expect(usesOf({ externalIPs: ['198.51.100.7'], notProxied: 'its label gives it to another proxy' })).toEqual([]);
  });

  it('that is one of very many is beyond what is looked at', () => {
    const many = Array.from({ length: maxExternalAddresses + 3 }, (_, index) => `198.51.100.${String(index)}`);
    expect(usesOf({ externalIPs: many }).slice(maxExternalAddresses - 1)).toEqual([
      '198.51.100.31 Own',
      '198.51.100.32 Beyond',
      '198.51.100.33 Beyond',
      '198.51.100.34 Beyond',
    ]);
  });

  it("is not another's for the Service itself", () => {
    const itself: AddressHolder = {
      namespace: 'default',
      name: 'auth-service',
      clusterIPs: ['10.96.0.7'],
      external: ['198.51.100.7'],
      ports: [{ protocol: 'TCP', port: 80 }],
    };
    expect(usesOf({ externalIPs: ['198.51.100.7'] }, { services: [victim, itself] })).toEqual(['198.51.100.7 Own']);
  });
});

describe("a load balancer's address", () => {
  it("is shared where it is a node's, and taken where another Service's node port is its port", () => {
    expect(usesOf({ loadBalancerIPs: ['172.30.0.11'] })).toEqual(['172.30.0.11 Shared']);
    expect(usesOf({ loadBalancerIPs: ['172.30.0.11'], ports: [{ protocol: 'TCP', port: 30050 }] })).toEqual([
      '172.30.0.11 Taken',
    ]);
    expect(usesOf({ loadBalancerIPs: ['172.30.0.11'], externalIPs: ['172.30.0.11'] })).toEqual(['172.30.0.11 Taken']);
  });

  it("is taken where it is another Service's cluster IP or a pod's address", () => {
    expect(usesOf({ loadBalancerIPs: ['10.96.0.50', '10.9.8.7'] })).toEqual(['10.96.0.50 Taken', '10.9.8.7 Taken']);
  });
});

it('never asks for an address of others, whatever a tenant writes', () => {
  const address = fc.constantFrom(...taken, '198.51.100.7', '198.51.100.8', '10.96.0.7');
  fc.assert(
    fc.property(fc.array(address), fc.array(address), fc.boolean(), (externalIPs, loadBalancerIPs, isUnproxied) => {
      const desired = desiredService([], {
        externalIPs,
        loadBalancerIPs,
        ...(isUnproxied ? { notProxied: 'its label gives it to another proxy' } : {}),
      });
      const known = { ...desired, externalAddresses: classifyExternalAddresses(desired, others) };
      const asked = checkedFrontends(known).filter(
        ({ frontend }) => frontend === 'ExternalIP' || frontend === 'LoadBalancerIP',
      );
      for (const { frontend, address: each } of asked)
        expect([
          '198.51.100.7',
          '198.51.100.8',
          '10.96.0.7',
          ...(frontend === 'LoadBalancerIP' ? ['172.30.0.11', 'fd00:172::11'] : []),
        ]).toContain(each);
      expect(new Set([...ownExternalAddresses(known), ...taken]).size).toBe(
        ownExternalAddresses(known).length + taken.length,
      );
      for (const each of externalAddressesOf(known))
        expect(uncheckedAddresses(known).includes(each)).toBe(!isAddressChecked(known, each));
      if (isUnproxied) expect(checkedFrontends(known)).toEqual([]);
    }),
  );
});
