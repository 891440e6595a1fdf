/** A packet through all rules of a node that were read, kube-proxy's and those of other programs. */
import type { ClusterFacts } from '../api/cluster-facts.ts';
import { settle } from '../evaluate/settle.ts';
import type { Packet, WalkResult } from '../evaluate/walk.ts';
import { prefixContains } from '../net/address.ts';
import { familyOf, type Family } from '../net/family.ts';
import { recordsOf, type NodeReport } from '../wire/node-report.ts';
import { readAllHooks, type AllHooks } from './foreign-hooks.ts';
import { readNodeReportRules } from './read-node-report.ts';
import { rulesOfNodeReport } from './node-report-rules.ts';
import { walkNodeReportRules } from './walk-node-report.ts';
import { oncePerAll } from '../lib/once-per.ts';

/**
 * The result of the packet on the node: through every table and hook that was read, in netfilter's order, until it ends.
 * Where a report holds no third-party rules, through kube-proxy's alone.
 * @returns undefined where the node's proxy mode is not known, or nothing of it was read
 */
export function walkAllRules(
  report: NodeReport,
  service: string,
  packet: Packet,
  cluster?: Pick<ClusterFacts, 'nodes'>,
): WalkResult | undefined {
  const family = familyOf(packet.destination);
  const hooks = hooksOfNodeReport(report, service, family, cluster);
  if (hooks !== undefined) return settle(hooks.walk(packet));
  const rules = readNodeReportRules(report, service, family);
  return rules === undefined ? undefined : walkNodeReportRules(rules, packet);
}

/** No rule distinguishes two sources of one class; the chains of single endpoints, which ask for their own, are left out. */
export function sourceClassOf(
  report: NodeReport,
  service: string,
  family: Family,
  cluster?: Pick<ClusterFacts, 'nodes'>,
): (source: string) => string {
  const hooks = hooksOfNodeReport(report, service, family, cluster);
  const own = rulesOfNodeReport(report, service, family);
  return (source) => `${hooks?.segments.keyOf(source) ?? ''} ${own?.sourceClass(source) ?? source}`;
}

/** The same for all who ask of one report and cluster. */
const hooksOfNodeReport = oncePerAll(
  (
    report: NodeReport,
    service: string,
    family: Family,
    cluster: Pick<ClusterFacts, 'nodes'> | undefined,
  ): AllHooks | undefined => readAllHooks(report, service, family, bridgesBeside(report, cluster)),
);

/** Bridges with addresses of which none is of the node's podCIDR or its own in the cluster (docker0, virbr0): pods and other nodes are not there. */
export function bridgesBeside(
  report: NodeReport,
  cluster: Pick<ClusterFacts, 'nodes'> | undefined,
): ReadonlySet<string> {
  const own = cluster?.nodes?.find(({ name }) => name === report.node);
  if (own === undefined || own.podCIDRs.length === 0) return new Set();
  const isCluster = (address: string): boolean =>
    own.internalIPs.includes(address) || own.podCIDRs.some((prefix) => prefixContains(prefix, address) === true);
  const bridges = (recordsOf(report, 'interfaces')[0]?.interfaces ?? []).filter(
    ({ bridge, addresses }) => bridge === true && addresses.length > 0 && !addresses.some(isCluster),
  );
  return new Set(bridges.map(({ name }) => name));
}
