/** What a symbolic walk of a packet through rules gives, the same for iptables, nftables and IPVS. */
import type { IpSet } from '../ipset/set.ts';
import type { NftElement } from '../nftables/rule.ts';
import type { Counters } from '../net/counters.ts';
import type { Protocol } from '../net/family.ts';
import type { Acted } from './action.ts';
import type { EndpointChoice } from './endpoint-choice.ts';
import type { Scheduled } from './share.ts';
import type { MergedBranches } from './merge-branches.ts';
import type { Hook } from '../net/netfilter.ts';

/** The first packet of a new connection, or of the answer to one. */
export interface Packet {
  readonly source: string;
  /** Absent where it is not known, as of a client that lets the kernel choose it. */
  readonly sourcePort?: number;
  readonly destination: string;
  /** Of an answer to a client whose port is not known, 0: rules read it by `destinationPortOf`. */
  readonly destinationPort: number;
  readonly protocol: Protocol;
  /** OUTPUT where the node itself sends it; PREROUTING where it comes from a pod or from outside. */
  readonly entersAt: 'PREROUTING' | 'OUTPUT';
  /** The interface by which it comes to the node; absent where it is not known (it is not lo then). */
  readonly inInterface?: string;
  /** The interface by which it leaves the node; absent where it is not known (it is not lo then). */
  readonly outInterface?: string;
  /** Absent for the first packet of a new connection; of an answer, what conntrack of this machine has to turn it back. */
  readonly answers?: Answered;
}

/** The connection that a packet answers. */
export interface Answered {
  /** Absent where conntrack of this machine kept none for it: the first packet was untracked. */
  readonly connection?: Connection;
}

/** What conntrack keeps of a connection after its first packet has left the machine. */
export interface Connection {
  /** The first packet, as it came to the machine. */
  readonly original: Pick<Packet, 'source' | 'sourcePort' | 'destination' | 'destinationPort'>;
  readonly zone: Zone;
  readonly mark: number;
  readonly isMarkUnknown?: boolean;
  /** Whether the first packet got another source address: its answers are turned back to the client. */
  readonly isMasqueraded: boolean;
}

/** The zone of conntrack in which each direction of a connection is looked up (CT --zone, `ct zone set`); 0 where no rule says so. */
export interface Zone {
  readonly original: number;
  readonly reply: number;
}

/** An address and a port, where that is known. */
export interface PacketEnd {
  readonly address: string;
  readonly port?: number;
}

/** Where a chain is walked from, and what is known there of the packet path. */
export interface At {
  readonly hook: Hook;
  /** Name; '' where the packet has none at this hook (as at OUTPUT); undefined where it has one that is not known, and that is not lo. */
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
}

/** What rules may ask of the machine, beside the packet. */
export interface Machine {
  /** Interfaces by which the packet surely neither comes nor leaves. */
  readonly otherInterfaces?: ReadonlySet<string>;
  /** Of all its interfaces, loopback's left out; 127.0.0.0/8 and ::1 are always its own. */
  readonly addresses: readonly string[];
  /** Sets of ipset by name; one that is not here was not read. */
  readonly ipSets: ReadonlyMap<string, IpSet>;
}

/** A rule that the packet met and whose conditions hold, or may hold. */
export interface Step extends Acted {
  readonly table: string;
  readonly chain: string;
  /** The rule as its tool prints it. */
  readonly rule: string;
  /** The map of verdicts that it asks, by name: of all Services, an element of it is the packet's own. */
  readonly verdictMap?: string;
  readonly counters?: Counters;
  /** Something of the rule is not known, and whether the packet is the same behind it. */
  readonly isUnknown?: true;
}

/** The rules that one branch met, the last one first: a list that branches share. */
export interface Met {
  readonly step: Step;
  readonly before: Met | undefined;
}

/** Where a packet is rewritten to, and by which rule. */
export interface Rewritten {
  readonly address: string;
  readonly port: number;
  /** The rule's: one packet for each connection sent there. Absent where it counts several targets together, or nothing. */
  readonly counters?: Counters;
  readonly by: Step;
  /** By a scheduler of IPVS whose shares are not known. */
  readonly scheduled?: Scheduled;
}

/** UNKNOWN: a rule took the packet of which it is not known what it does. */
export type Verdict = 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE' | 'UNKNOWN';

