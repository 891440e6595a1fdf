/** A result beside the one that was shown before it: what happened, and how the counters moved. */
import { wholeOf, type Pieces } from '../../../core/lib/pieces.ts';
import type { ServiceTrace } from '../../../core/api/service-trace.ts';
import { changesInPieces, type StatusChange } from '../../../core/status/changes.ts';
import { extendHistory, type History } from './history.ts';
import { compareCounters, type Rates } from './rates.ts';

export interface Shown {
  readonly trace: ServiceTrace | undefined;
  readonly rates: Rates;
  readonly history: History;
}

export const nothingShown: Shown = { trace: undefined, rates: new Map(), history: new Map() };

export interface Comparison extends Pick<Shown, 'rates' | 'history'> {
  readonly changes: readonly StatusChange[];
}

export function compareWith(shown: Shown, trace: ServiceTrace): Comparison {
  return wholeOf(comparing(shown, trace));
}

export function* comparing({ trace: former, rates, history }: Shown, { status }: ServiceTrace): Pieces<Comparison> {
  const changes = status === undefined ? [] : yield* changesInPieces(former?.status, status);
  yield undefined;
  const compared = compareCounters(rates, former?.status, status);
  yield undefined;
  return {
    changes,
    rates: compared,
    history: status === undefined ? history : yield* extendHistory(history, former?.status, status),
  };
}
