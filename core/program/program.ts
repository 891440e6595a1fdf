/**
 * The model of what one node's kernel does for one Service, the same for every proxy mode. Built from a NodeReport
 * by core/parse; compared with the desired state by core/diagnose.
 */
import type { ChosenBy } from '../evaluate/share.ts';
import type { FrontendKind } from '../api/frontends.ts';
import type { Protocol, Family } from '../net/family.ts';
import type { IptablesBackend, ProxyMode } from '../kube-proxy/mode.ts';
import type { Counters } from '../net/counters.ts';

/** One rule as the kernel's tool printed it, without its counters. */
export interface ProgramRule {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** `-A CHAIN …` for iptables; nft's rule syntax for nftables. */
  readonly text: string;
  readonly counters?: Counters;
}

/** Where a fact comes from: a rule, an element of a map or set, or an IPVS server, as its tool prints it. */
export interface RuleReference {
  readonly table: string;
  readonly chain: string;
  readonly rule: string;
}

/** Something that the node does, and the rule that makes it so. */
export interface Fact<Value> {
  readonly value: Value;
  readonly by: RuleReference;
}

/** A chain (or, for nftables, a map: its elements are its rules) that the Service's packets can reach. */
export interface ProgramChain {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
  readonly rules: readonly ProgramRule[];
}

export interface DnatTarget {
  readonly address: string;
  readonly port: number;
  /** From 0 to 1; undefined where no rule says it. */
  readonly probability?: number;
  /** What decides in place of a share, where that is known. */
  readonly chosenBy?: ChosenBy;
  /** Of the rule with the DNAT: one packet for each connection sent there. */
  readonly counters?: Counters;
  /** Of IPVS alone: its share among the real servers of one scheduler; 0 drains. */
  readonly weight?: number;
  /** The rule that sends packets there. */
  readonly by?: RuleReference;
  /** Whether a connection of the target to itself, through the Service, gets another source; absent where not read. */
  readonly hairpin?: { readonly value: boolean; readonly by?: RuleReference };
}

/** What the node does with a new connection to one frontend address and port of the Service. */
export interface FrontendProgram {
  readonly family: Family;
  readonly frontend: FrontendKind;
  /** Empty for a NodePort. */
  readonly address: string;
  readonly portName?: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** None: no rule matches this frontend. Unknown: the rules were not read, or not understood. */
  readonly verdict: 'DNAT' | 'REJECT' | 'DROP' | 'None' | 'Unknown';
  /** Of the entry rule (the jump from KUBE-SERVICES). */
  readonly counters?: Counters;
  readonly dnatTargets: readonly DnatTarget[];
  /** The rule (or element) by which the frontend's packets leave those of other Services. */
  readonly entry?: RuleReference;
  /** The rule that refuses or drops, where the verdict is REJECT or DROP. */
  readonly refusedBy?: RuleReference;
  /** Internal of a ClusterIP, external of the others; absent where no rule says it. */
  readonly trafficPolicy?: Fact<'Cluster' | 'Local'>;
  /** loadBalancerSourceRanges: what may come in, as prefixes; absent where all may. */
  readonly sourceRanges?: Fact<readonly string[]>;
  /** Session affinity: for how many seconds a client stays; undefined where the rules keep it to themselves. */
  readonly sessionAffinity?: Fact<number | undefined>;
  /** Whether clients outside of the cluster, and the node itself, get another source address; by is absent where no rule does it. */
  readonly masquerade?: Readonly<Record<'outside' | 'node', { readonly value: boolean; readonly by?: RuleReference }>>;
}

export interface NodeProgram {
  readonly proxyMode: ProxyMode;
  /** In words: "kube-proxy says so on 127.0.0.1:10249/proxyMode", or which table shows it. */
  readonly proxyModeSource: string;
  readonly backend?: IptablesBackend;
  readonly frontends: readonly FrontendProgram[];
  /** In the order in which a packet meets them. */
  readonly chains: readonly ProgramChain[];
  /** Matches, targets or statements that were not understood, as text: what depends on them is Unknown. */
  readonly unrecognized: readonly string[];
}
