/** The nodes of test/fixtures/kube-proxy, as the probe reads them, and as the diagnosis judges them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClusterFacts } from '../../core/api/cluster-facts.ts';
import { diagnose } from '../../core/diagnose/diagnose.ts';
import { readNodeFacts } from '../../core/program/node-facts.ts';
import type { NodeReport } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { DesiredService } from '../../core/api/service.ts';
import type { FindingStatus } from '../../core/api/service-trace.ts';
import { nodePlans, type NodePlan } from '../cluster/topology.ts';
import { forRelease, readManifests, type Manifest } from '../proxy/manifests.ts';
import { gateway } from '../proxy/place.ts';
import { parseDump, parseNftDump, type DumpedNode } from './dumped-node.ts';

const folder = fileURLToPath(new URL('../fixtures/kube-proxy/', import.meta.url));
const manifests = readManifests();

export type Written = 'iptables' | 'iptables-legacy' | 'nftables';

/** The kinds of nodes that a release was recorded on; the same rules are what a node of the legacy backend has. */
export const written: readonly Written[] = ['iptables', 'iptables-legacy', 'nftables'];

/** A fresh copy, that may be changed. */
export function recordedNode(version: string, kind: Written): DumpedNode {
  const plan = planOf(kind === 'nftables' ? 'node-b' : 'node-a');
  const read = (file: string): string => readFileSync(`${folder}${version}/${file}`, 'utf8');
  const common = {
    name: plan.name,
    addresses: [plan.ip, plan.ipv6, ...Object.values(gateway(plan)), '127.0.0.1', '::1'],
  };
  if (kind === 'nftables')
    return { ...common, mode: 'nftables', iptables: {}, nftables: parseNftDump(read('nftables.json')) };
  const dumps = { IPv4: parseDump(read('iptables.txt')), IPv6: parseDump(read('ip6tables.txt')) };
  return {
    ...common,
    mode: 'iptables',
    iptables: kind === 'iptables' ? { nf_tables: dumps } : { legacy: dumps },
    nftables: [],
  };
}

function planOf(name: string): NodePlan {
  const plan = nodePlans.find((each) => each.name === name);
  if (plan === undefined) throw new Error(`there is no ${name}`);
  return plan;
}

/** The Services that were there, as this release understands them. */
export function recordedServices(version: string): readonly DesiredService[] {
  return manifests.map((manifest: Manifest) => ({ ...forRelease(manifest, version).desired, namespace: 'default' }));
}

export function recordedService(version: string, name: string): DesiredService {
  const found = recordedServices(version).find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no Service ${name}`);
  return found;
}

/** What a probe is asked of a Service. */
export function requestOf({ namespace, name, service }: DesiredService): ProbeRequestService {
  const { clusterIPs, externalIPs, loadBalancerIPs, ports } = service;
  return {
    namespace,
    name,
    clusterIPs,
    externalIPs,
    loadBalancerIPs,
    ports: ports.map(({ name: portName, protocol, port, nodePort }) => ({
      ...(portName === undefined ? {} : { name: portName }),
      protocol,
      port,
      ...(nodePort === undefined ? {} : { nodePort }),
    })),
  };
}

/** What the reports say is wrong with the Service. */
export function findingsOf(
  desired: DesiredService,
  reports: readonly NodeReport[],
  cluster: ClusterFacts = recordedCluster,
): FindingStatus[] {
  const nodes = reports.map((report) =>
    readNodeFacts(
      { node: report.node, report, collectedAt: '2026-11-24T10:00:01Z' },
      desired,
      planOf(report.node).zone,
    ),
  );
  return diagnose({ desired, nodes, cluster, now: '2026-11-24T10:00:02Z' });
}

/** What the API server has of the cluster of the recordings, as far as rules depend on it. */
export const recordedCluster: ClusterFacts = {
  nodes: nodePlans.map(({ name, ip, ipv6, zone, podCIDRs }) => ({
    name,
    ready: true,
    zone,
    internalIPs: [ip, ipv6],
    podCIDRs: [...podCIDRs],
  })),
  kubeProxy: {
    config: {
      'config.conf':
        'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16,fd00:10:244::/48\n',
    },
    pods: [],
  },
  unread: [],
};
