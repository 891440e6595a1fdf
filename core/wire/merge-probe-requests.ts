/** Several requests to the probe of one node as one, and the part of its report that is the answer to one of them. */
import type { NodeReport, NodeReportRecord } from './node-report.ts';
import { maxDnsQuestions, type ProbeRequest } from './probe-request.ts';

/** A reading of so many Services still takes a few seconds and a few MiB. */
const maxServices = 32;

/**
 * One request whose report answers both; undefined where one report cannot: another way of reading was asked for, both
 * together are too much, or they say different things of the same Service. Connections are made for one trace alone.
 */
export function mergeProbeRequests(one: ProbeRequest, other: ProbeRequest): ProbeRequest | undefined {
  const [first, second] = [one.collect, other.collect];
  if (first.connect !== undefined || second.connect !== undefined) return undefined;
  if (wayOfReading(one) !== wayOfReading(other)) return undefined;
  const services = new Map(one.services.map((service) => [nameOf(service), service]));
  for (const service of other.services) {
    const known = services.get(nameOf(service));
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(service)) return undefined;
    services.set(nameOf(service), service);
  }
  if (services.size > maxServices) return undefined;
  const questions = new Map(
    [...(first.dns?.questions ?? []), ...(second.dns?.questions ?? [])].map((question) => [
      JSON.stringify(question),
      question,
    ]),
  );
  if (questions.size > maxDnsQuestions) return undefined;
  return {
    ...one,
    services: [...services.values()],
    collect: {
      ...first,
      // The rules themselves say all that counts of references say, and lines of entries all that their number does.
      dispatch: first.dispatch === 'References' && second.dispatch === 'References' ? 'References' : 'Rules',
      conntrack: second.conntrack === 'Entries' ? 'Entries' : first.conntrack,
      ...(first.dns === undefined ? {} : { dns: { ...first.dns, questions: [...questions.values()] } }),
    },
  };
}

/** The part of a merged request's report that answers one of the requests: nothing of other Services, and no more than it asked for. */
export function nodeReportFor(report: NodeReport, { services, collect }: ProbeRequest): NodeReport {
  const own = new Set(services.map(nameOf));
  const records = report.records.flatMap((record): NodeReportRecord[] => {
    if ('service' in record && record.service !== undefined && !own.has(record.service)) return [];
    return record.kind === 'conntrack' && collect.conntrack !== 'Entries' && record.lines.length > 0
      ? [{ ...record, lines: [] }]
      : [record];
  });
  return { ...report, records };
}

/** Requests whose text here is the same may be one. */
function wayOfReading({ version, node, collect, maxConntrackEntries }: ProbeRequest): string {
  const { rules, kubeProxy, system, conntrack, dns } = collect;
  return JSON.stringify([
    version,
    node,
    rules,
    kubeProxy,
    system === true,
    conntrack === 'None',
    dns === undefined ? null : { ...dns, questions: [] },
    maxConntrackEntries,
  ]);
}

function nameOf({ namespace, name }: ProbeRequest['services'][number]): string {
  return `${namespace}/${name}`;
}
