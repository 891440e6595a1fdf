import { connectionText, endpointPlace, endpointText, failedEndpoints } from '../checks/connections.ts';
import { namesText } from '../checks/listed.ts';
import type { FindingKind } from '../checks/finding.ts';

export const probeFailPod: FindingKind = {
  id: 'PROBE-FAIL-POD',
  topic: 'connections',
  severity: 'error',
  condition:
    'The active check (--connect) reached a ready endpoint from no node that tried it, its own node or several others, and was not just refused: the pod or its network is at fault.',
  notReported:
    'An endpoint that some node reached, that one other node alone tried (PROBE-FAIL-PATH), or that refused every node (SVC-TARGETPORT-CLOSED).',
  source: 'Debug Services, "Are the Pods working?"',
  find: (facts) =>
    failedEndpoints(facts).flatMap(({ endpoint, ownNode, failed, blames }) => {
      if (
        !blames.some(({ suspect }) => suspect === 'pod') ||
        failed.every(({ connection }) => connection.outcome === 'refused')
      )
        return [];
      const { desired } = facts;
      const names = failed.map(({ node }) => node.node);
      const isAll = names.length >= Math.max(facts.nodes.length, facts.cluster?.nodes?.length ?? 0);
      const who =
        isAll && names.length > 1
          ? 'No node reaches'
          : names.length === 1
            ? `${namesText(names)}${names[0] === ownNode ? ', its own node,' : ''} does not reach`
            : `${namesText(names)} do not reach`;
      return [
        {
          where: endpointPlace(desired, endpoint),
          message: `${who} the endpoint ${endpointText(desired, endpoint)}, though it is ready.`,
          evidence: failed
            .slice(0, 10)
            .map(({ node, connection }) => `from ${node.node} to ${connectionText(connection)}`),
          advice:
            "Connect to the pod's own address from within the pod. Where that works, the CNI's routes, rules of the pod's node or a NetworkPolicy keep the nodes out.",
        },
      ];
    }),
};
