/** A rollout's result as a JUnit report: a test case for each endpoint that went, and one for each thing that is not known. */
import XmlBuilder from 'fast-xml-builder';
import { visible } from '../../core/lib/visible.ts';
import { gapText, goneText, sleepText, verdictText } from '../../core/rollout/result-text.ts';
import type { GoneEndpoint, RolloutResult } from '../../core/rollout/result.ts';

interface Problem {
  readonly '@message': string;
  readonly '@type': string;
}

/** As Jenkins' xunit plugin has it in junit-10.xsd: attributes begin with @. */
interface TestCase {
  readonly '@classname': string;
  readonly '@name': string;
  readonly '@time': string;
  readonly failure?: Problem;
  readonly error?: Problem;
  readonly 'system-out'?: string;
}

/** What is not known is an error, as that of a test that could not run: no reader of the file takes it for a success. */
export function junitOf(given: RolloutResult): string {
  // XML has no way to write control characters.
  const result = visible(given);
  const { namespace, service, startedAt, endedAt, goneEndpoints, gaps } = result;
  const seconds = ((Date.parse(endedAt) - Date.parse(startedAt)) / 1000).toFixed(3);
  const testcase = (name: string, more: Partial<TestCase> = {}): TestCase => ({
    '@classname': `rollout.${namespace}.${service}`,
    '@name': name,
    '@time': '0',
    ...more,
  });
  const cases = [
    testcase(`rollout of ${namespace}/${service}`, { '@time': seconds, 'system-out': verdictText(result) }),
    ...goneEndpoints.map((endpoint) => testcase(nameOf(endpoint), resultOf(endpoint))),
    ...gaps.map((gap) => testcase(gap.kind, { error: { '@message': gapText(gap), '@type': gap.kind } })),
  ];
  const counts = {
    '@tests': String(cases.length),
    '@failures': String(cases.filter(({ failure }) => failure !== undefined).length),
    '@errors': String(cases.filter(({ error }) => error !== undefined).length),
  };
  const builder = new XmlBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    format: true,
    suppressEmptyNode: true,
    suppressBooleanAttributes: false,
  });
  const body = builder.build({
    testsuites: {
      '@name': 'kubectl svctrace rollout',
      ...counts,
      '@time': seconds,
      testsuite: {
        '@name': `rollout of ${namespace}/${service}`,
        ...counts,
        '@skipped': '0',
        // An XSD dateTime as JUnit writes it: without a zone, which is UTC.
        '@timestamp': startedAt.slice(0, 19),
        '@time': seconds,
        properties: {
          property: propertiesOf(result).map(([name, value]) => ({ '@name': name, '@value': value })),
        },
        testcase: cases,
      },
    },
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n${body}`;
}

function propertiesOf({ verdict, command, preStopSleep }: RolloutResult): [string, string][] {
  return [
    ['verdict', verdict],
    ...(command === undefined ? [] : [['command', command.words.join(' ')] satisfies [string, string]]),
    ...(preStopSleep === undefined
      ? []
      : ([
          ['preStopSleepSeconds', String(preStopSleep.seconds)],
          ['preStopSleepIsEnough', String(preStopSleep.isEnough)],
          ['preStopSleep', sleepText(preStopSleep)],
        ] satisfies [string, string][])),
  ];
}

function nameOf({ address, pod }: GoneEndpoint): string {
  return `no new connection to ${address}${pod === undefined ? '' : ` (${pod})`} after it could stop accepting them`;
}

function resultOf(endpoint: GoneEndpoint): Partial<TestCase> {
  const text = goneText(endpoint);
  switch (endpoint.risk) {
    case 'atRisk':
      return { failure: { '@message': text, '@type': 'atRisk' } };
    case 'unknown':
      return { error: { '@message': text, '@type': 'unknown' } };
    case 'none':
      return { 'system-out': text };
  }
}
