import { answerText, expectedText } from '../../dns/answers.ts';
import { dnsComparisons, knowsCluster, questionText } from '../checks/dns-comparisons.ts';
import { kubectl } from '../../api/command.ts';
import { dnsLogs } from '../checks/dns-advice.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsNxdomain: FindingKind = {
  id: 'DNS-NXDOMAIN',
  topic: 'dns',
  severity: 'error',
  condition:
    "The cluster's DNS says that a name of the Service does not exist, or has no record of a family that it should have.",
  notReported:
    'A headless Service without a ready endpoint, which has no name, and one whose endpoints changed within 35 s; any Service that was made or changed within 35 s: an answer, also that there is none, is cached for up to 30 s.',
  source: 'Debug Services, "Does the Service work by DNS name?"; Kubernetes DNS-Based Service Discovery',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const absent = dnsComparisons(node, desired).filter(
        ({ answer, expected, comparison }) =>
          answer.role === 'Service' && expected.kind !== 'services' && comparison.kind === 'absent',
      );
      const [first] = absent;
      if (first === undefined) return [];
      const { answer } = first;
      const isUnknown = knowsCluster(node, desired, answer.server) === false;
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${answer.server}, asked from ${node.node}, ${answer.responseCode === 'NXDOMAIN' ? `does not know ${answer.name}` : `has no ${answer.type} record of ${answer.name}`}.`,
          evidence: [
            ...absent.map(
              (each) =>
                `${questionText(each.answer)} at ${each.answer.server}: ${answerText(each.answer)}; expected: ${expectedText(each.expected)}`,
            ),
            ...(isUnknown ? ['kubernetes.default is not known there either'] : []),
          ],
          ...(isUnknown
            ? {
                advice:
                  "CoreDNS's configuration names the domain that it serves: it may be another than the one that was asked.",
                commands: [kubectl('-n', 'kube-system', 'get', 'configmap/coredns', '-o', 'yaml')],
              }
            : {
                advice: 'The logs of the DNS servers show whether they still follow the API server.',
                commands: dnsLogs(cluster),
              }),
        },
      ];
    }),
};
