/**
 * Node against node: kube-proxy asks each node for the same, so what a node does differently from most others is worth a
 * look, whatever the Service's spec says. What is each node's own (traffic policy Local, topology hints, node ports on
 * some addresses, endpoints of its own network) is compared with what that node should do, or left out.
 */
import { hostPort } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { frontendDrifts, frontendText, isSyncing, type FrontendDrift } from './frontend-drift.ts';
import { kubeProxyConfigOf } from './kube-proxy-config-of.ts';
import { namesText } from './listed.ts';
import { limitsNodePorts } from './pod-addresses.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { recordsOf } from '../../wire/node-report.ts';
import { plural } from '../../lib/plural.ts';
import { virtualServers } from '../../program/read-node-report.ts';
import type { DesiredService } from '../../api/service.ts';
import type { NodeOutlierStatus } from '../../api/service-trace.ts';

/** So many nodes have to be comparable before one of them can differ from the others. */
const leastNodes = 3;
const mostDifferences = 10;
const mostOutliers = 50;

/** One thing that all nodes should do alike. */
interface Trait {
  /** What nodes are compared by: nodes of the same key that have the same value are alike. */
  readonly key: string;
  readonly value: string;
  /** What the node does, in words. */
  readonly text: string;
}

/** The nodes that do something differently from more than half of all nodes of which it is known, in the order of their names. */
export function nodeOutliers(
  desired: DesiredService,
  nodes: readonly NodeFacts[],
  cluster: ClusterFacts | undefined,
): NodeOutlierStatus[] {
  return outliersBy(nodes, (facts) => serviceTraits(facts, desired, cluster));
}

/** Settings and versions of kube-proxy that differ from those of most others: they may be why a node differs. */
export function kubeProxyOutliers(nodes: readonly NodeFacts[], cluster: ClusterFacts | undefined): NodeOutlierStatus[] {
  return outliersBy(nodes, (facts) => kubeProxyTraits(facts, cluster));
}

function outliersBy(
  nodes: readonly NodeFacts[],
  traitsOf: (facts: NodeFacts) => readonly Trait[],
): NodeOutlierStatus[] {
  const all = nodes.flatMap((facts) => traitsOf(facts).map((trait) => ({ node: facts.node, trait })));
  const differences = [...Map.groupBy(all, ({ trait }) => trait.key).values()].flatMap((alike) => {
    if (alike.length < leastNodes) return [];
    const groups = [...Map.groupBy(alike, ({ trait }) => trait.value).values()];
    const most = groups.find((group) => group.length * 2 > alike.length);
    const [usual] = most ?? [];
    if (most === undefined || usual === undefined) return [];
    const others = plural(most.length, 'other node');
    return groups
      .filter((group) => group !== most)
      .flat()
      .map(({ node, trait }) => ({ node, difference: `${trait.text}; on ${others}: ${usual.trait.text}` }));
  });
  const byNode = Map.groupBy(differences, ({ node }) => node);
  return nodes
    .flatMap(({ node }) => {
      const own = byNode.get(node)?.map(({ difference }) => difference) ?? [];
      return own.length === 0 ? [] : [{ node, differences: own.slice(0, mostDifferences) }];
    })
    .slice(0, mostOutliers);
}

function serviceTraits(facts: NodeFacts, desired: DesiredService, cluster: ClusterFacts | undefined): Trait[] {
  if (facts.read === undefined || isSyncing(facts, desired, cluster)) return [];
  const drifts = frontendDrifts(facts, desired).filter(
    ({ frontend, desired: wanted }) =>
      wanted.length > 0 && !(frontend.frontend === 'NodePort' && limitsNodePorts(facts, cluster)),
  );
  return drifts.flatMap((drift) => [
    targetsTrait(drift),
    ...masqueradeTraits(drift, facts, desired),
    ...schedulerTrait(drift, facts, desired),
  ]);
}

