/**
 * A trace of one Service with many endpoints on three nodes, in a cluster of many other Services: all kinds that
 * test/fixtures/kube-proxy was recorded with, and the rules of a CNI, Docker and firewalld. The nodes' rules are read by
 * the probe's own readers, so that a bundle of it is what a real trace would have recorded.
 */
import { readFileSync } from 'node:fs';
import type { Bundle } from '../core/wire/bundle.ts';
import { iptablesChainNames, iptablesEndpointChainName, nftablesChainNames } from '../core/kube-proxy/chain-names.ts';
import type { ClusterFacts, PodFacts } from '../core/api/cluster-facts.ts';
import type { NodeAnswer, NodeReportRecord } from '../core/wire/node-report.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { EndpointStatus } from '../core/api/service-trace.ts';
import { nodePlans } from '../test/cluster/topology.ts';
import { parseDump, parseNftDump, probe, type DumpedNode, type NftObject } from '../test/support/dumped-node.ts';
import { recordedCluster, recordedNode, recordedServices, requestOf } from '../test/support/recorded-proxy.ts';
import { rulesetFolder } from '../test/fixtures/rulesets/foreign.ts';
import { currentRelease } from '../test/proxy/kube-proxy-releases.ts';

export type ManyEndpointsMode = 'iptables' | 'nftables';

const namespace = 'default';
const name = 'many';
const port = { namespace, name, portName: 'http', protocol: 'TCP' as const };
const clusterIP = '10.96.200.1';
const nodePort = 31_999;
const targetPort = 8080;
const endpointsPerSlice = 100;
const createdAt = '2026-11-24T08:00:00Z';
const collectedAt = '2026-11-24T10:00:01Z';

/** A Service as the nodes' rules have it. */
interface Written {
  readonly port: typeof port;
  readonly clusterIP: string;
  readonly nodePort: number | undefined;
  readonly places: readonly Place[];
}

interface Place {
  readonly address: string;
  readonly node: string;
}

/** Whose rules stand beside kube-proxy's: a CNI, a container engine and a firewall. */
const programs = ['flannel', 'docker', 'firewalld'] as const;

/** Beside the recorded ones: ten plain Services more, of one endpoint each. */
const plainServices = Array.from({ length: 10 }, (_, index): Written => ({
  port: { ...port, name: `plain-${String(index)}` },
  clusterIP: `10.96.201.${String(index + 1)}`,
  nodePort: undefined,
  places: [{ address: `10.244.8.${String(index + 1)}`, node: 'node-a' }],
}));

/** How many other Services the cluster has. */
export const otherServices = recordedServices(currentRelease.version).length + plainServices.length;

/** @param endpoints at most 40,000 */
export async function manyEndpoints(mode: ManyEndpointsMode, endpoints: number): Promise<Bundle> {
  const places = Array.from({ length: endpoints }, (_, index): Place => {
    const plan = nodePlans[index % nodePlans.length];
    const number = Math.floor(index / nodePlans.length);
    return {
      node: plan?.name ?? '',
      address: `10.244.${String((index % nodePlans.length) * 64 + 16 + Math.floor(number / 250))}.${String((number % 250) + 2)}`,
    };
  });
  const desired = desiredService(places);
  const answers: NodeAnswer[] = [];
  for (const { name: node } of nodePlans) {
    const report = await probe(nodeOf(mode, node, places), [requestOf(desired)]);
    const records = [...report.records];
    records.splice(-1, 0, conntrackOf(places), { kind: 'conntrackTable', count: endpoints * 2, max: 1_048_576 });
    answers.push({ node, collectedAt, askedAt: '2026-11-24T10:00:00Z', report: { ...report, records } });
  }
  return {
    recordedAt: collectedAt,
    toolVersion: 'bench',
    namespace,
    spec: { serviceRef: { name } },
    desired,
    answers,
    cluster: clusterFacts(desired, places),
    nodeZones: Object.fromEntries(nodePlans.map(({ name: node, zone }) => [node, zone])),
  };
}

const podName = (index: number): string => `many-5995955cd8-${index.toString(36).padStart(5, '0')}`;
const podUid = (index: number): string => `fbce0c59-1b54-47ed-aa03-${String(index).padStart(12, '0')}`;

