/** When a probe lists the dispatch chain, which costs what the cluster has in Services, and when counts of references do. */
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { topicOf } from '../core/diagnose/catalogue.ts';
import { ruleForeignUnknown } from '../core/diagnose/findings/rule-foreign-unknown.ts';
import type { ServiceTraceSpec, ServiceTraceStatus } from '../core/api/service-trace.ts';

export type Dispatch = NonNullable<ProbeRequest['collect']['dispatch']>;

/** Of a watched trace, each collection of this number reads the rules themselves, with their counters. */
export const everyCollection = 10;

/**
 * @param collected how often the trace was collected before
 * @returns Rules for Once, for a first collection and every tenth one, and for as long as there are findings that
 *   have to quote the rules: errors, and findings about rules; findings about a node's kernel, say, or of rules
 *   of others, needs none of them
 */
export function dispatchReading(
  mode: ServiceTraceSpec['mode'],
  collected: number,
  previous: ServiceTraceStatus | undefined,
): Dispatch {
  if (mode !== 'Watch' || collected % everyCollection === 0) return 'Rules';
  return previous?.findings === undefined ||
    previous.findings.some(({ id, severity }) => severity === 'error' || quotesRules(id))
    ? 'Rules'
    : 'References';
}

/** Of a finding that only another version knows, it may. */
function quotesRules(id: string): boolean {
  const topic = topicOf(id);
  return topic === undefined || (topic === 'rules' && id !== ruleForeignUnknown.id);
}
