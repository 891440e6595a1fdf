import { hostPort, isSameAddress } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { targetsBehind } from '../../api/connect-targets.ts';
import { connectionText, connectionTo, isReached } from '../checks/connections.ts';
import { familyOf } from '../../net/family.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';

export const probeFailRules: FindingKind = {
  id: 'PROBE-FAIL-RULES',
  topic: 'connections',
  severity: 'error',
  condition:
    'The active check (--connect) reached every endpoint that it tried behind a frontend from a node, but not the frontend itself: the fault is between, in the rules.',
  notReported:
    'A frontend whose traffic policy Local leaves it no endpoint on the node; one with source ranges, of which the node may be none; EndpointSlices that changed within 10 s and minSyncPeriod; UDP that nobody answers.',
  source: 'Debug Services, "Is the kube-proxy working?"',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      if (isSyncing(node, desired, cluster)) return [];
      const failed = (node.read?.connections ?? []).filter((connection) => {
        if (connection.hop === 'Endpoint' || isReached(connection) !== false) return false;
        if (connection.hop === 'LoadBalancerIP' && (desired.service.loadBalancerSourceRanges ?? []).length > 0)
          return false;
        const behind = targetsBehind(desired, connection, {
          node: node.node,
          ...(node.zone === undefined ? {} : { zone: node.zone }),
        });
        const tried = behind.flatMap(
          (target) => connectionTo(node, { ...target, protocol: connection.protocol }) ?? [],
        );
        return tried.length > 0 && tried.every((each) => isReached(each) === true);
      });
      const [first] = failed;
      if (first === undefined) return [];
      const program = node.read?.program.frontends.find(
        ({ frontend, address, port }) =>
          frontend === first.hop &&
          port === first.port &&
          (frontend === 'NodePort' || isSameAddress(address, first.address)),
      );
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `${node.node} reaches the endpoints of ${desired.name}, but not its ${first.hop} ${connectionText(first)}.`,
          evidence: [
            ...failed.map((connection) => `${connection.hop} ${connectionText(connection)}`),
            ...(program === undefined ? [] : [`what the rules of ${node.node} do with it: ${program.verdict}`]),
          ],
          advice:
            "The path of a packet shows which rule decides. Look for third-party rules before kube-proxy's, such as a DROP.",
          commands: nodeAddresses(node.node, cluster, first.address).map((address) =>
            kubectl(
              'svctrace',
              'simulate',
              desired.name,
              '-n',
              desired.namespace,
              '--node',
              node.node,
              '--from',
              address,
              '--to',
              hostPort(first.address, first.port),
            ),
          ),
        },
      ];
    }),
};

/** Those of the node that are of the family of the other address: what the node's own packets come from. */
function nodeAddresses(node: string, cluster: ClusterFacts | undefined, other: string): string[] {
  return (cluster?.nodes?.find(({ name }) => name === node)?.internalIPs ?? [])
    .filter((address) => familyOf(address) === familyOf(other))
    .slice(0, 1);
}
