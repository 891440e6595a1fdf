/** What real kube-proxies wrote is healthy in every release and mode; each single change of it gives its own finding. */
import { describe, expect, it } from 'vitest';
import { currentRelease, releases } from '../../proxy/kube-proxy-releases.ts';
import { probe } from '../../support/dumped-node.ts';
import {
  findingsOf,
  recordedNode,
  recordedService,
  recordedServices,
  requestOf,
  written,
} from '../../support/recorded-proxy.ts';
import { iptablesMutations, nftablesMutations } from '../../support/rule-mutations.ts';

/** What a policy Local drops, the rules drop rightly. */
const isOfRules = (id: string): boolean =>
  /^(?:RULE|IPVS|NODE-OUTLIER|DATA|SVC-AFFINITY)/.test(id) && id !== 'RULE-LOCAL-DROP';

describe.each(written)('what kube-proxy wrote, %s', (kind) => {
  it.each(releases.map(({ version }) => version))('of %s is healthy', { timeout: 120_000 }, async (version) => {
    // The nftables mode of 1.29, an alpha, asks sets of its own for source ranges, which a probe does not read: it says so.
    const isAlpha = kind === 'nftables' && version.startsWith('v1.29.');
    const services = recordedServices(version);
    const report = await probe(recordedNode(version, kind), services.map(requestOf));
    const found = services.flatMap((desired) =>
      findingsOf(desired, [report])
        .filter(
          ({ severity, id }) =>
            (severity !== 'info' || id === 'RULE-FOREIGN-UNKNOWN') &&
            isOfRules(id) &&
            !(id === 'DATA-UNPARSED' && isAlpha),
        )
        .map(({ id, message, evidence }) => `${desired.name}: ${id} ${message} ${evidence.join(' | ')}`),
    );
    expect(found).toEqual([]);
  });
});

describe.each([...iptablesMutations, ...nftablesMutations])(
  '$mode, $service: $name',
  ({ mode, service, change, desired: changeSpec, ids }) => {
    it(`gives ${ids.join(', ') || 'nothing'}`, async () => {
      const { version } = currentRelease;
      const node = recordedNode(version, mode);
      const recorded = recordedService(version, service);
      change?.(node, { clusterIP: recorded.service.clusterIPs[0] ?? '' });
      const desired = changeSpec?.(recorded) ?? recorded;
      const findings = findingsOf(desired, [await probe(node, [requestOf(desired)])]).filter(({ id }) => isOfRules(id));
      expect([...new Set(findings.map(({ id }) => id))].sort(), JSON.stringify(findings, undefined, 1)).toEqual(ids);
    });
  },
);

it('names an endpoint of IPv6 with its port in brackets that rules have twice', async () => {
  const { version } = currentRelease;
  const node = recordedNode(version, 'nftables');
  const at = node.nftables.findIndex((object) =>
    /"chain":"service-\w+-default\/ipv6-only\//.test(JSON.stringify(object)),
  );
  node.nftables[at] = JSON.parse(
    JSON.stringify(node.nftables[at]).replace(
      /"mod":3(.*)\[2,/,
      '"mod":4$1[3,{"concat":["fd00:10:244:1::2",8080]}],[2,',
    ),
  ) as (typeof node.nftables)[number];
  const desired = recordedService(version, 'ipv6-only');
  const found = findingsOf(desired, [await probe(node, [requestOf(desired)])]).filter(({ id }) => id === 'RULE-EP-DUP');
  expect(found.map(({ message }) => message)).toStrictEqual([
    'The rules of node-b for ClusterIP [fd00:10:96::107]:80/TCP name [fd00:10:244:1::2]:8080 more than once.',
  ]);
  expect(found.flatMap(({ evidence }) => evidence.map((text) => text.split(' by ')[0]))).toStrictEqual([
    '[fd00:10:244:1::2]:8080 gets 0.5000',
    '[fd00:10:244:2::2]:8080 gets 0.2500',
    '[fd00:10:244:3::2]:8080 gets 0.2500',
  ]);
});
