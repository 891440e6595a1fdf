/** What a rule did to a packet that met it, and the sentence for it. */
import { hostPort } from '../net/address.ts';
import { printNatRange } from '../iptables/print.ts';
import type { NatRange } from '../iptables/rule.ts';
import { oncePer } from '../lib/once-per.ts';
import { chosenByText, type ChosenBy } from './share.ts';

export type Action =
  /** Nothing but to count it. */
  | { readonly kind: 'count' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** `word` as its tool writes it: ACCEPT of iptables, accept of nft. */
  | { readonly kind: 'accept' | 'drop' | 'return' | 'reject'; readonly word: string }
  /** IPVS refuses it. */
  | { readonly kind: 'refuse'; readonly reason: string }
  /** IPVS takes it, and chooses a real server. */
  | { readonly kind: 'schedule'; readonly scheduler: string }
  /** A map sends it to one of several chains, at random or one after the other. */
  | { readonly kind: 'choice'; readonly inTurn: boolean }
  /** The rule's own ranges, any of which may be the destination. */
  | { readonly kind: 'dnatRanges'; readonly ranges: readonly NatRange[] }
  | { readonly kind: 'dnat'; readonly destinations: readonly Destination[] }
  /** The packet is lost, for nothing is routed to its new destination. */
  | { readonly kind: 'dnatUnrouted'; readonly to: string }
  | { readonly kind: 'masquerade' }
  /** `to` is absent where the sentence needs none. */
  | { readonly kind: 'snat'; readonly to?: string }
  /** The packet's own mark; undefined where it is not known. */
  | { readonly kind: 'mark'; readonly value: number | undefined }
  | { readonly kind: 'connectionMark'; readonly value: number | undefined }
  /** CONNMARK of iptables: it may save the packet's mark, or give it that of the connection. */
  | { readonly kind: 'connmark' }
  /** Conntrack keeps no connection for it; `word` as its tool writes it. */
  | { readonly kind: 'untrack'; readonly word: string }
  /** CT of iptables: how conntrack keeps the connection, such as its zone. */
  | { readonly kind: 'track' }
  /** The zone in which conntrack looks the connection up. */
  | { readonly kind: 'zone'; readonly zone: number }
  /** A field of the packet, or of what the kernel keeps of it, gets another value. */
  | { readonly kind: 'set'; readonly field: string }
  | { readonly kind: 'remember' | 'forget'; readonly set: string }
  /** A target of iptables of which nothing here depends on what it does, by its name. */
  | { readonly kind: 'target'; readonly name: string }
  | { readonly kind: 'unknown'; readonly why: string; readonly isTakenAsNotMatching?: true };

/** Where packets are sent to. */
export interface Destination {
  readonly address: string;
  readonly port: number;
  /** Of the packets that meet the rule. */
  readonly share: number;
  /** What decides in place of the share, where a scheduler chooses by what no rule says. */
  readonly chosenBy?: ChosenBy;
}

/** What a rule did, all of it, in its order. */
export interface Acted {
  readonly actions: readonly Action[];
  /** Of the packets that came to the chain, the share that met the rule; absent for all of them, and where its actions say it. */
  readonly chance?: number;
}

/** `jump KUBE-SVC-X with probability 0.3333`: what the rule did, in words. */
export function effectText({ actions, chance = 1 }: Acted): string {
  return `${actionsText(actions)}${withProbability(chance)}`;
}

export function actionsText(actions: readonly Action[]): string {
  const [first] = actions;
  return actions.length === 1 && first !== undefined ? actionText(first) : actions.map(actionText).join(', ');
}

/** The chain to which the rule sent the packet by its name. */
export function chainEntered({ actions }: Acted): string | undefined {
  const last = actions.at(-1);
  return last?.kind === 'jump' || last?.kind === 'goto' ? last.chain : undefined;
}

function actionText(action: Action): string {
  switch (action.kind) {
    case 'count':
      return 'count';
    case 'jump':
    case 'goto':
      return `${action.kind} ${action.chain}`;
    case 'accept':
    case 'drop':
    case 'return':
    case 'reject':
    case 'untrack':
      return action.word;
    case 'refuse':
      return `REJECT: ${action.reason}`;
    case 'schedule':
      return `schedule by ${action.scheduler}`;
    case 'choice':
      return action.inTurn ? 'choice in turn' : 'random choice';
    case 'dnatRanges':
      return `DNAT to ${action.ranges.map(printNatRange).join(' or ')}`;
    case 'dnat':
      return destinationsText(action.destinations);
    case 'dnatUnrouted':
      return `DNAT to ${action.to}, to which nothing is routed: DROP`;
    case 'masquerade':
      return 'MASQUERADE';
    case 'snat':
      return action.to === undefined ? 'SNAT' : `SNAT to ${action.to}`;
    case 'mark':
      return `mark ${markText(action.value)}`;
    case 'connectionMark':
      return `connection mark ${markText(action.value)}`;
    case 'connmark':
      return 'CONNMARK';
    case 'track':
      return 'CT';
    case 'zone':
      return `zone ${String(action.zone)}`;
    case 'set':
      return `${action.field} set`;
    case 'remember':
    case 'forget':
      return `${action.kind} in set ${action.set}`;
    case 'target':
      return action.name;
    case 'unknown':
      return `unknown: ${action.why}${action.isTakenAsNotMatching === true ? ' (taken as not matching)' : ''}`;
  }
}

/** All packets that come to a choice have the same destinations, and there may be thousands. */
const destinationsText = oncePer(
  (destinations: readonly Destination[]) =>
    `DNAT to ${destinations.map((each) => `${hostPort(each.address, each.port)}${shareText(each)}`).join(', ')}`,
);

function shareText({ share, chosenBy }: Destination): string {
  return chosenBy === undefined ? withProbability(share) : `, ${chosenByText[chosenBy]}`;
}

function markText(value: number | undefined): string {
  return value === undefined ? 'unknown' : `0x${value.toString(16)}`;
}

/** `with probability 0.3333`, or nothing for a certain one. */
export function withProbability(probability: number): string {
  return probability >= 1 ? '' : ` with probability ${probability.toFixed(4)}`;
}
