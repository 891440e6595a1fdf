import { connectionText, endpointText, failedEndpoints, type FailedEndpoint } from '../checks/connections.ts';
import { namesText } from '../checks/listed.ts';
import { shellOn } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const probeFailNode: FindingKind = {
  id: 'PROBE-FAIL-NODE',
  topic: 'connections',
  severity: 'error',
  condition:
    'By the active check (--connect), one node is at fault: it does not reach endpoints that other nodes reach, or no node but itself reaches its endpoints.',
  notReported: 'Where too few nodes tried to decide it (PROBE-FAIL-PATH).',
  source: 'Debug Services; node compared with node',
  find: (facts) => {
    const all = failedEndpoints(facts);
    return facts.nodes.flatMap(({ node: name }) => {
      const blamed = (why: 'itsEndpoints' | 'itsConnections'): FailedEndpoint[] =>
        all.filter(({ blames }) =>
          blames.some((blame) => blame.suspect === 'node' && blame.node === name && blame.why === why),
        );
      const [unreached, lost] = [blamed('itsEndpoints'), blamed('itsConnections')];
      const [first] = [...unreached, ...lost];
      if (first === undefined) return [];
      const texts = (endpoints: readonly FailedEndpoint[]): string =>
        namesText(endpoints.map(({ endpoint }) => endpointText(facts.desired, endpoint)));
      const reaching = lost[0]?.reachedFrom.map(({ node }) => node) ?? [];
      const evidence = [
        ...unreached.flatMap(({ failed }) =>
          failed.map(({ node, connection }) => `from ${node.node} to ${connectionText(connection)}`),
        ),
        ...lost.flatMap(({ failed }) =>
          failed
            .filter(({ node }) => node.node === name)
            .map(({ connection }) => `from ${name} to ${connectionText(connection)}`),
        ),
      ];
      const failing = [...new Set(unreached.flatMap(({ failed }) => failed.map(({ node }) => node.node)))];
      return [
        {
          where: `node/${name}`,
          node: name,
          message: [
            ...(unreached.length === 0
              ? []
              : [
                  `Only ${name} itself reaches ${texts(unreached)}; ${namesText(failing)} ${failing.length === 1 ? 'does' : 'do'} not.`,
                ]),
            ...(lost.length === 0
              ? []
              : [
                  `${name} does not reach ${texts(lost)}, which ${namesText(reaching)} ${reaching.length === 1 ? 'reaches' : 'reach'}.`,
                ]),
          ].join(' '),
          evidence: evidence.slice(0, 10),
          advice:
            unreached.length === 0
              ? `The route on ${name} to the endpoint, and the log of the CNI's pod there, show where the packet goes.`
              : `Look on ${name} at what comes in for its pods: third-party rules that drop it, a NetworkPolicy that keeps the nodes out, and the log of the CNI's pod there.`,
          commands: [shellOn(name, 'ip', 'route', 'get', first.endpoint.address)],
        },
      ];
    });
  },
};
