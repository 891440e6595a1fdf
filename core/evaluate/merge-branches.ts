/**
 * A Service's endpoints that no rule behind the DNAT distinguishes are evaluated once: the first of them goes on for all,
 * and the others become leaves like its own. Without that, each third-party rule is evaluated once for each
 * endpoint, in each walk.
 */
import { oncePer } from '../lib/once-per.ts';
import {
  pathOf,
  type Branch,
  type Ended,
  type Leaf,
  type Met,
  type Step,
  type Packet,
  type Rewritten,
} from './walk.ts';
import type { AddressClasses } from './address-classes.ts';

/** The branches that one goes on for, itself among them. */
export interface MergedBranches {
  /** As they were before, in their order. */
  readonly members: readonly Member[];
  /** Of each member. */
  readonly memberPlaces: readonly number[];
  /** Of all of them together, as they became one. */
  readonly probability: number;
  /** What the one that goes on had met by then. */
  readonly met: Met | undefined;
  /** Of endpoints of one choice: as the packet came to it; their shares and what they met are of the choice alone. */
  readonly entered?: { readonly probability: number; readonly met: Met | undefined };
  /** A member's place among all branches then is the first place, and so many for each place before its own. */
  readonly places: { readonly first: number; readonly each: number };
}

interface Member {
  readonly probability: number;
  readonly dnat?: Rewritten;
  readonly met?: Met | undefined;
}

/**
 * The branches, of which those that differ in their destination alone are one.
 * @param classes by which destinations are the same that no later rule distinguishes
 */
export function mergeBranches(branches: readonly Branch[], classes: AddressClasses, packet: Packet): readonly Branch[] {
  if (branches.length < 2 && branches[0]?.choice === undefined) return branches;
  const { source, destination, destinationPort } = packet;
  /** Rules may also ask whether the destination was rewritten at all. */
  const classOf = (address: string, port: number): string => {
    const of = classes.classOf(address, port, source);
    return address !== destination && port !== destinationPort
      ? of
      : `${of}${address === destination ? ' own address' : ''}${port === destinationPort ? ' own port' : ''}`;
  };
  const groups = new Map<string, Grouped[][]>();
  // What was not rewritten, or goes on for others already, stays as it is.
  const merged: (Branch | Grouped[])[] = [];
  let place = 0;
  for (const branch of branches) {
    const own = place;
    if (branch.choice !== undefined) {
      place += branch.choice.of.endpoints.length;
      merged.push(...chosen(branch, branch.choice, own, classes, packet, classOf));
      continue;
    }
    place += 1;
    if (branch.dnat === undefined || branch.merged !== undefined) {
      merged.push(branch);
      continue;
    }
    const key = `${classOf(branch.dnat.address, branch.dnat.port)} ${String(branch.mark)}`;
    const known = groups.get(key);
    const group = known?.find((each) => each[0] !== undefined && isSameState(each[0].branch, branch));
    if (group !== undefined) {
      group.push({ branch, place: own });
      continue;
    }
    const first = [{ branch, place: own }];
    merged.push(first);
    if (known === undefined) groups.set(key, [first]);
    else known.push(first);
  }
  return merged.flatMap((each): Branch | [] => {
    if (!Array.isArray(each)) return each;
    const [first] = each;
    if (first === undefined) return [];
    const probability =
      each.length === 1 ? first.branch.probability : each.reduce((sum, { branch }) => sum + branch.probability, 0);
    const members = each.map(({ branch: { probability: share, dnat, met } }): Member => ({
      probability: share,
      ...(dnat === undefined ? {} : { dnat }),
      met,
    }));
    return {
      ...first.branch,
      probability,
      merged: {
        members,
        memberPlaces: each.map(({ place: own }) => own),
        probability,
        met: first.branch.met,
        places: { first: 0, each: 1 },
      },
    };
  });
}

interface Grouped {
  readonly branch: Branch;
  readonly place: number;
}

/** The branches of a choice among endpoints, one for those that no later rule distinguishes. */
function chosen(
  { choice: _choice, ...entered }: Branch,
  { of, branch, branches }: NonNullable<Branch['choice']>,
  place: number,
  classes: AddressClasses,
  packet: Packet,
  classOf: (address: string, port: number) => string,
): Branch[] {
  const places = { first: place - branch * of.endpoints.length + branch, each: branches };
  return of
    .alike(classes, packet, classOf)
    .map(({ first, members, places: memberPlaces, probability: share }): Branch => {
      const met = onTopOf(entered.met, first.met);
      const probability = entered.probability * share;
      return {
        ...entered,
        probability,
        mark: first.mark ?? entered.mark,
        dnat: first.dnat,
        ...(met === undefined ? {} : { met }),
        merged: {
          members,
          memberPlaces,
          probability,
          met,
          entered: { probability: entered.probability, met: entered.met },
          places,
        },
      };
    });
}

