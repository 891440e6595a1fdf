/** What counts of references prove, on rules that a real kube-proxy wrote. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  dispatchRules,
  jumpOf,
  proveDispatch,
  type ReferencedChain,
} from '../../../core/kube-proxy/dispatch-references.ts';
import { commentOf, portsOf, type IptablesRule } from '../../../core/iptables/rule.ts';
import { parseIptablesRule } from '../../../core/iptables/parse-rule.ts';
import { printIptablesRule } from '../../../core/iptables/print.ts';
import type { ProbeRequestService } from '../../../core/wire/probe-request.ts';
import { recordedServices, serviceWithoutEndpoints } from '../../support/recorded-services.ts';

const recorded = readFileSync(new URL('../../fixtures/rulesets/iptables-nft.txt', import.meta.url), 'utf8');
const table = (name: string): string[] =>
  (recorded.split(`*${name}\n`)[1]?.split('\nCOMMIT')[0] ?? '').split('\n').filter((line) => line.includes('-A '));
const nat = table('nat');
const refusals = table('filter').filter((line) => line.includes('-A KUBE-SERVICES '));

/** The chains as the probe lists them, with the counts that the kernel would give. */
function chainsOf(lines: readonly string[]): ReadonlyMap<string, ReferencedChain> {
  const rules = lines.flatMap((line): [string, IptablesRule][] => {
    const rule = parseIptablesRule(line);
    return rule === undefined ? [] : [[line, rule]];
  });
  const names = new Set(rules.map(([, { chain }]) => chain));
  for (const shared of ['PREROUTING', 'OUTPUT', 'POSTROUTING', 'KUBE-SERVICES']) names.delete(shared);
  return new Map(
    [...names].map((name) => [
      name,
      {
        lines: rules.flatMap(([line, { chain }]) => (chain === name ? [line] : [])),
        references: rules.filter(([, rule]) => jumpOf(rule) === name).length,
      },
    ]),
  );
}

/** The rules of KUBE-SERVICES that jump to a Service's chains: what must not be needed. */
function dispatchOf({ clusterIPs, externalIPs, loadBalancerIPs }: ProbeRequestService): IptablesRule[] {
  const own = [...clusterIPs, ...externalIPs, ...loadBalancerIPs].map((address) => `${address}/32`);
  return nat
    .flatMap((line) => parseIptablesRule(line) ?? [])
    .filter(({ chain, destination }) => chain === 'KUBE-SERVICES' && own.includes(destination?.prefix ?? ''));
}

describe.each(recordedServices.map((service) => [service.name, service] as const))(
  'references to the chains of %s',
  (_, service) => {
    const proof = proveDispatch(service, 'IPv4', { nat: chainsOf(nat), refusals });
    const dispatch = dispatchOf(service);

    it('prove the rules that jump to it', () => {
      const shape = (rules: readonly IptablesRule[]): unknown[] =>
        rules.map((rule) => ({
          to: jumpOf(rule),
          address: rule.destination?.prefix,
          ports: portsOf(rule, 'destination')?.ranges,
          protocol: rule.protocol?.protocol,
        }));
      expect(dispatch.length).toBeGreaterThan(0);
      expect(proof).toBeDefined();
      if (proof === undefined) return;
      const rules = dispatchRules({
        kind: 'dispatchReferences',
        service: service.name,
        backend: 'nf_tables',
        family: 'IPv4',
        table: 'nat',
        chain: 'KUBE-SERVICES',
        ...proof,
      });
      expect(shape(rules.filter((rule) => jumpOf(rule) !== 'KUBE-NODEPORTS'))).toEqual(
        expect.arrayContaining(shape(dispatch)),
      );
      expect(rules.length).toBe(dispatch.length + (proof.nodePorts ? 1 : 0));
      expect(proof.nodePorts).toBe(service.ports.some(({ nodePort }) => nodePort !== undefined));
      for (const rule of rules) {
        expect(rule.counters).toBeUndefined();
        expect(commentOf(rule)).toContain('was not listed');
      }
    });

    it('leave a doubt where any rule that jumps to it is missing, or is there twice', () => {
      for (const text of dispatch.map(printIptablesRule)) {
        const at = nat.findIndex((line) => line.endsWith(text));
        expect(at).toBeGreaterThanOrEqual(0);
        expect(
          proveDispatch(service, 'IPv4', { nat: chainsOf(nat.toSpliced(at, 1)), refusals }),
          `without ${text}`,
        ).toBeUndefined();
        expect(
          proveDispatch(service, 'IPv4', { nat: chainsOf([...nat, nat[at] ?? '']), refusals }),
          `twice ${text}`,
        ).toBeUndefined();
      }
    });

    it('leave a doubt where its own chains are absent', () => {
      const without = new Map([...chainsOf(nat)].filter(([name]) => !/^KUBE-(SVC|SVL|EXT|FW)-/.test(name)));
      expect(proveDispatch(service, 'IPv4', { nat: without, refusals })).toBeUndefined();
    });
  },
);

it('proves nothing of a Service without endpoints: its refusals are rules of their own', () => {
  expect(proveDispatch(serviceWithoutEndpoints, 'IPv4', { nat: chainsOf(nat), refusals })).toBeUndefined();
});

it('proves nothing of NodePorts that nothing jumps to', () => {
  const [nodePort] = recordedServices.filter(({ name }) => name === 'node-port');
  const without = nat.filter((line) => !line.includes('-j KUBE-NODEPORTS'));
  expect(nodePort).toBeDefined();
  if (nodePort !== undefined)
    expect(proveDispatch(nodePort, 'IPv4', { nat: chainsOf(without), refusals })).toBeUndefined();
});

it('proves nothing of an address that is both an external and a load balancer IP', () => {
  const [both] = recordedServices
    .filter(({ name }) => name === 'external-ip')
    .map((service) => ({ ...service, loadBalancerIPs: service.externalIPs }));
  expect(both).toBeDefined();
  if (both !== undefined) expect(proveDispatch(both, 'IPv4', { nat: chainsOf(nat), refusals })).toBeUndefined();
});