function desiredService(places: readonly Place[]): DesiredService {
  const all = places.map(({ address, node }, index): EndpointStatus => ({
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName: node,
    targetRef: { kind: 'Pod', name: podName(index), uid: podUid(index) },
  }));
  return {
    namespace,
    name,
    service: {
      type: 'NodePort',
      clusterIPs: [clusterIP],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: String(targetPort), nodePort }],
      selector: { app: name },
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    },
    endpointSlices: Array.from({ length: Math.ceil(all.length / endpointsPerSlice) }, (_, index) => ({
      name: `many-${index.toString(36).padStart(5, '0')}`,
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: targetPort }],
      endpoints: all.slice(index * endpointsPerSlice, (index + 1) * endpointsPerSlice),
    })),
    lastChange: createdAt,
  };
}

function clusterFacts(desired: DesiredService, places: readonly Place[]): ClusterFacts {
  return {
    ...recordedCluster,
    service: { createdAt, loadBalancerIngress: [] },
    pods: places.map(({ address, node }, index): PodFacts => ({
      name: podName(index),
      uid: podUid(index),
      selected: true,
      labels: { app: name, 'pod-template-hash': '5995955cd8' },
      node,
      phase: 'Running',
      ready: true,
      createdAt,
      readySince: createdAt,
      hasPreStop: true,
      addresses: [address],
      hostNetwork: false,
      containers: [{ name: 'server', ports: [{ name: 'http', port: targetPort, protocol: 'TCP' }], restarts: 0 }],
    })),
    endpointSlices: desired.endpointSlices.map(({ name: slice, endpoints }) => ({
      name: slice,
      managedBy: 'endpointslice-controller.k8s.io',
      createdAt,
      resourceVersion: '1',
      bytes: 400 * endpoints.length,
    })),
    endpoints: null,
    networkPolicies: [],
    kubeProxy: { pods: [], ...recordedCluster.kubeProxy },
  };
}

/** An established connection of a pod to each endpoint. */
function conntrackOf(places: readonly Place[]): NodeReportRecord {
  return {
    kind: 'conntrack',
    service: `${namespace}/${name}`,
    matched: places.length,
    groups: places.map(({ address }) => ({
      family: 'IPv4',
      protocol: 'tcp',
      state: 'ESTABLISHED',
      unreplied: false,
      destination: clusterIP,
      destinationPort: 80,
      replySource: address,
      replySourcePort: targetPort,
      entries: 1,
    })),
    lines: [],
  };
}

function nodeOf(mode: ManyEndpointsMode, nodeName: string, places: readonly Place[]): DumpedNode {
  const plan = nodePlans.find((each) => each.name === nodeName);
  if (plan === undefined) throw new Error(`there is no ${nodeName}`);
  const node = {
    ...recordedNode(currentRelease.version, mode),
    name: plan.name,
    addresses: [plan.ip, plan.ipv6, '127.0.0.1', '::1', ...interfaces(plan.podCIDRs)],
  };
  if (mode === 'nftables') {
    const objects = [
      ...addNftRules(node.nftables, plan, [...plainServices, { port, clusterIP, nodePort, places }]),
      ...programs.flatMap(foreignObjects),
    ];
    return { ...node, nftables: objects };
  }
  const tables = node.iptables.nf_tables?.IPv4;
  if (tables === undefined) throw new Error('the recorded node has no rules of IPv4');
  for (const line of [...plainServices, { port, clusterIP, nodePort, places }].flatMap(iptablesRules)) {
    const [, chain = ''] = line.split(' ', 2);
    const chains = tables.get('nat');
    const present = chains?.get(chain);
    if (present === undefined) chains?.set(chain, { lines: [line] });
    // Its last rule is that of the NodePorts.
    else if (chain === 'KUBE-SERVICES') present.lines.splice(-1, 0, line);
    else present.lines.push(line);
  }
  for (const program of programs) {
    for (const [table, chains] of parseDump(readFileSync(new URL(`foreign/${program}.txt`, rulesetFolder), 'utf8'))) {
      const own = tables.get(table) ?? new Map<string, { policy?: string; lines: string[] }>();
      tables.set(table, own);
      for (const [chain, { policy, lines }] of chains) {
        const present = own.get(chain);
        own.set(chain, { ...(policy === undefined ? {} : { policy }), lines: [...(present?.lines ?? []), ...lines] });
      }
    }
  }
  return node;
}

/** Twenty pods of the node: each has an interface with the gateway's addresses, as a plugin without a bridge gives it. */
function interfaces(podCIDRs: readonly string[]): string[] {
  const gateway = podCIDRs.map((cidr) => cidr.replace(/\.0\/\d+$/, '.1').replace(/::\/\d+$/, '::1'));
  return Array.from({ length: 20 }, (_, index) => [...gateway, `fe80::${(0x1000 + index).toString(16)}`]).flat();
}

