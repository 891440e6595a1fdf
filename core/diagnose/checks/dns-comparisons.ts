/** Each DNS response to a node about the Service, beside the expected one. */
import { askedDomain, compareAnswer, isWord, type Comparison, type DnsAnswer } from '../../dns/answers.ts';
import { expectedAnswers, healthQuestion, isHeadless, type ExpectedAnswer } from '../../dns/names.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { isWithin } from './age.ts';

export interface DnsComparison {
  readonly answer: DnsAnswer;
  readonly expected: ExpectedAnswer;
  readonly comparison: Comparison;
}

/**
 * CoreDNS keeps an answer, also that there is none, for 30 s at most as kubeadm sets it up (plugin cache), and hears of a
 * change a moment after it.
 */
const cacheMilliseconds = 35_000;

/** Of one node; an answer that a cache may rightly still hold is not an answer to compare. */
export function dnsComparisons({ read }: NodeFacts, desired: DesiredService): DnsComparison[] {
  const answers = read?.dnsAnswers ?? [];
  const domain = askedDomain(answers, desired);
  if (domain === undefined || read === undefined) return [];
  const { lastChange, serviceChange, noticedChange } = desired;
  const isYoung = (...times: readonly (string | undefined)[]): boolean =>
    times.some((time) => isWithin(time, cacheMilliseconds, read.collectedAt));
  // A Service that was made, or made another one, a moment ago may rightly be answered as it was before.
  if (isYoung(serviceChange, noticedChange)) return [];
  const changed = isYoung(lastChange);
  return expectedAnswers(desired, domain).flatMap((expected) => {
    // A ClusterIP stays; what names endpoints changes with them.
    if (changed && isHeadless(desired) && expected.kind !== 'alias') return [];
    return answers
      .filter(({ name, type }) => name === expected.name && type === expected.type)
      .map((answer) => ({ answer, expected, comparison: compareAnswer(answer, expected) }));
  });
}

/** Whether a server of the node's says that it does not know the name that every cluster has; undefined where it was not asked. */
export function knowsCluster({ read }: NodeFacts, desired: DesiredService, server: string): boolean | undefined {
  const answers = read?.dnsAnswers ?? [];
  const health = healthQuestion(askedDomain(answers, desired) ?? '').name;
  const answer = answers.find((each) => each.name === health && each.server === server);
  return answer === undefined || !isWord(answer) ? undefined : answer.answers.length > 0;
}

/** `auth.default.svc.cluster.local A` */
export function questionText({ name, type }: Pick<DnsAnswer, 'name' | 'type'>): string {
  return `${name} ${type}`;
}
