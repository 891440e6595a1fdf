/** The responses of the cluster's DNS to a node, and how they differ from the expected ones. */
import { isSameAddress } from '../net/address.ts';
import { serviceDomain, type ExpectedAnswer } from './names.ts';
import { recordsOf, type NodeReport, type RecordOf } from '../wire/node-report.ts';
import type { DesiredService } from '../api/service.ts';
import { familyOf } from '../net/family.ts';

export type DnsAnswer = Omit<RecordOf<'dnsAnswer'>, 'kind' | 'service'>;

/** The answers about one Service. In reports of earlier versions, one record has the addresses of both families. */
export function readDnsAnswers(report: NodeReport, service: string): DnsAnswer[] {
  const answers = recordsOf(report, 'dnsAnswer').filter((record) => record.service === service);
  const earlier = recordsOf(report, 'dns').filter((record) => record.service === service);
  return [
    ...answers.map(({ kind: _kind, service: _service, ...answer }) => answer),
    ...earlier.flatMap(ofEarlierVersion),
  ];
}

function ofEarlierVersion({ name, server, answers, error }: RecordOf<'dns'>): DnsAnswer[] {
  const isName = error === 'ENOTFOUND' || error === 'ENODATA';
  return (['A', 'AAAA'] as const).map((type) => ({
    server,
    port: 53,
    role: 'Service',
    name,
    type,
    answers: answers.filter((address) => familyOf(address) === (type === 'A' ? 'IPv4' : 'IPv6')),
    ...(error === undefined || isName ? { responseCode: error === 'ENOTFOUND' ? 'NXDOMAIN' : 'NOERROR' } : { error }),
  }));
}

/** The server did answer, and its response is about the name: not SERVFAIL or REFUSED. */
export function isWord({ responseCode }: Pick<DnsAnswer, 'responseCode'>): boolean {
  return responseCode === 'NOERROR' || responseCode === 'NXDOMAIN';
}

/** The server read the question and does not understand it: that says nothing of the name, of the server's health, or of the path to it. */
export function isNotUnderstood({ responseCode }: Pick<DnsAnswer, 'responseCode'>): boolean {
  return responseCode === 'FORMERR' || responseCode === 'NOTIMP';
}

/** `ETIMEOUT`, or the code of the answer. */
export function problemOf({ error, responseCode }: Pick<DnsAnswer, 'error' | 'responseCode'>): string {
  return error ?? responseCode ?? 'no answer';
}

/** The domain that the questions were asked in; undefined where none is about the Service's own name. */
export function askedDomain(answers: readonly DnsAnswer[], desired: DesiredService): string | undefined {
  const prefix = serviceDomain(desired, '');
  return answers.find(({ name }) => name.startsWith(prefix))?.name.slice(prefix.length);
}

export type Comparison =
  | { readonly kind: 'right' }
  /** The name is not there, or has no record of this type. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'wrong'; readonly missing: readonly string[]; readonly extra: readonly string[] }
  /** No answer, or one that is not a word about the name. */
  | { readonly kind: 'unknown' };

/** @param answer to the very question of `expected` */
export function compareAnswer(answer: DnsAnswer, expected: ExpectedAnswer): Comparison {
  if (expected.kind === 'alias') return compareAlias(answer, expected.target);
  if (!isWord(answer)) return { kind: 'unknown' };
  const wanted = expected.kind === 'addresses' ? expected.addresses : expected.services;
  if (answer.answers.length === 0) return wanted.length === 0 ? { kind: 'right' } : { kind: 'absent' };
  const { missing, extra } =
    expected.kind === 'addresses'
      ? addressDifference(answer.answers, expected.addresses)
      : serviceDifference(answer.answers, expected.services);
  return missing.length === 0 && extra.length === 0 ? { kind: 'right' } : { kind: 'wrong', missing, extra };
}

/** Whether the alias' target has an address is another server's word: SERVFAIL with the right alias is right. */
function compareAlias(answer: DnsAnswer, target: string): Comparison {
  if (answer.alias?.toLowerCase() === target) return { kind: 'right' };
  if (!isWord(answer)) return { kind: 'unknown' };
  return answer.alias === undefined ? { kind: 'absent' } : { kind: 'wrong', missing: [target], extra: [answer.alias] };
}

function addressDifference(
  answers: readonly string[],
  expected: readonly string[],
): { missing: string[]; extra: string[] } {
  return {
    missing: expected.filter((address) => !answers.some((each) => isSameAddress(each, address))),
    extra: answers.filter((address) => !expected.some((each) => isSameAddress(each, address))),
  };
}

/** An answer is `PRIORITY WEIGHT PORT TARGET`; priority and weight are the server's own. */
function serviceDifference(
  answers: readonly string[],
  expected: Extract<ExpectedAnswer, { kind: 'services' }>['services'],
): { missing: string[]; extra: string[] } {
  const answered = answers.map((text) => {
    const [, , port = '', target = ''] = text.split(' ');
    return { text: `${port} ${target}`, port: Number(port), target: target.toLowerCase() };
  });
  const isOf = (one: (typeof answered)[number], other: (typeof expected)[number]): boolean =>
    one.port === other.port && other.targets.some((target) => target.toLowerCase() === one.target);
  return {
    missing: expected
      .filter((each) => !answered.some((one) => isOf(one, each)))
      .map(({ port, targets }) => `${port} ${targets[0] ?? ''}`),
    extra: answered.filter((one) => !expected.some((each) => isOf(one, each))).map(({ text }) => text),
  };
}

/** What should have been answered, in words. */
export function expectedText(expected: ExpectedAnswer): string {
  switch (expected.kind) {
    case 'addresses':
      return expected.addresses.join(', ') || 'no address';
    case 'services':
      return expected.services.map(({ port, targets }) => `${port} ${targets[0] ?? ''}`).join(', ') || 'no record';
    case 'alias':
      return `an alias of ${expected.target}`;
  }
}

/** What was answered, in words. */
export function answerText(answer: DnsAnswer): string {
  if (answer.error !== undefined) return answer.error;
  const alias = answer.alias === undefined ? [] : [`alias of ${answer.alias}`];
  const all = [...alias, ...answer.answers].join(', ');
  if (all !== '') return answer.responseCode === 'NOERROR' ? all : `${all} (${problemOf(answer)})`;
  return answer.responseCode === 'NOERROR' ? 'no record' : problemOf(answer);
}