/** What a branch met, and then what an endpoint met within its choice. */
function onTopOf(below: Met | undefined, own: Met | undefined): Met | undefined {
  let met = below;
  for (const step of pathOf(own)) met = { step, before: met };
  return met;
}

/**
 * What a branch is beside its state: its share, its destination and its path, how the chain before ended for it, and the
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

/** Leaves that came to their end together, with what decides their places among the others. */
interface Ending {
  readonly leaves: readonly Leaf[];
  /** In the order of the leaves; undefined of a branch that was not merged. */
  readonly places: readonly number[] | undefined;
  /** Where these places are among those of all branches. */
  readonly among?: MergedBranches['places'];
  /** The last rule that the merged branches met together. */
  readonly last: Step | undefined;
}

/** The leaves of a walk, in the order in which each branch by itself would have come to its end. */
export class Endings {
  readonly #endings: Ending[] = [];

  /** @param leaf of the branch; each branch that was merged into it has one like it */
  add({ merged, met }: Branch, leaf: Leaf): void {
    if (merged === undefined) {
      this.#endings.push({ leaves: [leaf], places: undefined, last: undefined });
      return;
    }
    const { members, memberPlaces, entered, places } = merged;
    const share = (leaf.probability / merged.probability) * (entered?.probability ?? 1);
    const together = pathOf(met, merged.met);
    const shared = { leaf, share, before: pathOf(entered?.met), together };
    this.#endings.push({
      leaves: members.map((member) => new MergedLeaf(shared, member)),
      places: memberPlaces,
      among: places,
      last: together.at(-1),
    });
  }

  leaves(): Leaf[] {
    const leaves: Leaf[] = [];
    for (let from = 0; from < this.#endings.length;) {
      const first = this.#endings[from];
      let to = from + 1;
      for (let next = this.#endings[to]; next !== undefined && isAlike(next, first); next = this.#endings[to]) to += 1;
      for (const leaf of inOrder(this.#endings.slice(from, to))) if (leaf.probability > 0) leaves.push(leaf);
      from = to;
    }
    return leaves;
  }
}

/** Leaves of merged branches stand in their order among themselves. */
function inOrder(endings: readonly Ending[]): readonly Leaf[] {
  const [first] = endings;
  if (first !== undefined && endings.length === 1) return first.leaves;
  return endings
    .flatMap(({ leaves, places = [], among = { first: 0, each: 1 } }) =>
      leaves.map((leaf, index) => ({ leaf, place: among.first + (places[index] ?? 0) * among.each })),
    )
    .sort((one, other) => one.place - other.place)
    .map(({ leaf }) => leaf);
}

/** Whether two ended by the same rules: then they stand as they stood before. */
function isAlike(one: Ending, other: Ending | undefined): boolean {
  return (
    other?.places !== undefined &&
    one.places !== undefined &&
    one.last === other.last &&
    one.leaves[0]?.verdict === other.leaves[0]?.verdict
  );
}

/** What merged branches have in common at their end. */
interface SharedEnd {
  readonly leaf: Leaf;
  /** Of each one's own share, what came to this end. */
  readonly share: number;
  /** The rules that they met with all of their choice, and, behind those that each one met by itself, with each other. */
  readonly before: readonly Step[];
  readonly together: readonly Step[];
}

/** One of many leaves that are the same but for their share, their destination and a part of their path: there are so many that it keeps nothing else. */
class MergedLeaf implements Leaf {
  readonly #end: SharedEnd;
  readonly #member: Member;

  constructor(end: SharedEnd, member: Member) {
    this.#end = end;
    this.#member = member;
  }

  get #shared(): Leaf {
    return this.#end.leaf;
  }

  get probability(): number {
    return this.#member.probability * this.#end.share;
  }

  get verdict(): Leaf['verdict'] {
    return this.#shared.verdict;
  }

  get dnat(): Leaf['dnat'] {
    return this.#shared.dnat === undefined ? undefined : (this.#member.dnat ?? this.#shared.dnat);
  }

  get scheduled(): Leaf['scheduled'] {
    return this.#member.dnat === undefined ? this.#shared.scheduled : this.#member.dnat.scheduled;
  }

  get masquerade(): boolean {
    return this.#shared.masquerade;
  }

  get masqueradedBy(): Leaf['masqueradedBy'] {
    return this.#shared.masqueradedBy;
  }

  get decidedBy(): Leaf['decidedBy'] {
    const { dnat } = this.#member;
    return this.#shared.dnat === undefined || dnat === undefined ? this.#shared.decidedBy : dnat.by.chain;
  }

  get droppedByPolicyOf(): Leaf['droppedByPolicyOf'] {
    return this.#shared.droppedByPolicyOf;
  }

  get assumed(): Leaf['assumed'] {
    return this.#shared.assumed;
  }

  get connection(): Leaf['connection'] {
    return this.#shared.connection;
  }

  get turned(): Leaf['turned'] {
    return this.#shared.turned;
  }

  get path(): readonly Step[] {
    const { before, together } = this.#end;
    return [...before, ...pathOf(this.#member.met), ...together];
  }
}
