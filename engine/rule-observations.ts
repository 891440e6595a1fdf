/** What the changes that came from the nodes' watches mean for the Service: where its rules sent packets, from when on. */
import type { ServiceTraceStatus } from '../core/api/service-trace.ts';
import type { DesiredService } from '../core/api/service.ts';
import { ownChains, ruleDelta } from '../core/convergence/rule-delta.ts';
import type { RuleObservation } from '../core/convergence/rule-observation.ts';
import { present } from '../core/lib/present.ts';
import { buildNodeProgram } from '../core/program/node-program.ts';
import type { NodeProgram } from '../core/program/program.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import type { RuleRecord } from '../core/wire/watch-records.ts';
import { withOtherRules, type NodeWatches, type SeenChange } from './node-watches.ts';

/** What a status may not have had yet is what came this long before it, at most. */
const overlapMilliseconds = 10_000;

/** Of nodes that have answered, what came since the status before. */
export function ruleObservations(
  answers: readonly NodeAnswer[],
  desired: DesiredService,
  watches: Pick<NodeWatches, 'seen'>,
  previous: ServiceTraceStatus | undefined,
): RuleObservation[] {
  const before = Date.parse(previous?.collectedAt ?? '');
  const since = Number.isFinite(before) ? before - overlapMilliseconds : 0;
  const seen = watches.seen(`${desired.namespace}/${desired.name}`, since);
  return answers.flatMap((answer) =>
    'report' in answer
      ? (seen.get(answer.node) ?? []).map((change) => {
          const programOf = (record: RuleRecord): NodeProgram =>
            buildNodeProgram(withOtherRules(answer.report, record), desired);
          return observationOf(
            answer.node,
            change,
            programOf(change.record),
            change.before === undefined ? undefined : programOf(change.before),
          );
        })
      : [],
  );
}

function observationOf(
  node: string,
  { record, clock }: SeenChange,
  { frontends, chains }: NodeProgram,
  before: NodeProgram | undefined,
): RuleObservation {
  const { changes, hasLost, isSettled, polled, read } = record;
  const [first] = changes;
  const last = changes.at(-1);
  const isReported = polled.length === 0 && isSettled && last !== undefined;
  return {
    node,
    // Several changes that were read together: which of them made the rules so is not known.
    ...(hasLost || first === undefined ? {} : { earliest: first.earliest }),
    // What was read may have been so at the beginning alone.
    ...(last === undefined || !isSettled ? { latest: read.ended, readFrom: read.began } : { latest: last.latest }),
    ...present({ clock }),
    source: isReported ? 'Notification' : 'Reading',
    frontends,
    ...(before === undefined ? {} : { delta: ruleDelta(ownChains(before.chains), ownChains(chains)) }),
  };
}
