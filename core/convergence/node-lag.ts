/**
 * When a node's rules had a change of the EndpointSlices, by everything that was seen of them: the order in which it became
 * known does not matter.
 */
import type { ExpectedTargetStatus, NodeLagStatus } from '../api/service-trace.ts';
import { comparableAddress } from '../net/address.ts';
import { familyOf } from '../net/family.ts';
import { oncePer } from '../lib/once-per.ts';
import type { ObservedFrontend, RuleObservation } from './rule-observation.ts';

/** What a change asks of one node, and bounds of the time from which on the API server had it: milliseconds since 1970. */
export interface NodeChange {
  readonly earliest: number;
  readonly latest: number;
  readonly targets: readonly ExpectedTargetStatus[];
}

/** An observation by the collector's clock: the rules were so at some time from `from` to `to`, and not so at `notBefore` or at any time before. */
interface Seen {
  readonly from: number;
  readonly to: number;
  readonly notBefore?: number;
  readonly isWatched: boolean;
  /** Of the clock that both times are converted from. */
  readonly offset: number;
  readonly uncertainty: number;
  readonly frontends: readonly ObservedFrontend[];
}

/** The other changes, as they are asked of the same node, each list in their order. */
export interface OtherChanges {
  readonly earlier: readonly NodeChange[];
  readonly later: readonly NodeChange[];
}

/**
 * A node that is behind may do what is asked by chance, because the change before has not reached it either: then it does
 * the contrary once more. So what counts is when it did so for good.
 * @param former what was known before; an observation that is given again changes nothing
 */
export function nodeLag(
  former: NodeLagStatus,
  change: NodeChange,
  { earlier, later }: OtherChanges,
  observations: readonly RuleObservation[],
): NodeLagStatus {
  const ends = change.targets.map((target) => endOf(target, later));
  const judged = observations
    .map(seenOf)
    .sort((one, other) => one.to - other.to || one.from - other.from)
    .map((seen): Judged => ({ seen, verdict: verdictOf(seen, change.targets, ends) }));
  const before = (seen: Seen): Verdict =>
    judged.findLast((other) => other.verdict !== undefined && isBefore(other.seen, seen))?.verdict;
  const formerUpper = former.maxMilliseconds === undefined ? undefined : change.earliest + former.maxMilliseconds;
  const formerLower =
    former.fromMilliseconds !== undefined
      ? change.earliest + former.fromMilliseconds
      : former.minMilliseconds === 0
        ? -Infinity
        : change.latest + former.minMilliseconds;
  const lastWithout = judged.findLast(
    ({ seen, verdict }) => verdict === 'Without' && (formerUpper === undefined || seen.from <= formerUpper),
  )?.seen;
  const isOnlyOne = !earlier.some(({ targets }) => targets.some((target) => isAskedIn(target, change.targets)));
  const firstWith = judged.find(
    ({ seen, verdict }) =>
      verdict === 'With' &&
      (lastWithout === undefined ||
        isAfter(seen, lastWithout) ||
        // What changed once more after a notification would have been reported, too; unless it is that very report.
        (seen.isWatched && seen.to >= lastWithout.from && !isAfter(lastWithout, seen))) &&
      // What was seen while nobody knows whether the change was made already is of it only where rules changed to it.
      (seen.from >= change.latest || (seen.to >= change.earliest && isOnlyOne && before(seen) === 'Without')),
  )?.seen;
  const upper = firstWith === undefined ? formerUpper : Math.min(firstWith.to, formerUpper ?? Infinity);
  let lower = Math.max(formerLower, lastWithout?.from ?? -Infinity);
  // That the rules became so says when they had this change only where they are known not to have had it before.
  if (firstWith?.notBefore !== undefined && firstWith.to === upper) {
    const was = before(firstWith) ?? (former.minMilliseconds > 0 ? 'Without' : undefined);
    if (was === 'Without' || was === 'Undone') lower = Math.max(lower, firstWith.notBefore);
  }
  if (upper !== undefined && lower > upper) lower = -Infinity;
  return {
    node: former.node,
    state: upper === undefined ? undoneState(former, change, ends, judged) : 'Arrived',
    minMilliseconds: Number.isFinite(lower) ? Math.max(0, Math.floor(lower - change.latest)) : 0,
    ...(upper === undefined ? {} : { maxMilliseconds: Math.max(0, Math.ceil(upper - change.earliest)) }),
    ...(upper === undefined || lower < change.earliest
      ? {}
      : { fromMilliseconds: Math.floor(lower - change.earliest) }),
  };
}

/** Of a change that the rules are not known to have had: what was seen while nobody knows whether it was undone already says nothing. */
function undoneState(
  { state }: NodeLagStatus,
  { earliest, latest, targets }: NodeChange,
  ends: readonly TargetEnd[],
  judged: readonly Judged[],
): NodeLagStatus['state'] {
  const since = Math.max(latest, ...ends.map(({ undoneBy = -Infinity }) => undoneBy));
  const undone = judged.filter(({ seen, verdict }) => verdict === 'Undone' && seen.from >= since);
  if (state === 'NeverArrived' || undone.some(({ seen }) => seen.isWatched))
    return mayHaveHadIt({ earliest, targets }, ends, judged) ? 'Unseen' : 'NeverArrived';
  return undone.length > 0 || judged.some(({ verdict }) => verdict === 'Over') ? 'Unseen' : state;
}

