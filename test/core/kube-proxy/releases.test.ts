/** What each release of kube-proxy wrote for the same Services (test/fixtures/kube-proxy), evaluated: it is what the manifest asks for. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { prefixContains, hostPort } from '../../../core/net/address.ts';
import type { Ruleset } from '../../../core/ruleset/ruleset.ts';
import { familyOf, type Protocol, type Family } from '../../../core/net/family.ts';
import { nodePlans, type NodePlan } from '../../cluster/topology.ts';
import { featureNames } from '../../fixtures/kube-proxy-services.ts';
import { desiredOutcome, type Asked, type FrontendKind, type Outcome } from '../../proxy/desired-outcome.ts';
import { expectationOf, readDumps, type Expectation } from '../../proxy/expectation.ts';
import { currentRelease, releases } from '../../proxy/kube-proxy-releases.ts';
import { forRelease, minorOf, readManifests, type Manifest } from '../../proxy/manifests.ts';
import { gateway, placePlans } from '../../proxy/place.ts';

const folder = fileURLToPath(new URL('../../fixtures/kube-proxy/', import.meta.url));
const read = (file: string): string => readFileSync(folder + file, 'utf8');

const manifests = readManifests();

interface Case {
  readonly kind: FrontendKind | 'LoadBalancerIP (Proxy)';
  readonly destination: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly portName?: string | undefined;
  readonly client: Asked['client'];
  readonly source: string;
}

/** Every frontend of the Service, from a pod that may be an endpoint of it, the node, and outside; where there may be source ranges, from two networks. */
function casesOf({ desired: { service }, proxiedIPs }: Manifest, node: NodePlan, families: readonly Family[]): Case[] {
  const places = placePlans(node);
  const clients: readonly { client: Case['client']; addresses: Readonly<Record<Family, string>> }[] = [
    ...places.slice(0, 1).map(({ addresses }) => ({ client: 'pod' as const, addresses })),
    { client: 'node', addresses: { IPv4: node.ip, IPv6: node.ipv6 } },
    { client: 'outside', addresses: { IPv4: '192.0.2.200', IPv6: '2001:db8:1::200' } },
  ];
  const far: (typeof clients)[number] = {
    client: 'outside',
    addresses: { IPv4: '198.51.100.200', IPv6: '2001:db8:2::200' },
  };
  const served = service.clusterIPs.map(familyOf).filter((family) => families.includes(family));
  const of = (addresses: readonly string[] | undefined): readonly string[] =>
    (addresses ?? []).filter((address) => served.includes(familyOf(address)));
  return service.ports.flatMap(({ port, nodePort, protocol, name: portName }) => {
    const frontends: readonly Pick<Case, 'kind' | 'destination' | 'port'>[] = [
      ...of(service.clusterIPs).map((destination) => ({ kind: 'ClusterIP' as const, destination, port })),
      ...(nodePort === undefined
        ? []
        : of([node.ip, node.ipv6]).map((destination) => ({ kind: 'NodePort' as const, destination, port: nodePort }))),
      ...of(service.externalIPs).map((destination) => ({ kind: 'ExternalIP' as const, destination, port })),
      ...of(service.loadBalancerIPs).map((destination) => ({ kind: 'LoadBalancerIP' as const, destination, port })),
      ...of(proxiedIPs).map((destination) => ({ kind: 'LoadBalancerIP (Proxy)' as const, destination, port })),
    ];
    return frontends.flatMap((frontend) =>
      [...clients, ...(frontend.kind === 'LoadBalancerIP' ? [far] : [])].map(({ client, addresses }) => ({
        ...frontend,
        protocol,
        portName,
        client,
        source: addresses[familyOf(frontend.destination)],
      })),
    );
  });
}

function wantedOutcome(
  { desired, sourceRanges }: Manifest,
  { kind, destination, protocol, portName, client, source }: Case,
  node: NodePlan,
  minor: number,
): Outcome {
  if (kind === 'LoadBalancerIP (Proxy)') return { verdict: 'NONE', targets: [] };
  const family = familyOf(destination);
  const ranges = sourceRanges.filter((range) => familyOf(range) === family);
  const isInRanges = ranges.length === 0 || ranges.some((range) => prefixContains(range, source) === true);
  const decider = { name: node.name, zone: node.zone, addresses: [node.ip, node.ipv6], mode: node.proxyMode, minor };
  return desiredOutcome(desired, { kind, port: { family, portName, protocol }, client, source, isInRanges }, decider);
}

