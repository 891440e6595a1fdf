import { connectionText, endpointText, failedEndpoints } from '../checks/connections.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const probeFailPath: FindingKind = {
  id: 'PROBE-FAIL-PATH',
  topic: 'connections',
  severity: 'error',
  condition:
    'By the active check (--connect), one node does not reach an endpoint of another node, and too few nodes tried to decide whether the pod, its node or the node that asked is at fault.',
  notReported: 'Where a third node decides it (PROBE-FAIL-NODE, PROBE-FAIL-POD).',
  source: 'Debug Services; node compared with node',
  find: (facts) => {
    const { desired } = facts;
    // What refuses every node is SVC-TARGETPORT-CLOSED.
    const all = failedEndpoints(facts)
      .filter(
        ({ reachedFrom, failed }) =>
          reachedFrom.length > 0 || failed.some(({ connection }) => connection.outcome !== 'refused'),
      )
      .flatMap((each) =>
        each.blames.flatMap((blame) => (blame.suspect === 'path' ? [{ ...each, from: blame.node }] : [])),
      );
    return [
      ...Map.groupBy(all, ({ from, ownNode, reachedFrom }) =>
        JSON.stringify([from, ownNode, reachedFrom.length > 0]),
      ).values(),
    ].flatMap((alike) => {
      const [first] = alike;
      if (first === undefined) return [];
      const { from, ownNode, reachedFrom } = first;
      const texts = alike
        .slice(0, 5)
        .map(({ endpoint }) => endpointText(desired, endpoint))
        .join(', ');
      const isAlone = reachedFrom.length === 0;
      return [
        {
          where: `node/${from}`,
          node: from,
          message: isAlone
            ? `${from} does not reach ${texts}. No other node was asked, so that it is not known whether the pod, its node or ${from} is at fault.`
            : `${from} does not reach ${texts}, which only ${ownNode ?? ''} itself reaches: one of the two nodes is at fault, or what is between them.`,
          evidence: alike
            .flatMap(({ failed }) =>
              failed.map(({ node, connection }) => `from ${node.node} to ${connectionText(connection)}`),
            )
            .slice(0, 10),
          advice: isAlone
            ? 'The same connections from all nodes show whose fault it is.'
            : `A connection from a third node shows more. On ${from} and on ${ownNode ?? ''}, compare the routes, the log of the CNI's pod and third-party rules.`,
          commands: [kubectl('svctrace', desired.name, '-n', desired.namespace, '--connect')],
        },
      ];
    });
  },
};