/** A node that is far behind may have had it when, for all that is known, it was made already and not asked once more yet. */
function mayHaveHadIt(
  { earliest, targets }: Pick<NodeChange, 'earliest' | 'targets'>,
  ends: readonly TargetEnd[],
  judged: readonly Judged[],
): boolean {
  return judged.some(
    ({ seen }) =>
      seen.to >= earliest &&
      targets.some(
        (target, index) =>
          seen.from < (ends[index]?.againBy ?? Infinity) && isAsExpected(target, seen.frontends) === true,
      ),
  );
}

/** Whether one was made after the other; of the same clock, its offset does not count. */
function isAfter(one: Seen, other: Seen): boolean {
  return one.offset === other.offset && one.uncertainty === other.uncertainty
    ? one.from + one.uncertainty >= other.to - other.uncertainty
    : one.from >= other.to;
}

function isBefore(one: Seen, other: Seen): boolean {
  return one !== other && isAfter(other, one);
}

/** Whether rules have all of what is asked; undefined where they are not known. Over: what was undone was asked once more. */
type Verdict = 'With' | 'Without' | 'Undone' | 'Over' | undefined;

interface Judged {
  readonly seen: Seen;
  readonly verdict: Verdict;
}

function verdictOf(seen: Seen, targets: readonly ExpectedTargetStatus[], ends: readonly TargetEnd[]): Verdict {
  let [satisfied, missing, undone] = [0, 0, 0];
  for (const [index, target] of targets.entries()) {
    const end = ends[index];
    // Made once more: from then on, nobody knows which of the two the rules have.
    if (end?.again !== undefined && seen.to >= end.again) return 'Over';
    const isAsAsked = isAsExpected(target, seen.frontends);
    if (isAsAsked === undefined) return undefined;
    if (isAsAsked) satisfied += 1;
    else if (end?.undone !== undefined && seen.to >= end.undone) undone += 1;
    else missing += 1;
  }
  if (missing > 0) return 'Without';
  if (satisfied > 0) return 'With';
  return undone > 0 ? 'Undone' : undefined;
}

interface TargetEnd {
  /** When a later change asked for the contrary, and when one after that asked for the same again, at the earliest. */
  readonly undone?: number;
  /** The same at the latest. */
  readonly undoneBy?: number;
  readonly again?: number;
  readonly againBy?: number;
}

function isAskedIn(target: ExpectedTargetStatus, targets: readonly ExpectedTargetStatus[]): boolean {
  return targets.some((other) => isSameTarget(other, target) && other.present === target.present);
}

function endOf(target: ExpectedTargetStatus, later: readonly NodeChange[]): TargetEnd {
  let end: TargetEnd = {};
  for (const { earliest, latest, targets } of later) {
    const same = targets.find((other) => isSameTarget(other, target));
    if (same === undefined) continue;
    if (end.undone === undefined && same.present !== target.present) end = { undone: earliest, undoneBy: latest };
    else if (end.undone !== undefined && same.present === target.present)
      return { ...end, again: earliest, againBy: latest };
  }
  return end;
}

function isSameTarget(one: ExpectedTargetStatus, other: ExpectedTargetStatus): boolean {
  return (
    one.address === other.address &&
    one.port === other.port &&
    one.protocol === other.protocol &&
    one.portName === other.portName &&
    (one.traffic === other.traffic || one.traffic === undefined || other.traffic === undefined)
  );
}

/** Undefined where the rules of a frontend were not read or not understood, or none is asked of. */
function isAsExpected(target: ExpectedTargetStatus, frontends: readonly ObservedFrontend[]): boolean | undefined {
  const family = familyOf(target.address);
  const own = frontends.filter(
    (frontend) =>
      frontend.family === family &&
      frontend.protocol === target.protocol &&
      (frontend.portName ?? '') === (target.portName ?? '') &&
      (target.traffic === undefined || (frontend.frontend === 'ClusterIP') === (target.traffic === 'internal')),
  );
  if (own.length === 0 || own.some(({ verdict }) => verdict === 'Unknown')) return undefined;
  const key = keyOf(target);
  return own.every(({ dnatTargets }) => keysOf(dnatTargets).has(key) === target.present);
}

function keyOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${comparableAddress(address)} ${String(port)}`;
}

/** Nodes with the same rules may share them. */
const keysOf = oncePer((targets: ObservedFrontend['dnatTargets']) => new Set(targets.map(keyOf)));

function seenOf({ earliest, latest, readFrom, clock, source, frontends }: RuleObservation): Seen {
  const offset = clock?.milliseconds ?? 0;
  const uncertainty = clock?.uncertainty ?? 0;
  return {
    from: (readFrom ?? latest) - offset - uncertainty,
    to: latest - offset + uncertainty,
    ...(earliest === undefined ? {} : { notBefore: earliest - offset - uncertainty }),
    isWatched: source === 'Notification',
    offset,
    uncertainty,
    frontends,
  };
}
