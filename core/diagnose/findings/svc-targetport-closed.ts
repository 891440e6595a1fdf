import { connectionText, endpointConnections, endpointPlace, endpointText } from '../checks/connections.ts';
import type { FindingKind } from '../checks/finding.ts';

export const svcTargetPortClosed: FindingKind = {
  id: 'SVC-TARGETPORT-CLOSED',
  topic: 'service',
  severity: 'error',
  condition:
    'The active check (--connect) was refused by a ready endpoint from every node that tried: nothing listens on its target port, or only on 127.0.0.1.',
  notReported: 'An endpoint that some node reached.',
  source: 'Debug Services, "Is the Service defined correctly?"; connect(2), ECONNREFUSED',
  find: (facts) =>
    endpointConnections(facts).flatMap(({ endpoint, reachedFrom, failed }) => {
      if (
        reachedFrom.length > 0 ||
        failed.length === 0 ||
        failed.some(({ connection }) => connection.outcome !== 'refused')
      )
        return [];
      const { desired } = facts;
      return [
        {
          where: endpointPlace(desired, endpoint),
          message: `The endpoint ${endpointText(desired, endpoint)} refuses connections to its port ${String(endpoint.port)}/${endpoint.protocol}.`,
          evidence: failed
            .slice(0, 10)
            .map(({ node, connection }) => `from ${node.node} to ${connectionText(connection)}`),
          advice: `Compare targetPort of service/${desired.name} with the port that the program listens on. A program that listens on 127.0.0.1 must listen on 0.0.0.0 or ::.`,
        },
      ];
    }),
};
