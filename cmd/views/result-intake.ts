/**
 * What comes from the source, on its way to the screen. A result of a thousand nodes takes longer than a frame to work
 * out: that is done in pieces, between which keys are taken, and the result is shown when all that the views ask of it
 * is known. Until then, the one before it is.
 */
import { endpointsByAddress } from '../../core/api/endpoints-by-address.ts';
import type { Pieces } from '../../core/lib/pieces.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { TraceEvent } from '../sources/source.ts';
import { comparing, nothingShown, type Comparison, type Shown } from './state/comparison.ts';
import { explainerOf } from './state/explainers.ts';
import { troubleOf } from './state/node-order.ts';
import { growTree } from './state/rules-tree.ts';

/** In milliseconds: a key that waits for a piece still has most of a frame for its own answer. */
const longestPiece = 3;

/** @returns what takes the source's events; `show` gets them in their order, but of results that wait for one another only the last */
export function createIntake(
  show: (event: TraceEvent, comparison?: Comparison) => void,
  signal: AbortSignal,
): (event: TraceEvent) => void {
  const waiting: TraceEvent[] = [];
  let shown: Shown = nothingShown;
  let pieces: Pieces<Comparison> | undefined;

  /** Works until nothing is left, or this piece is long enough; a small result is shown at once. */
  const work = (): void => {
    const until = performance.now() + longestPiece;
    for (let event = waiting[0]; event !== undefined && !signal.aborted; event = waiting[0]) {
      if (event.kind !== 'trace') show(event);
      else {
        pieces ??= workingOut(shown, event.trace);
        let step = pieces.next();
        while (step.done !== true) {
          if (performance.now() > until) {
            setImmediate(work);
            return;
          }
          step = pieces.next();
        }
        pieces = undefined;
        shown = { trace: event.trace, ...step.value };
        show(event, step.value);
      }
      waiting.shift();
    }
  };

  return (event) => {
    if (event.kind === 'trace') dropOlderResults(waiting, pieces === undefined ? 0 : 1);
    waiting.push(event);
    if (waiting.length === 1) work();
  };
}

/** @param from the first event that is not being worked on */
function dropOlderResults(waiting: TraceEvent[], from: number): void {
  for (let index = waiting.length - 1; index >= from; index -= 1)
    if (waiting[index]?.kind === 'trace') waiting.splice(index, 1);
}

/** What changed, and all that the views keep of a result once it was asked for. */
function* workingOut(shown: Shown, trace: ServiceTrace): Pieces<Comparison> {
  const comparison = yield* comparing(shown, trace);
  const { status } = trace;
  if (status === undefined) return comparison;
  endpointsByAddress(status);
  yield undefined;
  for (const node of status.nodes ?? []) {
    troubleOf(node, trace);
    yield undefined;
  }
  for (const program of status.programs ?? []) {
    const node = status.nodes?.find((each) => each.program === program.fingerprint);
    if (node !== undefined) yield* growTree(program, explainerOf(program, node, trace));
  }
  return comparison;
}