function targetsTrait({ frontend, missing, stale }: FrontendDrift): Trait {
  const texts = (targets: readonly { readonly address: string; readonly port: number }[]): string[] =>
    targets.map(({ address, port }) => hostPort(address, port)).sort();
  const name = frontendText(frontend);
  const faults = [
    ...(missing.length === 0 ? [] : [`does not send packets to ${namesText(texts(missing))}`]),
    ...(stale.length === 0 ? [] : [`sends packets to ${namesText(texts(stale))}, which is not asked for`]),
  ];
  return {
    key: `${name} targets`,
    value: [...texts(missing), '', ...texts(stale)].join(),
    text:
      faults.length === 0
        ? `${name} has the targets that the EndpointSlices ask for`
        : `${name} ${faults.join(' and ')}`,
  };
}

/** Under the policy Local, and to endpoints of the node's own network, each node does what its place asks for; the mode ipvs masquerades by other rules than the two others. */
function masqueradeTraits(
  { frontend }: FrontendDrift,
  { read }: NodeFacts,
  { service, endpointSlices }: DesiredService,
): Trait[] {
  const policy = frontend.frontend === 'ClusterIP' ? service.internalTrafficPolicy : service.externalTrafficPolicy;
  if (frontend.masquerade === undefined || frontend.verdict !== 'DNAT' || policy === 'Local') return [];
  const addresses = new Set(read === undefined ? [] : recordsOf(read.report, 'start')[0]?.addresses);
  if (endpointSlices.some(({ endpoints }) => endpoints.some(({ addresses: [address = ''] }) => addresses.has(address))))
    return [];
  const name = frontendText(frontend);
  const { outside, node } = frontend.masquerade;
  const trait = (who: string, { value }: typeof outside): Trait => ({
    key: `${name} masquerade ${who}${read?.program.proxyMode === 'ipvs' ? ' ipvs' : ''}`,
    value: String(value),
    text: `packets of ${who} to ${name} ${value ? "get the node's address as their source" : 'keep their source'}`,
  });
  return [trait('clients outside', outside), trait('the node itself', node)];
}

function schedulerTrait(
  { frontend }: FrontendDrift,
  { read }: NodeFacts,
  { namespace, name: service }: DesiredService,
): Trait[] {
  if (read?.program.proxyMode !== 'ipvs') return [];
  const name = frontendText(frontend);
  const schedulers = [
    ...new Set(
      virtualServers(read.report, `${namespace}/${service}`, frontend.family)
        .filter(
          ({ port, protocol, address }) =>
            port === frontend.port &&
            protocol === frontend.protocol &&
            (frontend.frontend === 'NodePort' || address === frontend.address),
        )
        .map(({ scheduler }) => scheduler),
    ),
  ];
  return schedulers.length === 0
    ? []
    : [
        {
          key: `${name} scheduler`,
          value: schedulers.sort().join(),
          text: `the virtual server of ${name} has the scheduler ${schedulers.join(', ')}`,
        },
      ];
}

function kubeProxyTraits(facts: NodeFacts, cluster: ClusterFacts | undefined): Trait[] {
  const version = facts.read?.kubeProxy?.metrics?.version;
  const config = facts.read === undefined ? undefined : kubeProxyConfigOf(facts, cluster)?.config;
  const setting = (name: string, value: unknown): Trait => ({
    key: name,
    value: JSON.stringify(value ?? null),
    text: `${name} ${value === undefined || (Array.isArray(value) && value.length === 0) ? 'is not set' : JSON.stringify(value)}`,
  });
  return [
    ...(version === undefined ? [] : [{ key: 'version', value: version, text: `kube-proxy ${version}` }]),
    ...(config === undefined
      ? []
      : [
          setting('mode', config.mode),
          setting('clusterCIDR', config.clusterCIDRs),
          setting('detectLocalMode', config.detectLocalMode),
          setting('masqueradeAll', config.masqueradeAll),
          setting('nodePortAddresses', config.nodePortAddresses),
          setting('minSyncPeriod', config.minSyncPeriod),
          setting('ipvs.scheduler', config.ipvs.scheduler),
        ]),
  ];
}
