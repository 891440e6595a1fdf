/** Both ways of a condition that is not known, followed as assumptions that a branch carries. */
import type { Assumption, Branch } from './walk.ts';

/** So many ways of one packet are followed at a time; behind them a walk says that it gave up. */
export const mostAssumed = 256;
/** The same, of branches for whatever reason: what is divided so often is no Service. */
export const mostBranches = 20_000;

/**
 * How many ways the branches follow that differ in what they assume. A Service of many endpoints has as many branches, and
 * nothing is assumed of any: those are one.
 */
export function waysOf(branches: readonly Branch[]): number {
  if (branches.length <= 1) return branches.length;
  return new Set(branches.map(({ assumed }) => (assumed ?? []).map(({ rule, holds }) => `${String(holds)} ${rule}`).join('\n'))).size;
}

export function assume(branch: Branch, rule: string, holds: boolean): Branch {
  return { ...branch, assumed: [...(branch.assumed ?? []), { rule, holds }] };
}

/** Where nothing hangs on an assumption, for the packet is the same either way, the two branches are one without it. */
export function withoutIdleAssumptions(branches: readonly Branch[]): readonly Branch[] {
  if (branches.length < 2 || branches.every(({ assumed }) => assumed === undefined)) return branches;
  /** Those that may be one, in the order in which the first of them came. */
  const groups = new Map<string, Branch[]>();
  for (const branch of branches) {
    const state = stateOf(branch);
    const group = groups.get(state) ?? [];
    groups.set(state, group);
    addTo(group, branch);
  }
  return [...groups.values()].flat();
}

/** As long as one of the group and the branch differ in one assumption alone, they are one without it. */
function addTo(group: Branch[], branch: Branch): void {
  let each = branch;
  for (;;) {
    const twin = group.findIndex((other) => idleAssumption(each, other) !== undefined);
    const other = group[twin];
    if (other === undefined) break;
    const at = idleAssumption(each, other) ?? 0;
    group.splice(twin, 1);
    each = withAssumptions(other, (each.assumed ?? []).filter((_, index) => index !== at));
  }
  group.push(each);
}

function withAssumptions({ assumed: _assumed, ...branch }: Branch, assumed: readonly Assumption[]): Branch {
  return assumed.length === 0 ? branch : { ...branch, assumed };
}

/** Where the only difference of the two is one condition that holds for one and not for the other: its place. */
function idleAssumption(one: Branch, other: Branch): number | undefined {
  const [first, second] = [one.assumed ?? [], other.assumed ?? []];
  if (first.length !== second.length) return undefined;
  const different = first.flatMap((each, index) => (isSame(each, second[index]) ? [] : [index]));
  const [at] = different;
  return at !== undefined && different.length === 1 && first[at]?.rule === second[at]?.rule ? at : undefined;
}

function isSame(one: Assumption, other: Assumption | undefined): boolean {
  return one.rule === other?.rule && one.holds === other.holds;
}

/** All that later rules may ask of a branch. */
function stateOf({ mark, isMarkUnknown, connectionMark, isConnectionMarkUnknown, remembered, dnat, accepted, masqueradedBy, untracked, zone, turned, probability }: Branch): string {
  return JSON.stringify([mark, isMarkUnknown ?? false, connectionMark ?? 0, isConnectionMarkUnknown ?? false, [...(remembered ?? [])], dnat?.address ?? '', dnat?.port ?? 0, accepted ?? '', masqueradedBy?.rule ?? '', untracked ?? false, zone?.original ?? 0, zone?.reply ?? 0, turned ?? 0, probability]);
}
