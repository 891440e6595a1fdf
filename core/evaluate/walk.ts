/** What a symbolic walk of a packet through rules gives, the same for iptables and nftables. */
import type { Counters } from '../program.ts';
import type { Protocol } from '../service.ts';

/** The first packet of a new connection. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: Protocol;
  /** OUTPUT where the node itself sends it; PREROUTING where it comes from a pod or from outside. */
  readonly entersAt: 'PREROUTING' | 'OUTPUT';
}

/** A rule that the packet met and whose conditions hold, or may hold. */
export interface Step {
  readonly table: string;
  readonly chain: string;
  /** The rule as its tool prints it. */
  readonly rule: string;
  /** What it did, in words: "jump KUBE-SVC-X with probability 0.3333". */
  readonly effect: string;
  readonly counters?: Counters;
}

/** Where one branch of the walk ended. */
export interface Leaf {
  /** Of this branch among all; they sum to 1. */
  readonly probability: number;
  readonly verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE';
  readonly dnat?: { readonly address: string; readonly port: number; readonly counters?: Counters };
  readonly masquerade: boolean;
  /** The chain of the rule that decided; undefined for NONE. */
  readonly decidedBy?: string;
}

/** All branches of a walk. */
export interface WalkResult {
  readonly leaves: readonly Leaf[];
  readonly steps: readonly Step[];
  /** Matches, targets and chains that could not be followed: nothing is said of what depends on them. */
  readonly unknown: readonly string[];
}

/** One branch: how likely it is, and what the rules have done to the packet so far. */
export interface Branch {
  readonly probability: number;
  readonly mark: number;
  readonly dnat?: NonNullable<Leaf['dnat']>;
  /** The chain of the filter hook whose rule accepted the packet. */
  readonly accepted?: string;
  /** The packet gets the address of the interface that it leaves by. */
  readonly masquerade?: boolean;
}

/** What ended a branch within a chain. */
export interface Ended extends Branch {
  readonly verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT';
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
}

/** Deeper than any ruleset that kube-proxy or a firewall writes; the kernel's own limit for nftables is 16 jumps. */
export const maxDepth = 64;

/** What several walks of one packet leave behind together. */
export class Trail {
  readonly steps: Step[] = [];
  readonly unknown = new Set<string>();
  readonly #seen = new Set<object>();

  /** A rule that several branches meet is one step. */
  add(rule: object, step: Step): void {
    if (this.#seen.has(rule)) return;
    this.#seen.add(rule);
    this.steps.push(step);
  }
}

/** `with probability 0.3333`, or nothing for a certain one. */
export function withProbability(probability: number): string {
  return probability >= 1 ? '' : ` with probability ${probability.toFixed(4)}`;
}
