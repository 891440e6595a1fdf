/** One node's rules of one family, wherever they come from: ready to be walked, and asked what they say of a Service. */
import { oncePer } from '../lib/once-per.ts';
import type { ChainKind } from '../kube-proxy/chain-kinds.ts';
import type { Step, Packet, WalkResult } from '../evaluate/walk.ts';
import type { DnatTarget, Fact, FrontendProgram, RuleReference } from './program.ts';
import type { RuleSummary } from './rule-summary.ts';

/** The chains that packets went through, each with the rule that sent them there. */
export type VisitedChains = ReadonlyMap<string, Step>;

/** An address and port of the Service, as far as rules depend on it. */
export type FrontendKey = Pick<FrontendProgram, 'frontend' | 'address' | 'port' | 'protocol'>;

/** The part of them that is answered by walking packets. */
export type WalkedRules = Pick<NodeRules, 'walk' | 'sourceClass'>;

export interface NodeRules {
  walk(packet: Packet): WalkResult;
  /** The same for sources that no rule distinguishes, those aside that only ask whether an endpoint's packet comes back to itself. */
  sourceClass(address: string): string;
  /** The rules of a chain of a Service; undefined where it was not read, or is not there. */
  chain(name: string): readonly RuleSummary[] | undefined;
  readonly kindOf: (chain: string) => ChainKind | undefined;
  /** Whether the step dispatches to the frontend: its rule is the frontend's entry. */
  isEntry(step: Step): boolean;
  /** The rule of a step; where it asks a map, the map's element for the frontend. */
  reference(step: Step, frontend: FrontendKey): RuleReference;
  /** Where something other than the chains of the Service decides it. */
  trafficPolicy(frontend: FrontendKey): Fact<'Cluster' | 'Local'> | undefined;
  sourceRanges(frontend: FrontendKey, visited: VisitedChains): Fact<readonly string[]> | undefined;
  /** Where something other than the chains of the Service decides it. */
  sessionAffinity(frontend: FrontendKey): Fact<number | undefined> | undefined;
  /** Whether the target's own packets come back to it; undefined where it was not read. */
  hairpin(
    target: DnatTarget,
    protocol: FrontendProgram['protocol'],
  ): { readonly value: boolean; readonly by?: RuleReference } | undefined;
  /** Of IPVS: the real server's weight. */
  weight(frontend: FrontendKey, target: DnatTarget): number | undefined;
}

/** The rule of a step by itself; walks share steps. */
export const referenceOf = oncePer(({ table, chain, rule }: Step): RuleReference => ({ table, chain, rule }));
