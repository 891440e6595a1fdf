/**
 * A Service's endpoints that no rule behind the DNAT tells apart are walked once: the first of them goes on for all, and
 * the others, its twins, become leaves like its own. Without that, each rule of another program is asked once for each
 * endpoint, in each walk.
 */
import { oncePer } from '../once-per.ts';
import { pathOf, type Branch, type Ended, type Leaf, type Met, type Step } from './walk.ts';

/** The branches that one goes on for, itself among them. */
export interface Twins {
  /** As they were before, in their order, each with its place among all branches then. */
  readonly members: readonly { readonly branch: Branch; readonly place: number }[];
  /** Of all of them together, as they became one. */
  readonly probability: number;
  /** What the one that goes on had met by then. */
  readonly met: Met | undefined;
}

/**
 * The branches, of which those that differ in their destination alone are one.
 * @param classOf the same for destinations that no later rule tells apart
 */
export function mergeTwins(
  branches: readonly Branch[],
  classOf: (address: string, port: number) => string,
): readonly Branch[] {
  if (branches.length < 2) return branches;
  const groups = new Map<string, { branch: Branch; place: number }[][]>();
  // What was not rewritten, or goes on for others already, stays as it is.
  const merged: (Branch | { branch: Branch; place: number }[])[] = [];
  branches.forEach((branch, place) => {
    if (branch.dnat === undefined || branch.twins !== undefined) {
      merged.push(branch);
      return;
    }
    const key = `${classOf(branch.dnat.address, branch.dnat.port)} ${String(branch.mark)}`;
    const known = groups.get(key);
    const group = known?.find((each) => each[0] !== undefined && isSameState(each[0].branch, branch));
    if (group !== undefined) {
      group.push({ branch, place });
      return;
    }
    const own = [{ branch, place }];
    merged.push(own);
    if (known === undefined) groups.set(key, [own]);
    else known.push(own);
  });
  return merged.flatMap((each): Branch | [] => {
    if (!Array.isArray(each)) return each;
    const [first] = each;
    if (first === undefined) return [];
    const probability =
      each.length === 1 ? first.branch.probability : each.reduce((sum, { branch }) => sum + branch.probability, 0);
    return { ...first.branch, probability, twins: { members: each, probability, met: first.branch.met } };
  });
}

/**
 * What a branch is beside its state: its share, its destination and its way, how the chain before ended for it, and the
 * lists of `recent` that it is in, for each endpoint has its own and only the chains before the DNAT ask for those.
 */
const ownParts: ReadonlySet<string> = new Set<keyof Ended>([
  'probability',
  'dnat',
  'met',
  'verdict',
  'chain',
  'recentLists',
]);

const statesOf = oncePer((branch: Branch): readonly (readonly [string, unknown])[] =>
  Object.entries(branch).filter(([part, value]) => !ownParts.has(part) && value !== undefined),
);

function isSameState(one: Branch, other: Branch): boolean {
  const [states, others] = [statesOf(one), statesOf(other)];
  return states.length === others.length && states.every(([part, value]) => other[part as keyof Branch] === value);
}

/** A leaf, with what its place among the others is told by. */
interface Ending {
  readonly leaf: Leaf;
  readonly place: number;
  /** The last rule that it met together with its twins. */
  readonly last: Step | undefined;
}

/** The leaves of a walk, in the order in which each branch by itself would have come to its end. */
export class Endings {
  readonly #endings: Ending[] = [];

  /** @param leaf of the branch; of its twins, each has one like it */
  add({ twins, met }: Branch, leaf: Leaf): void {
    if (twins === undefined) {
      this.#endings.push({ leaf, place: -1, last: undefined });
      return;
    }
    const share = leaf.probability / twins.probability;
    const together = pathOf(met, twins.met);
    const last = together.at(-1);
    for (const { branch, place } of twins.members) {
      const { probability, dnat, met: before } = branch;
      const own: Leaf = { ...leaf, probability: probability * share, path: [...pathOf(before), ...together] };
      this.#endings.push({
        leaf: leaf.dnat === undefined || dnat === undefined ? own : { ...own, dnat, decidedBy: dnat.by.chain },
        place,
        last,
      });
    }
  }

  leaves(): Leaf[] {
    const leaves: Leaf[] = [];
    for (let from = 0; from < this.#endings.length;) {
      const first = this.#endings[from];
      let to = from + 1;
      for (let next = this.#endings[to]; next !== undefined && isAlike(next, first); next = this.#endings[to]) to += 1;
      for (const { leaf } of this.#endings.slice(from, to).sort((one, other) => one.place - other.place))
        if (leaf.probability > 0) leaves.push(leaf);
      from = to;
    }
    return leaves;
  }
}

/** Whether two ended by the same rules: then they stand as they stood before. */
function isAlike(one: Ending, other: Ending | undefined): boolean {
  return (
    other !== undefined &&
    one.place >= 0 &&
    other.place >= 0 &&
    one.last === other.last &&
    one.leaf.verdict === other.leaf.verdict
  );
}