/** Where one branch of the walk ended. */
export interface Leaf {
  /** Of this branch among all that assume nothing, or among those of the same assumptions; without assumptions they sum to 1. */
  readonly probability: number;
  /** Whatever its end: the packet is one of a scheduler's choices whose shares are not known, and `probability` counts them as equal (`shareOf`). */
  readonly scheduled?: Scheduled | undefined;
  readonly verdict: Verdict;
  readonly dnat?: Rewritten | undefined;
  readonly masquerade: boolean;
  /** The rule that gives the packet another source address. */
  readonly masqueradedBy?: Step | undefined;
  /** The chain of the rule that decided; undefined for NONE, and where a policy did. */
  readonly decidedBy?: string | undefined;
  /** The hook at which the policy of a base chain dropped it, for no rule had accepted it. */
  readonly droppedByPolicyOf?: Hook | undefined;
  /** What had to be assumed for the packet to come here; absent where nothing had to. */
  readonly assumed?: readonly Assumption[] | undefined;
  /** Of the first packet of a connection that has left, or come to a socket: what conntrack keeps; absent where it keeps none. */
  readonly connection?: Connection | undefined;
  /** Of an answer: the ends that it has got back. */
  readonly turned?: Turned | undefined;
  /** All rules that this branch met, in order. */
  readonly path: readonly Step[];
}

/** The leaf as one that assumes these things, and nothing else: copied part by part, for a leaf may hold its path behind a getter. */
export function assuming(leaf: Leaf, assumed: readonly Assumption[]): Leaf {
  return {
    probability: leaf.probability,
    scheduled: leaf.scheduled,
    verdict: leaf.verdict,
    dnat: leaf.dnat,
    masquerade: leaf.masquerade,
    masqueradedBy: leaf.masqueradedBy,
    decidedBy: leaf.decidedBy,
    droppedByPolicyOf: leaf.droppedByPolicyOf,
    connection: leaf.connection,
    turned: leaf.turned,
    path: leaf.path,
    ...(assumed.length === 0 ? {} : { assumed }),
  };
}

/** The ends of an answer that conntrack has turned back: the destination to the client's own, the source to the one that the client asked. */
export interface Turned {
  readonly source?: PacketEnd;
  readonly destination?: PacketEnd;
}

/** A condition that is not known was taken to hold, or not to; or a target that is not known was taken to do something, or nothing. */
export interface Assumption {
  /** condition: whether the rule matches; outcome: whether its target, or the chain that it jumps to, does anything. */
  readonly of: 'condition' | 'outcome';
  /** The rule that has it; of a map, with the element that was taken to hold. */
  readonly rule: string;
  readonly holds: boolean;
  /** The rule with what is not known of it; none of those that the branch met. */
  readonly step: Step;
  /** What the branch had met before that. */
  readonly before: Met | undefined;
}

/** All branches of a walk. */
export interface WalkResult {
  readonly leaves: readonly Leaf[];
  /** The rules that any branch met, each once, in order. */
  readonly steps: readonly Step[];
  /** The same, with each choice among endpoints in place of what a packet meets within it: walks share choices. */
  readonly outline: readonly (Step | EndpointChoice)[];
  /** Matches, targets and chains that could not be followed: what depends on them is not known. */
  readonly unknown: readonly string[];
  /** Conditions that were followed both ways, as the rule has them. */
  readonly assumed: readonly string[];
}

/** What rules have put into a set or map of nftables, or taken out of it, on a packet's path. */
export interface RememberedElements {
  readonly elements: readonly RememberedElement[];
  /** An element was changed of which the key is not known. */
  readonly isUnknown?: true;
}

export interface RememberedElement {
  readonly element: NftElement;
  readonly isGone?: true;
}

/** One branch: how likely it is, and what the rules have done to the packet so far. */
export interface Branch {
  readonly probability: number;
  readonly mark: number;
  /** A rule has set the mark to a value that cannot be computed, as a hash of the packet. */
  readonly isMarkUnknown?: boolean;
  /** Of the connection (CONNMARK, `ct mark`); 0 for a new one. */
  readonly connectionMark?: number;
  readonly isConnectionMarkUnknown?: boolean;
  /** What rules have changed in sets and maps of nftables on the packet path, by name. */
  readonly remembered?: ReadonlyMap<string, RememberedElements>;
  /** Lists of iptables' `recent` in which rules have put the packet's source on its path. */
  readonly recentLists?: readonly string[];
  readonly dnat?: Rewritten;
  /** The chain of the filter hook whose rule accepted the packet. */
  readonly accepted?: string;
  /** The rule by which the packet gets another source address as it leaves. */
  readonly masqueradedBy?: Step;
  /** NOTRACK or CT --notrack: no nat rule sees the packet, and its state is UNTRACKED. */
  readonly untracked?: boolean;
  /** Absent for the zone 0 of all. */
  readonly zone?: Zone;
  readonly turned?: Turned;
  readonly assumed?: readonly Assumption[];
  readonly met?: Met;
  /** Those that this one goes on for, itself among them. */
  readonly merged?: MergedBranches;
  /** It was sent to the endpoints of a choice, and stands for one branch to each; of how many branches that came to the choice together which one it was. */
  readonly choice?: { readonly of: EndpointChoice; readonly branch: number; readonly branches: number };
}

