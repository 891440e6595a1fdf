import { connectionText, endpointConnections, endpointPlace, endpointText } from '../connections.ts';
import type { FindingKind } from '../finding.ts';

export const probeFailPod: FindingKind = {
  id: 'PROBE-FAIL-POD',
  severity: 'error',
  condition: 'The active check (--connect) reached a ready endpoint from no node that tried it, and was not just refused: the pod or its network is at fault.',
  notReported: 'An endpoint that some node reached, or that refused every node (SVC-TARGETPORT-CLOSED).',
  source: 'Debug Services, "Are the Pods working?"',
  find: (facts) =>
    endpointConnections(facts).flatMap(({ endpoint, reachedFrom, failed }) => {
      if (reachedFrom.length > 0 || failed.length === 0 || failed.every(({ connection }) => connection.outcome === 'refused')) return [];
      const { desired } = facts;
      return [
        {
          where: endpointPlace(desired, endpoint),
          message: `No node reaches the endpoint ${endpointText(desired, endpoint)}, though it is ready.`,
          evidence: failed.slice(0, 10).map(({ node, connection }) => `from ${node.node} to ${connectionText(connection)}`),
          advice: "Connect to the pod's own address from within the pod. Where that works, the CNI's routes or a policy keep the nodes out.",
        },
      ];
    }),
};