function foreignObjects(program: string): NftObject[] {
  return parseNftDump(readFileSync(new URL(`foreign/nftables/${program}.json`, rulesetFolder), 'utf8')).filter(
    (object) => object['metainfo'] === undefined,
  );
}

/** pkg/proxy/iptables/proxier.go syncProxyRules, 1.37. */
function iptablesRules({ port, clusterIP, nodePort, places }: Written): string[] {
  const { cluster, external } = iptablesChainNames(port);
  const id = `${port.namespace}/${port.name}:${port.portName}`;
  return [
    `-A KUBE-SERVICES -d ${clusterIP}/32 -p tcp -m comment --comment "${id} cluster IP" -m tcp --dport 80 -j ${cluster}`,
    ...(nodePort === undefined
      ? []
      : [
          `-A KUBE-NODEPORTS -p tcp -m comment --comment "${id}" -m tcp --dport ${String(nodePort)} -j ${external}`,
          `-A ${external} -m comment --comment "masquerade traffic for ${id} external destinations" -j KUBE-MARK-MASQ`,
          `-A ${external} -j ${cluster}`,
        ]),
    `-A ${cluster} ! -s 10.244.0.0/16 -d ${clusterIP}/32 -p tcp -m comment --comment "${id} cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
    ...places.flatMap(({ address }, index) => {
      const endpoint = `${address}:${String(targetPort)}`;
      const chain = iptablesEndpointChainName(port, endpoint);
      const left = places.length - index;
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      return [
        `-A ${cluster} -m comment --comment "${id} -> ${endpoint}"${chance} -j ${chain}`,
        `-A ${chain} -s ${address}/32 -m comment --comment "${id}" -j KUBE-MARK-MASQ`,
        `-A ${chain} -p tcp -m comment --comment "${id}" -m tcp -j DNAT --to-destination ${endpoint}`,
      ];
    }),
  ];
}

/** Adds the Services to the recorded table as pkg/proxy/nftables/proxier.go syncProxyRules writes it, 1.37. */
function addNftRules(
  recorded: readonly NftObject[],
  { name: nodeName, ip }: Pick<(typeof nodePlans)[number], 'name' | 'ip'>,
  services: readonly Written[],
): NftObject[] {
  const own = { family: 'ip', table: 'kube-proxy' };
  const rule = (chain: string, expr: readonly unknown[]): NftObject => ({
    rule: { ...own, chain, handle: 9000, expr },
  });
  const added: Record<string, readonly unknown[]> = {
    'cluster-ips': services.map((service) => service.clusterIP),
    'nodeport-ips': [ip],
    'hairpin-connections': services
      .flatMap(({ places }) => places.filter(({ node }) => node === nodeName))
      .map(({ address }) => ({ concat: [address, address, 'tcp', targetPort] })),
    'service-ips': services.map((service) => [
      { concat: [service.clusterIP, 'tcp', 80] },
      { goto: { target: nftablesChainNames(service.port).cluster } },
    ]),
    'service-nodeports': services.flatMap((service) =>
      service.nodePort === undefined
        ? []
        : [[{ concat: ['tcp', service.nodePort] }, { goto: { target: nftablesChainNames(service.port).external } }]],
    ),
  };
  const withElements = recorded.map((object): NftObject => {
    const [kind = '', body = {}] = Object.entries(object)[0] ?? [];
    const elements =
      (kind === 'set' || kind === 'map') && body['family'] === 'ip' ? added[String(body['name'])] : undefined;
    return elements === undefined
      ? object
      : { [kind]: { ...body, elem: [...((body['elem'] as unknown[] | undefined) ?? []), ...elements] } };
  });
  const chainsOf = (service: Written): NftObject[] => {
    const { cluster, external } = nftablesChainNames(service.port);
    const choice = {
      map: {
        key: { numgen: { mode: 'random', mod: service.places.length, offset: 0 } },
        data: { set: service.places.map(({ address }, index) => [index, { concat: [address, targetPort] }]) },
      },
    };
    return [
      { chain: { ...own, name: cluster, handle: 9000 } },
      rule(cluster, [
        { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'tcp' } },
        { dnat: { family: 'ip', addr: choice } },
      ]),
      ...(service.nodePort === undefined
        ? []
        : [
            { chain: { ...own, name: external, handle: 9000 } },
            rule(external, [
              { mangle: { key: { meta: { key: 'mark' } }, value: { '|': [{ meta: { key: 'mark' } }, 0x4000] } } },
            ]),
            rule(external, [{ goto: { target: cluster } }]),
          ]),
    ];
  };
  return [...withElements, ...services.flatMap(chainsOf)];
}
