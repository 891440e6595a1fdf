/** Walks one packet through what a node's report holds of one Service. */
import type { ClusterFacts } from '../api/cluster-facts.ts';
import { type NodeReport, unreadRules } from '../wire/node-report.ts';
import { readProxyMode } from '../kube-proxy/proxy-mode.ts';
import { walkAllRules } from './walk-all-rules.ts';
import type { DesiredService } from '../api/service.ts';
import { settle } from '../evaluate/settle.ts';
import { shareFields, shareOf, type ChosenBy } from '../evaluate/share.ts';
import type { Leaf, Packet, Step, Verdict, WalkResult } from '../evaluate/walk.ts';
import { familyOf } from '../net/family.ts';

export interface Walk {
  /** One word for all branches: DNAT wins, for the destinations say the rest; then UNKNOWN, REJECT, DROP, ACCEPT, NONE. */
  readonly verdict: Verdict;
  /** The verdict's own; absent where it is not known, as where a rule drops what IPVS sends to one of its real servers by a hash. */
  readonly probability?: number;
  /** Every verdict that a branch comes to, in the order above; they sum to 1, where all of them are known. */
  readonly verdicts: readonly { readonly verdict: Verdict; readonly probability?: number }[];
  /** DNAT targets, in the order of the rules. */
  readonly destinations: readonly WalkDestination[];
  /** Whether any branch that is known gets another source address. */
  readonly masquerade: boolean;
  /** What branches met that depend on nothing unknown; of the others, up to the rule that is not known. */
  readonly path: readonly Step[];
  readonly unknown: readonly string[];
}

export interface WalkDestination {
  readonly address: string;
  readonly port: number;
  /** Absent where it is not known, and `chosenBy` says what decides. */
  readonly probability?: number;
  readonly chosenBy?: ChosenBy;
  /** Whether connections that go there get another source address. */
  readonly masquerade: boolean;
}

/**
 * The result of the packet on the node, through all rules that were read; every branch of a random choice is followed.
 * @param cluster by which it is known of some interfaces that no packet of a Service comes by them
 */
export function walkPacket(report: NodeReport, desired: DesiredService, packet: Packet, cluster?: ClusterFacts): Walk {
  const service = `${desired.namespace}/${desired.name}`;
  const notRead = (unknown: readonly string[]): WalkResult => ({
    leaves: [],
    steps: [],
    outline: [],
    unknown,
    assumed: [],
  });
  // The rules that were read may be any part of what the packet meets.
  const unread = unreadRules(report, service, familyOf(packet.destination));
  if (unread.length > 0) return summarize(notRead(unread));
  return summarize(
    walkAllRules(report, service, packet, cluster) ??
      notRead([`the rules of proxy mode ${readProxyMode(report).mode}`]),
  );
}

const verdictOrder = ['DNAT', 'UNKNOWN', 'REJECT', 'DROP', 'ACCEPT', 'NONE'] as const;

/** The branches of a walk as one answer. */
export function summarize(walked: WalkResult): Walk {
  const { leaves, steps, unknown } = settle(walked);
  const byVerdict = Map.groupBy(leaves, ({ verdict }) => verdict);
  // Nobody read a rule: the packet's verdict is not known.
  const [first, ...others]: Walk['verdicts'] =
    leaves.length === 0
      ? [{ verdict: 'UNKNOWN', probability: 1 }]
      : verdictOrder.flatMap((verdict) => {
          const own = byVerdict.get(verdict);
          if (own === undefined) return [];
          const share = shareOf(own);
          return { verdict, ...(share === undefined ? {} : { probability: rounded(share) }) };
        });
  return {
    verdict: first?.verdict ?? 'UNKNOWN',
    ...(first?.probability === undefined ? {} : { probability: first.probability }),
    verdicts: first === undefined ? [] : [first, ...others],
    destinations: destinationsOf(leaves),
    masquerade: leaves.some(({ masquerade }) => masquerade),
    path: steps,
    unknown,
  };
}

/** One for each address and port, however many branches come to it. */
function destinationsOf(leaves: readonly Leaf[]): WalkDestination[] {
  const byPlace = new Map<string, { address: string; port: number; leaves: Leaf[] }>();
  for (const leaf of leaves) {
    if (leaf.dnat === undefined) continue;
    const { address, port } = leaf.dnat;
    const key = `${address} ${String(port)}`;
    const place = byPlace.get(key);
    if (place === undefined) byPlace.set(key, { address, port, leaves: [leaf] });
    else place.leaves.push(leaf);
  }
  return [...byPlace.values()].map(({ address, port, leaves: own }) => ({
    address,
    port,
    ...shareFields(own),
    masquerade: own.some(({ masquerade }) => masquerade),
  }));
}

/** Sums of shares, without what floating point adds to them. */
function rounded(probability: number): number {
  return Math.round(probability * 1e12) / 1e12;
}
