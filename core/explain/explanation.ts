/** The rules of one node in plain words: what is shown of a program, whether it was read from a node's report or from a status. */
import type { Counters } from '../net/counters.ts';
import type { Family } from '../net/family.ts';
import type { Hook } from '../net/netfilter.ts';
import type { ExplainedLine } from './explained.ts';

/** Who opens a connection: an other pod, the node itself, somebody outside of the cluster, or one of the Service's own endpoints. */
export const clientKinds = ['pod', 'node', 'outside', 'endpoint'] as const;

export type ClientKind = (typeof clientKinds)[number];

/** Of the connections to a frontend, those that meet a rule or end at an endpoint; the largest over the frontends. */
export interface EndpointShares {
  /** For each kind of client that meets it; unknown where the share of one frontend is not known. Absent where no packet was walked. */
  readonly shares?: Readonly<Partial<Record<ClientKind, number | 'unknown'>>>;
  /** Those that end at the endpoint, or at endpoints behind the rule. Absent beside `shares`, and where it is not known. */
  readonly endpointShare?: number;
}

export interface RuleExplanation extends EndpointShares {
  /** As its tool prints it, without counters. */
  readonly text: string;
  readonly sentence: string;
  readonly lines: readonly ExplainedLine[];
  readonly unknown: readonly string[];
  readonly counters?: Counters;
  /** The counters count other Services' packets too. */
  readonly countsAll: boolean;
  /** By the counters: of the connections that this chain has sent to endpoints. */
  readonly measured?: number;
  /** Endpoints whose rules are folded; absent where all are written out. */
  readonly alike?: readonly AlikeEndpoints[];
}

/** Endpoints for which a chain has rules, and chains of their own, that are alike but for the endpoint. */
export interface AlikeEndpoints {
  /** The one that is written out for them: `10.244.1.4:8080`. */
  readonly writtenOut: string;
  readonly others: readonly AlikeEndpoint[];
}

/** One that is not written out. */
export interface AlikeEndpoint extends EndpointShares {
  /** `10.244.1.5:8080`. */
  readonly endpoint: string;
  readonly pod?: string;
  /** First packets of connections that were sent to it; absent where nothing counts them. */
  readonly packets?: number;
}

export interface ChainExplanation {
  readonly table: string;
  readonly chain: string;
  readonly purpose?: string;
  /** Hooks at which it is registered itself. */
  readonly hooks: readonly Hook[];
  readonly rules: readonly RuleExplanation[];
}

/** A part of a packet path. `leaving`: POSTROUTING; `otherPrograms`: their rules at any hook; `service`: of a status, which knows no hooks. */
export type StagePart = 'beforeRouting' | 'afterRouting' | 'ipvs' | 'leaving' | 'otherPrograms' | 'service';

/** The rules of one part of a packet path. */
export interface StageExplanation {
  readonly part: StagePart;
  /** The part in words. */
  readonly title: string;
  readonly chains: readonly ChainExplanation[];
}

export interface FamilyExplanation {
  readonly family: Family;
  /** `ClusterIP 10.96.0.1:80/TCP`. */
  readonly frontends: readonly string[];
  readonly stages: readonly StageExplanation[];
}

const stageTitles: Readonly<Record<StagePart, string>> = {
  beforeRouting:
    'Before routing: PREROUTING for packets from pods and other machines, OUTPUT for those of the node itself',
  afterRouting: 'After routing: INPUT for the node itself, FORWARD for others, OUTPUT for what the node sends',
  ipvs: 'IPVS: takes packets to virtual servers out of INPUT and OUTPUT, and sends them on by OUTPUT and POSTROUTING',
  leaving: 'As packets leave: POSTROUTING',
  otherPrograms: 'Third-party rules that these packets meet, at any hook',
  service: "kube-proxy's rules for this Service",
};

export function stageOf(part: StagePart, chains: readonly ChainExplanation[]): StageExplanation {
  return { part, title: stageTitles[part], chains };
}
