import { answerText, expectedText } from '../../dns/answers.ts';
import { dnsComparisons, questionText } from '../checks/dns-comparisons.ts';
import { dnsLogs } from '../checks/dns-advice.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsSrv: FindingKind = {
  id: 'DNS-SRV',
  topic: 'dns',
  severity: 'warning',
  condition: "The cluster's DNS has no SRV record of a named port of the Service, or one with another port or target.",
  notReported:
    'Ports without a name, and of a name of 63 letters, which have no SRV record; a Service that was made or changed within 35 s; a Service whose own name DNS does not know, which DNS-NXDOMAIN reports.',
  source: 'Kubernetes DNS-Based Service Discovery, 2.3.2 and 2.4.2',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const all = dnsComparisons(node, desired).filter(({ answer }) => answer.role === 'Service');
      // Where the Service's own name is not known, its ports cannot be.
      if (all.some(({ expected, comparison }) => expected.kind !== 'services' && comparison.kind === 'absent'))
        return [];
      const wrong = all.filter(
        ({ expected, comparison }) =>
          expected.kind === 'services' && (comparison.kind === 'absent' || comparison.kind === 'wrong'),
      );
      const [first] = wrong;
      if (first === undefined) return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${first.answer.server}, asked from ${node.node}, answers ${first.answer.name} SRV with ${answerText(first.answer)} instead of ${expectedText(first.expected)}.`,
          evidence: wrong.map(
            ({ answer, expected }) =>
              `${questionText(answer)} at ${answer.server}: ${answerText(answer)}; expected: ${expectedText(expected)}`,
          ),
          advice:
            'The logs of the DNS servers show whether they still follow the API server. Clients that look up ports by name fail meanwhile.',
          commands: dnsLogs(cluster),
        },
      ];
    }),
};
