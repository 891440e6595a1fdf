import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const nodeNotReady: FindingKind = {
  id: 'NODE-NOTREADY',
  topic: 'nodes',
  severity: 'warning',
  isLasting: true,
  condition: 'A node that was asked, or that has endpoints of the Service, is not ready.',
  notReported: 'Other nodes; nodes that are only cordoned.',
  source: 'core/v1 NodeCondition Ready; pkg/controller/nodelifecycle',
  find: ({ desired, cluster, nodes }) => {
    const asked = new Set(nodes.map(({ node }) => node));
    const endpoints = Map.groupBy(
      desired.endpointSlices.flatMap((slice) => slice.endpoints),
      ({ nodeName }) => nodeName,
    );
    return (cluster?.nodes ?? []).flatMap(({ name, ready, notReady }) => {
      const own = endpoints.get(name);
      if (ready || !(asked.has(name) || own !== undefined)) return [];
      const pods = [...new Set((own ?? []).map(({ addresses, targetRef }) => targetRef?.name ?? addresses.join(', ')))];
      return [
        {
          where: `node/${name}`,
          node: name,
          message: `${name} is not ready${pods.length === 0 ? '' : `, and ${plural(pods.length, 'endpoint')} of Service ${desired.name} ${pods.length === 1 ? 'is' : 'are'} there`}.`,
          evidence: [
            `condition Ready: ${notReady ?? 'not true'}`,
            ...(pods.length === 0 ? [] : [`endpoints: ${pods.slice(0, 10).join(', ')}`]),
          ],
          advice: `The conditions and events of node ${name} show why.`,
          commands: [kubectl('describe', `node/${name}`)],
        },
      ];
    });
  },
};
