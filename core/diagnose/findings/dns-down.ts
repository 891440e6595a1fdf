import { hostPort } from '../../net/address.ts';
import { isNotUnderstood, isWord, problemOf, type DnsAnswer } from '../../dns/answers.ts';
import { serviceDomain } from '../../dns/names.ts';
import { plural } from '../../lib/plural.ts';
import type { DesiredService } from '../../api/service.ts';
import { questionText } from '../checks/dns-comparisons.ts';
import { kubectl } from '../../api/command.ts';
import { dnsLogs } from '../checks/dns-advice.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsDown: FindingKind = {
  id: 'DNS-DOWN',
  topic: 'dns',
  severity: 'error',
  condition:
    "The cluster's DNS Service does not answer a node, or fails; the message says whether its servers answer the node directly, and blames the node's rules only where no answer came through them at all.",
  notReported:
    'A question that is answered when it is asked again; SERVFAIL for an ExternalName, whose target another server has to know; a question about the Service that the server does not understand (FORMERR).',
  source: 'Debug Services, "Does the Service work by DNS name?"',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const answers = node.read?.dnsAnswers ?? [];
      const responses = answers.filter(({ role }) => role === 'Service');
      const failed = responses.filter((answer) => isFailure(answer, desired));
      const [first] = failed;
      if (first === undefined) return [];
      const endpoints = byServer(answers.filter(({ role }) => role === 'Endpoint'));
      const answering = endpoints.filter(([, own]) => own.some(isWord)).map(([server]) => server);
      const isSilent = !responses.some(({ server, error }) => server === first.server && error === undefined);
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${first.server} ${first.error === undefined ? `fails (${problemOf(first)})` : isSilent ? 'does not answer' : `does not answer ${failed.filter(({ error }) => error !== undefined).length} of ${plural(responses.length, 'question')}`} when ${node.node} asks it; ${whose(answering, endpoints.length, cluster?.dns?.readyEndpoints)}${answering.length === 0 ? '' : isSilent ? ", so the fault is in the node's rules" : ", and other answers came through the node's rules"}.`,
          evidence: [
            ...failed.slice(0, 5).map((answer) => `${questionText(answer)} at ${answer.server}: ${problemOf(answer)}`),
            ...endpoints.map(
              ([server, own]) =>
                `server ${server}, asked directly: ${own.some(isWord) ? 'answers' : problemOf(own[0] ?? {})}`,
            ),
          ],
          ...(answering.length > 0 && isSilent
            ? {
                advice: `The rules of ${node.node} for the DNS Service show where its packets end.`,
                commands: [kubectl('svctrace', 'kube-dns', '-n', 'kube-system', '--node', node.node)],
              }
            : {
                advice:
                  'The trace of the DNS Service shows whether packets get to its servers, and their logs show why they do not answer.',
                commands: [kubectl('svctrace', 'kube-dns', '-n', 'kube-system'), ...dnsLogs(cluster)],
              }),
        },
      ];
    }),
};

function isFailure(answer: DnsAnswer, desired: DesiredService): boolean {
  if (answer.error !== undefined) return true;
  // Every server has to understand a question for an address of a short name.
  const isOwnFault = isNotUnderstood(answer) && answer.name.includes(serviceDomain(desired, ''));
  return !isWord(answer) && desired.service.type !== 'ExternalName' && !isOwnFault;
}

function whose(answering: readonly string[], asked: number, ready: number | undefined): string {
  if (answering.length > 0)
    return `${answering.length === asked ? 'its servers answer' : `${String(answering.length)} of its ${plural(asked, 'server')} answer`} the node directly`;
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
