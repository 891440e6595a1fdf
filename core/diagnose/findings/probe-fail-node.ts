import { connectionText, endpointConnections, endpointText } from '../connections.ts';
import { shellOn } from '../command.ts';
import type { FindingKind } from '../finding.ts';

export const probeFailNode: FindingKind = {
  id: 'PROBE-FAIL-NODE',
  severity: 'error',
  condition: 'The active check (--connect) did not reach endpoints from one node that other nodes do reach: the route from that node is at fault.',
  source: 'Debug Services; node compared with node',
  find: (facts) => {
    const partly = endpointConnections(facts).filter(({ reachedFrom, failed }) => reachedFrom.length > 0 && failed.length > 0);
    return facts.nodes.flatMap(({ node: name }) => {
      const lost = partly.flatMap(({ endpoint, reachedFrom, failed }) => failed.filter(({ node }) => node.node === name).map(({ connection }) => ({ endpoint, reachedFrom, connection })));
      const [first] = lost;
      if (first === undefined) return [];
      return [
        {
          where: `node/${name}`,
          node: name,
          message: `${name} does not reach ${lost.map(({ endpoint }) => endpointText(facts.desired, endpoint)).slice(0, 5).join(', ')}, which ${first.reachedFrom.map(({ node }) => node).slice(0, 3).join(', ')} ${first.reachedFrom.length === 1 ? 'reaches' : 'reach'}.`,
          evidence: lost.slice(0, 10).map(({ connection }) => `from ${name} to ${connectionText(connection)}`),
          advice: `The route on ${name} to the endpoint, and the log of the CNI's pod there, show where the packet goes.`,
          commands: [shellOn(name, 'ip', 'route', 'get', first.endpoint.address)],
        },
      ];
    });
  },
};