/** What ended a branch within a chain. */
export interface Ended extends Branch {
  readonly verdict: Exclude<Verdict, 'NONE'>;
  readonly chain: string;
}

/** What a chain did with the branches that entered it. */
export interface ChainOutcome {
  /** Branches that came to the end of the chain, or returned from it. */
  readonly through: readonly Branch[];
  readonly ended: readonly Ended[];
}

/** A chain that jumps to itself, directly or not, would never end: the kernel refuses such rules. */
export class ChainLoopError extends Error {
  override readonly name = 'ChainLoopError';

  /** @param loop `chain A jumps to itself: A -> B -> A` */
  constructor(loop: string) {
    super(`The rules cannot be followed: ${loop}`);
  }
}

/**
 * Deeper than any ruleset that kube-proxy or a firewall writes; the kernel's own limit for nftables is 16 jumps, and that of
 * x_tables is the number of chains. What a deeper chain does is unknown.
 */
export const maxDepth = 64;
export const tooDeep = `is more than ${String(maxDepth)} jumps deep`;

/** What several walks of one packet leave behind together. */
export class Trail {
  /**
   * What is not known is followed both ways, as assumptions. Without it, it is taken as not matching: of kube-proxy's own
   * rules that is how a program is read in spite of others' rules between them.
   */
  readonly followsUnknown: boolean;
  /** Branches to the endpoints of a choice may be one, which is split behind the chain. */
  sharesChoices = false;
  steps: Step[] = [];
  readonly outline: (Step | EndpointChoice)[] = [];
  readonly unknown = new Set<string>();
  /** Conditions that were followed both ways, as the rule has them. */
  readonly assumed = new Set<string>();
  readonly #seen = new Map<object, Step>();
  readonly #choices = new Set<EndpointChoice>();
  /** Of rules with something that is not known: their step is another one than where they were followed. */
  readonly #unknownSteps = new Map<object, Step>();

  constructor(followsUnknown = false) {
    this.followsUnknown = followsUnknown;
  }

  /** The branches with the rule among what they met; a rule that several branches meet is one step. */
  meet(rule: object, step: Step, branches: readonly Branch[]): Branch[] {
    const known = this.#stepOf(rule);
    if (known === undefined) {
      this.#seen.set(rule, step);
      this.#add(step);
    }
    const shared = known ?? step;
    return branches.map((branch) => ({ ...branch, met: { step: shared, before: branch.met } }));
  }

  /** The rules that were met, each with its step, in order. */
  get seen(): ReadonlyMap<object, Step> {
    return this.#seen;
  }

  /**
   * The rules of a choice are met, all of them.
   * @returns false where one of them was met already, and did something else then: the choice cannot be shared
   */
  meetChoice(choice: EndpointChoice): boolean {
    if (this.#choices.has(choice)) return true;
    // Nearly all of its rules stand in chains that the packet has not been to.
    const known = new Set<Step>();
    let isSame = true;
    const compare = (step: Step, rule: object): void => {
      const own = choice.steps.get(rule);
      if (own === step) known.add(step);
      else if (own !== undefined) isSame = false;
    };
    this.#seen.forEach(compare);
    for (const { steps } of this.#choices) steps.forEach(compare);
    if (!isSame) return false;
    this.steps = this.steps.concat(
      known.size === 0 ? choice.allSteps : choice.allSteps.filter((step) => !known.has(step)),
    );
    this.outline.push(choice);
    this.#choices.add(choice);
    return true;
  }

  #add(step: Step): void {
    this.steps.push(step);
    this.outline.push(step);
  }

  #stepOf(rule: object): Step | undefined {
    const own = this.#seen.get(rule);
    if (own !== undefined) return own;
    for (const { steps } of this.#choices) {
      const step = steps.get(rule);
      if (step !== undefined) return step;
    }
    return undefined;
  }

  /** The one step of a rule with something that is not known of it. */
  unknownStep(rule: object, step: Step): Step {
    const known = this.#unknownSteps.get(rule);
    if (known !== undefined) return known;
    const unknown: Step = { ...step, isUnknown: true };
    this.#unknownSteps.set(rule, unknown);
    this.#add(unknown);
    return unknown;
  }
}

/** The rules that a branch met, in order. @param until what it had met before those that are asked for */
export function pathOf(met: Met | undefined, until?: Met): Step[] {
  const path: Step[] = [];
  for (let each = met; each !== until && each !== undefined; each = each.before) path.push(each.step);
  return path.reverse();
}
