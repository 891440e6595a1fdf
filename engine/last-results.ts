/**
 * The last answers of the nodes to traces that are watched: where only rules have changed and connections have come since, and it is not yet time to ask the
 * nodes again, a status is worked out of these and the rules as they are now. So a change is seen when it is there.
 */
import { present } from '../core/lib/present.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import { withOtherRules, type NodeWatches } from './node-watches.ts';
import { probeRequestService } from './probe-requests.ts';
import type { TraceRequest, TraceResult } from './trace-request.ts';

interface Last {
  readonly result: TraceResult;
  /** When the nodes were asked, and when it began to be worked out; milliseconds since 1970. */
  readonly askedAt: number;
  readonly begunAt: number;
}

/** Of a trace that is not asked for any more, nothing is kept for longer. */
const keptMilliseconds = 600_000;

export class LastResults {
  readonly #watches: Pick<NodeWatches, 'held' | 'seen' | 'connections'>;
  readonly #results = new Map<string, Last>();

  constructor(watches: Pick<NodeWatches, 'held' | 'seen' | 'connections'>) {
    this.#watches = watches;
  }

  /** Answers that do, by node; undefined where the nodes are to be asked. */
  withNewRules(request: TraceRequest): Map<string, NodeAnswer> | undefined {
    const last = this.#results.get(keyOf(request));
    if (last?.result.desired === undefined || request.watch === undefined) return undefined;
    const { desired, answers } = last.result;
    if (Date.now() - last.askedAt >= request.watch.intervalMilliseconds) return undefined;
    const name = `${desired.namespace}/${desired.name}`;
    if (this.#watches.seen(name, last.begunAt).size === 0 && this.#watches.connections.changedAt(name) < last.begunAt)
      return undefined;
    const service = probeRequestService(desired);
    return new Map(
      answers.flatMap((answer): [string, NodeAnswer][] => {
        if (!('report' in answer)) return [[answer.node, answer]];
        const held = this.#watches.held(answer.node, service);
        if (held === undefined) return [];
        const rulesReadAt = new Date(held.readAt).toISOString();
        if (rulesReadAt === answer.rulesReadAt) return [[answer.node, answer]];
        const { node, collectedAt, askedAt } = answer;
        const report = withOtherRules(answer.report, held);
        return [[node, { node, report, collectedAt, ...present({ askedAt }), rulesReadAt }]];
      }),
    );
  }

  /** @param isOfKept the nodes were not asked for it */
  add(request: TraceRequest, result: TraceResult, begunAt: number, isOfKept: boolean): void {
    const now = Date.now();
    for (const [key, { begunAt: at }] of this.#results) if (now - at > keptMilliseconds) this.#results.delete(key);
    if (request.watch === undefined) return;
    const key = keyOf(request);
    const askedAt = (isOfKept ? this.#results.get(key)?.askedAt : undefined) ?? begunAt;
    this.#results.set(key, { result, askedAt, begunAt });
  }

  clear(): void {
    this.#results.clear();
  }
}

function keyOf({ namespace, spec }: TraceRequest): string {
  return JSON.stringify([namespace, spec]);
}
