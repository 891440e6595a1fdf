import { readyByFamily } from '../../api/ready-endpoints.ts';
import { isChanging } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { namesText } from '../checks/listed.ts';

export const epsHintsZoneEmpty: FindingKind = {
  id: 'EPS-HINTS-ZONE-EMPTY',
  topic: 'endpoints',
  severity: 'info',
  isLasting: true,
  condition: "Every ready endpoint has a topology hint and none is for a node's zone: that node sends to all zones.",
  notReported:
    'Nodes for which there is a node hint, which goes before the zone; where hints are not followed at all (EPS-HINTS-PARTIAL).',
  source: 'KEP-2433; pkg/proxy/topology.go topologyModeFromHints',
  find: ({ desired, cluster, nodes, now }) => {
    if (isChanging(desired, now)) return [];
    const zones = new Map((cluster?.nodes ?? []).map(({ name, zone }) => [name, zone]));
    return readyByFamily(desired).flatMap(({ family, endpoints }) => {
      if (endpoints.some(({ hints = [] }) => hints.length === 0)) return [];
      const hinted = new Set(endpoints.flatMap(({ hints = [] }) => hints));
      const nodeHints = endpoints.every((endpoint) => (endpoint.nodeHints ?? []).length > 0)
        ? new Set(endpoints.flatMap((endpoint) => endpoint.nodeHints ?? []))
        : new Set<string>();
      const outside = nodes.flatMap(({ node, zone = zones.get(node) }) =>
        nodeHints.has(node) || (zone !== undefined && hinted.has(zone)) ? [] : [{ node, zone }],
      );
      return [...Map.groupBy(outside, ({ zone }) => zone)].map(([zone, all]) => ({
        where: `service/${desired.name}`,
        message: `No ready ${family} endpoint is meant for ${zone === undefined ? `${namesText(all.map(({ node }) => node))}, which ${all.length === 1 ? 'has' : 'have'} no zone` : `zone ${zone}`}, so ${namesText(all.map(({ node }) => node))} ${all.length === 1 ? 'sends' : 'send'} to all zones.`,
        evidence: [
          `hints of the ready endpoints: ${[...hinted].sort().join(', ')}`,
          `zone of ${namesText(all.map(({ node }) => node))}: ${zone ?? 'no label topology.kubernetes.io/zone'}`,
        ],
        ...(zone === undefined
          ? {
              advice: `Label ${all[0]?.node ?? 'the node'} with topology.kubernetes.io/zone.`,
              commands: [kubectl('get', 'nodes', '-L', 'topology.kubernetes.io/zone')],
            }
          : {
              advice: `Run a pod of the Service in zone ${zone}, for example with topologySpreadConstraints on topology.kubernetes.io/zone.`,
            }),
      }));
    });
  },
};
