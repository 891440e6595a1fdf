/** Both outcomes of a condition that is not known, followed as assumptions that a branch carries. */
import type { Assumption, Branch, ChainOutcome, Step } from './walk.ts';
import { oncePer } from '../lib/once-per.ts';

/** So many alternatives of one packet, and so many assumptions of one branch, are followed at a time; behind them a walk says that it gave up. */
const mostAssumed = 256;
/** The same, of branches for whatever reason: what is divided so often is not a Service. */
export const mostBranches = 20_000;

/**
 * How many alternatives the branches follow that differ in what they assume. A Service of many endpoints has as many branches, and
 * nothing is assumed of any: those are one.
 */
export function alternativesOf(branches: readonly Branch[]): number {
  if (branches.length <= mostAssumed) return branches.length;
  return new Set(
    branches.map(({ assumed }) => (assumed ?? []).map(({ rule, holds }) => `${String(holds)} ${rule}`).join('\n')),
  ).size;
}

/** Whether the branch may assume one thing more, beside so many other alternatives. */
export function mayAssume(branch: Branch, alternatives: number): boolean {
  return alternatives <= mostAssumed && (branch.assumed?.length ?? 0) < mostAssumed;
}

/** @param rule as the branch is to show it; @param step the rule with what is not known of it */
export function assume(
  branch: Branch,
  rule: string,
  holds: boolean,
  step: Step,
  of: Assumption['of'] = 'condition',
): Branch {
  return { ...branch, assumed: [...(branch.assumed ?? []), { of, rule, holds, step, before: branch.met }] };
}

/** Ends branches whose result is not known; they go on as well, as if nothing had been done to them. */
export function endUnknown(branches: readonly Branch[], step: Step, chain: string): ChainOutcome {
  const assumed = (branch: Branch, holds: boolean): Branch => assume(branch, step.rule, holds, step, 'outcome');
  return {
    through: branches.filter((branch) => mayAssume(branch, 0)).map((branch) => assumed(branch, false)),
    ended: branches.map((branch) => ({ ...assumed(branch, true), verdict: 'UNKNOWN', chain })),
  };
}

interface Assuming {
  readonly assumed?: readonly Assumption[] | undefined;
}

/** Where nothing depends on an assumption, for the packet is the same either way, the two branches are one without it. */
export function withoutIdleAssumptions(branches: readonly Branch[]): readonly Branch[] {
  return withoutIdle(branches, stateOf, ({ assumed: _assumed, ...rest }, assumed) =>
    assumed.length === 0 ? rest : { ...rest, assumed },
  );
}

/**
 * The same for anything that assumes something.
 * @param stateText all that must be the same of two that differ in one assumption, and are then one
 * @param assuming one that assumes these things, and nothing else
 */
export function withoutIdle<Each extends Assuming>(
  all: readonly Each[],
  stateText: (each: Each) => string,
  assuming: (each: Each, assumed: readonly Assumption[]) => Each,
): readonly Each[] {
  if (all.length < 2 || all.every(({ assumed }) => assumed === undefined)) return all;
  /** Those that may be one, in the order in which the first of them came. */
  const groups = new Map<string, Each[]>();
  for (const each of all) {
    const state = stateText(each);
    const group = groups.get(state) ?? [];
    groups.set(state, group);
    add(group, each, assuming);
  }
  return [...groups.values()].flat();
}

/** Puts one among those of the same state: as long as it and another differ in one assumption alone, they are one without it. */
function add<Each extends Assuming>(
  group: Each[],
  one: Each,
  assuming: (each: Each, assumed: readonly Assumption[]) => Each,
): void {
  let each = one;
  for (;;) {
    let idle: number | undefined;
    const alike = group.findIndex(
      (other) => (idle = idleAssumption(each.assumed ?? [], other.assumed ?? [])) !== undefined,
    );
    const other = group[alike];
    if (other === undefined || idle === undefined) break;
    const at = idle;
    group.splice(alike, 1);
    each = assuming(
      other,
      (each.assumed ?? []).filter((_, index) => index !== at),
    );
  }
  group.push(each);
}

/** Where the only difference of the two is one condition that holds for one and not for the other: its place. */
function idleAssumption(first: readonly Assumption[], second: readonly Assumption[]): number | undefined {
  if (first.length !== second.length) return undefined;
  let at: number | undefined;
  for (let index = 0; index < first.length; index += 1) {
    const [one, other] = [first[index], second[index]];
    if (one?.step !== other?.step || one?.rule !== other?.rule) return undefined;
    if (one?.holds === other?.holds) continue;
    if (at !== undefined) return undefined;
    at = index;
  }
  return at;
}

/** All that later rules may ask of a branch. */
const stateOf = oncePer((branch: Branch): string => {
  const {
    mark,
    isMarkUnknown,
    connectionMark,
    isConnectionMarkUnknown,
    remembered,
    dnat,
    accepted,
    masqueradedBy,
    untracked,
    zone,
    turned,
    recentLists,
    probability,
  } = branch;
  return JSON.stringify([
    mark,
    isMarkUnknown ?? false,
    connectionMark ?? 0,
    isConnectionMarkUnknown ?? false,
    [...(remembered ?? [])],
    dnat?.address ?? '',
    dnat?.port ?? 0,
    accepted ?? '',
    masqueradedBy?.rule ?? '',
    untracked ?? false,
    zone?.original ?? 0,
    zone?.reply ?? 0,
    turned ?? 0,
    recentLists ?? [],
    probability,
  ]);
});
