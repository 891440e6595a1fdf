import { hostPort } from '../../net/address.ts';
import { answerText, isNotUnderstood, isWord, problemOf, type DnsAnswer } from '../../dns/answers.ts';
import { dnsComparisons, questionText } from '../checks/dns-comparisons.ts';
import { kubectl } from '../../api/command.ts';
import { dnsLogs } from '../checks/dns-advice.ts';
import type { Facts, FindingKind } from '../checks/finding.ts';

export const dnsServer: FindingKind = {
  id: 'DNS-SERVER',
  topic: 'dns',
  severity: 'warning',
  condition:
    "One server of the cluster's DNS does not answer, or answers differently from the others: every so often a client is sent to it.",
  notReported:
    'A server that answers when it is asked again, or is no longer a ready endpoint; servers of which none can be asked directly, as behind NodeLocal DNSCache.',
  source: 'this project: the DNS Service chooses a server at random for each question',
  find: (facts) => {
    const { nodes, desired, cluster } = facts;
    const ready = cluster?.dns?.servers?.filter((server) => server.ready);
    return serversOf(facts)
      .filter(
        ({ address, port }) =>
          ready === undefined || ready.some((server) => server.address === address && server.port === port),
      )
      .flatMap((server) => {
        const { address, port, responses } = server;
        const silent = responses.filter(({ answer }) => !isWord(answer) && !isNotUnderstood(answer));
        // A node on which no server answers has DNS-DOWN, or a network that does not let it ask.
        const alone = silent.filter(({ node }) =>
          serversOf({ ...facts, nodes: nodes.filter((each) => each.node === node) }).some(
            (other) => other.address !== address && other.responses.some(({ answer }) => isWord(answer)),
          ),
        );
        const differing = nodes.flatMap((node) => {
          const all = dnsComparisons(node, desired);
          return all
            .filter(
              ({ answer, comparison }) =>
                answer.server === address &&
                answer.port === port &&
                (comparison.kind === 'wrong' || comparison.kind === 'absent'),
            )
            .filter(({ expected }) =>
              all.some(
                (other) =>
                  other.answer.server !== address &&
                  other.expected === expected &&
                  other.answer.role === 'Endpoint' &&
                  other.comparison.kind === 'right',
              ),
            )
            .map(({ answer }) => ({ node: node.node, answer }));
        });
        if (alone.length === 0 && differing.length === 0) return [];
        const pod = cluster?.dns?.servers?.find((each) => each.address === address)?.pod;
        const name = `${hostPort(address, port)}${pod === undefined ? '' : ` (pod ${pod})`}`;
        return [
          {
            where: pod === undefined ? `endpoint/${address}` : `pod/${pod}`,
            message:
              alone.length > 0
                ? `The DNS server ${name} does not answer ${names(alone)}, while another server does.`
                : `The DNS server ${name} answers differently from another server when ${names(differing)} asks.`,
            evidence: [...alone, ...differing]
              .slice(0, 10)
              .map(
                ({ node, answer }) =>
                  `${questionText(answer)} at ${hostPort(address, port)} from ${node}: ${isWord(answer) ? answerText(answer) : problemOf(answer)}`,
              ),
            advice: 'Its log shows why. Once its pod is deleted, its controller starts another.',
            commands:
              pod === undefined
                ? dnsLogs(cluster)
                : [
                    kubectl('-n', 'kube-system', 'logs', `pod/${pod}`, '--all-containers'),
                    kubectl('-n', 'kube-system', 'delete', `pod/${pod}`),
                  ],
          },
        ];
      });
  },
};

interface Server {
  readonly address: string;
  readonly port: number;
  readonly responses: readonly { readonly node: string; readonly answer: DnsAnswer }[];
}

function serversOf({ nodes }: Facts): Server[] {
  const servers = new Map<
    string,
    { address: string; port: number; responses: { node: string; answer: DnsAnswer }[] }
  >();
  for (const { node, read } of nodes) {
    for (const answer of read?.dnsAnswers ?? []) {
      if (answer.role !== 'Endpoint') continue;
      const key = hostPort(answer.server, answer.port);
      const server = servers.get(key) ?? { address: answer.server, port: answer.port, responses: [] };
      server.responses.push({ node, answer });
      servers.set(key, server);
    }
  }
  return [...servers.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, server]) => server);
}

function names(responses: readonly { readonly node: string }[]): string {
  return [...new Set(responses.map(({ node }) => node))].join(', ');
}
