import { answerText, expectedText } from '../../dns/answers.ts';
import { dnsComparisons, questionText } from '../checks/dns-comparisons.ts';
import { dnsLogs } from '../checks/dns-advice.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsWrongIp: FindingKind = {
  id: 'DNS-WRONG-IP',
  topic: 'dns',
  severity: 'error',
  condition:
    "The cluster's DNS answers a name of the Service with other addresses than its cluster IPs (headless: its ready endpoints; ExternalName: its alias).",
  notReported:
    'A headless Service whose endpoints changed, or any that was made or changed, within 35 s, for an answer is cached for up to 30 s.',
  source: 'Debug Services, "Does the Service work by DNS name?"; Kubernetes DNS-Based Service Discovery',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const wrong = dnsComparisons(node, desired).filter(
        ({ answer, expected, comparison }) =>
          answer.role === 'Service' && expected.kind !== 'services' && comparison.kind === 'wrong',
      );
      const [first] = wrong;
      if (first === undefined) return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${first.answer.server}, asked from ${node.node}, answers ${first.answer.name} with ${answerText(first.answer)} instead of ${expectedText(first.expected)}.`,
          evidence: wrong.map(
            ({ answer, expected }) =>
              `${questionText(answer)} at ${answer.server}: ${answerText(answer)}; expected: ${expectedText(expected)}`,
          ),
          advice:
            'The logs of the DNS servers show whether they still follow the API server. A cache keeps old answers for 30 s.',
          commands: dnsLogs(cluster),
        },
      ];
    }),
};