const outcomeText = ({ verdict, targets }: Pick<Expectation, 'verdict' | 'targets'>): string =>
  [
    verdict,
    ...targets
      .map(
        ({ address, port, probability, masquerade }) =>
          `${hostPort(address, port)} ${probability.toFixed(3)}${masquerade ? ' masqueraded' : ''}`,
      )
      .sort(),
  ].join(', ');

/** Evaluates every case of every Service; returns a line for each that is not as the manifest asks. */
function compare(
  ruleset: Ruleset,
  node: NodePlan,
  version: string,
  families: readonly Family[],
  seen: (feature: string, verdict: string) => void,
): string[] {
  const nodeAddresses = [node.ip, node.ipv6, ...Object.values(gateway(node)), '127.0.0.1', '::1'];
  return manifests.flatMap((original) => {
    const manifest = forRelease(original, version);
    return casesOf(manifest, node, families).flatMap((subject) => {
      const { destination, port, protocol, source, client, kind } = subject;
      const wanted = wantedOutcome(manifest, subject, node, minorOf(version));
      const evaluated = expectationOf(
        ruleset,
        { source, destination, port, protocol, entersAt: client === 'node' ? 'OUTPUT' : 'PREROUTING' },
        nodeAddresses,
      );
      seen(manifest.desired.name, wanted.verdict);
      const verdict = evaluated.verdict === 'ACCEPT' ? 'NONE' : evaluated.verdict;
      const [want, got] = [outcomeText(wanted), outcomeText({ ...evaluated, verdict })];
      if (want === got && evaluated.unknown.length === 0) return [];
      const unknown = evaluated.unknown.length === 0 ? '' : `, unknown: ${evaluated.unknown.join('; ')}`;
      return [
        `${manifest.desired.name} ${kind} ${hostPort(destination, port)}/${protocol} from ${client} ${source}: wanted ${want}; evaluated ${got}${unknown}`,
      ];
    });
  });
}

const modes = [
  { mode: 'iptables', nodeName: 'node-a', files: ['iptables.txt', 'ip6tables.txt'] },
  { mode: 'nftables', nodeName: 'node-b', files: ['nftables.json'] },
] as const;

function planOf(nodeName: string): NodePlan {
  const plan = nodePlans.find(({ name }) => name === nodeName);
  if (plan === undefined) throw new Error(`there is no ${nodeName}`);
  return plan;
}

describe('what kube-proxy wrote is what the manifest asks for', () => {
  const covered = new Set<string>();
  for (const { version } of releases) {
    for (const { mode, nodeName, files } of modes) {
      it(`${version}, ${mode}`, { timeout: 60_000 }, () => {
        const ruleset = readDumps(files.map((file) => read(`${version}/${file}`)));
        const verdicts = new Set<string>();
        const wrong = compare(ruleset, planOf(nodeName), version, ['IPv4', 'IPv6'], (feature, verdict) => {
          covered.add(`${version} ${mode} ${feature}`);
          verdicts.add(verdict);
        });
        expect(wrong).toEqual([]);
        expect([...verdicts].sort()).toEqual(expect.arrayContaining(['DNAT', 'DROP', 'REJECT']));
      });
    }
  }

  it('without comments, as in a cluster of more than 1,000 endpoints', { timeout: 60_000 }, () => {
    const text = read(`${currentRelease.version}/iptables-large-cluster.txt`);
    expect(text).not.toMatch(/-A KUBE-SEP-.* --comment/);
    const seen = new Set<string>();
    expect(
      compare(readDumps([text]), planOf('node-a'), currentRelease.version, ['IPv4'], (feature) => seen.add(feature)),
    ).toEqual([]);
    expect(seen.size).toBeGreaterThan(30);
  });

  afterAll(() => {
    const all = releases.flatMap(({ version }) =>
      modes.flatMap(({ mode }) => featureNames.map((feature) => `${version} ${mode} ${feature}`)),
    );
    expect(all.filter((each) => !covered.has(each))).toEqual([]);
  });
});
