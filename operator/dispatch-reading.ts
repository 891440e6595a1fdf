/** When a probe lists the dispatch chain, which costs what the cluster has in Services, and when counts of references do. */
import type { ProbeRequest } from '../core/probe-request.ts';
import type { ServiceTraceSpec, ServiceTraceStatus } from '../core/service-trace.ts';

type Dispatch = NonNullable<ProbeRequest['collect']['dispatch']>;

/** Of a watched trace, each collection of this number reads the rules themselves, with their counters. */
const everyCollection = 10;

/**
 * @param collected how often the trace was collected before
 * @returns Rules for Once, for a first collection and every tenth one, and for as long as there are findings, which
 *   have to quote the rules
 */
export function dispatchReading(mode: ServiceTraceSpec['mode'], collected: number, previous: ServiceTraceStatus | undefined): Dispatch {
  if (mode !== 'Watch' || collected % everyCollection === 0) return 'Rules';
  return previous?.findings === undefined || previous.findings.length > 0 ? 'Rules' : 'References';
}
