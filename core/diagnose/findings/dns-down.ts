import { hostPort } from '../../address.ts';
import { isWord, problemOf, type DnsAnswer } from '../../dns-answers.ts';
import { plural } from '../../plural.ts';
import { questionText } from '../dns-comparisons.ts';
import type { FindingKind } from '../finding.ts';

export const dnsDown: FindingKind = {
  id: 'DNS-DOWN',
  severity: 'error',
  condition: "The cluster's DNS Service does not answer a node, or fails; the message tells whether its servers answer the node directly.",
  notReported: 'SERVFAIL for an ExternalName, whose target another server has to know.',
  source: 'Debug Services, "Does the Service work by DNS name?"',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const answers = node.read?.dnsAnswers ?? [];
      const failed = answers.filter((answer) => answer.role === 'Service' && isFailure(answer, desired.service.type === 'ExternalName'));
      const [first] = failed;
      if (first === undefined) return [];
      const endpoints = byServer(answers.filter(({ role }) => role === 'Endpoint'));
      const answering = endpoints.filter(([, heard]) => heard.some(isWord)).map(([server]) => server);
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${first.server} ${first.error === undefined ? `fails (${problemOf(first)})` : 'does not answer'} when ${node.node} asks it; ${whose(answering, endpoints.length, cluster?.dns?.readyEndpoints)}.`,
          evidence: [
            ...failed.slice(0, 5).map((answer) => `${questionText(answer)} at ${answer.server}: ${problemOf(answer)}`),
            ...endpoints.map(([server, heard]) => `server ${server}, asked directly: ${heard.some(isWord) ? 'answers' : problemOf(heard[0] ?? {})}`),
          ],
          advice:
            answering.length > 0
              ? `kubectl svctrace kube-dns -n kube-system --node ${node.node} shows the rules that should lead to its servers`
              : 'kubectl svctrace kube-dns -n kube-system traces the DNS Service itself; kubectl -n kube-system logs -l k8s-app=kube-dns tells why its servers do not answer',
        },
      ];
    }),
};

function isFailure(answer: DnsAnswer, isExternalName: boolean): boolean {
  return answer.error !== undefined || (!isWord(answer) && !isExternalName);
}

function whose(answering: readonly string[], asked: number, ready: number | undefined): string {
  if (answering.length > 0) return `${answering.length === asked ? 'its servers answer' : `${String(answering.length)} of its ${plural(asked, 'server')} answer`} the node directly, so the fault is in the node's rules`;
  if (ready === 0) return 'it has no ready endpoint';
  if (asked > 0) return `nor does any of its ${plural(asked, 'server')}, asked directly`;
  return 'its servers were not asked directly';
}

function byServer(answers: readonly DnsAnswer[]): [string, DnsAnswer[]][] {
  const servers = new Map<string, DnsAnswer[]>();
  for (const answer of answers) {
    const key = hostPort(answer.server, answer.port);
    servers.set(key, [...(servers.get(key) ?? []), answer]);
  }
  return [...servers].sort(([one], [other]) => (one < other ? -1 : 1));
}
