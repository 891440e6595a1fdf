/** Walks one packet through what a node's report holds of one Service. */
import type { ClusterFacts } from '../api/cluster-facts.ts';
import { type NodeReport, unreadRules } from '../wire/node-report.ts';
import { readProxyMode } from '../kube-proxy/proxy-mode.ts';
import { walkAllRules } from './walk-all-rules.ts';
import type { DesiredService } from '../api/service.ts';
import { settle } from '../evaluate/settle.ts';
import type { Packet, Step, Verdict, WalkResult } from '../evaluate/walk.ts';
import { familyOf } from '../net/family.ts';

export interface Walk {
  /** One word for all branches: DNAT wins, for the destinations say the rest; then UNKNOWN, REJECT, DROP, ACCEPT, NONE. */
  readonly verdict: Verdict;
  /** The verdict's own. */
  readonly probability: number;
  /** Every verdict that a branch comes to, in the order above; they sum to 1. */
  readonly verdicts: readonly { readonly verdict: Verdict; readonly probability: number }[];
  /** DNAT targets with their probabilities, in the order of the rules. */
  readonly destinations: readonly WalkDestination[];
  /** Whether any branch that is known gets another source address. */
  readonly masquerade: boolean;
  /** What branches met that hang on nothing unknown; of the others, up to the rule that is not known. */
  readonly path: readonly Step[];
  readonly unknown: readonly string[];
}

export interface WalkDestination {
  readonly address: string;
  readonly port: number;
  readonly probability: number;
  /** Whether connections that go there get another source address. */
  readonly masquerade: boolean;
}

/**
 * What becomes of the packet on the node, through all rules that were read; every branch of a random choice is followed.
 * @param cluster by which it is known of some interfaces that no packet of a Service comes by them
 */
export function walkPacket(report: NodeReport, desired: DesiredService, packet: Packet, cluster?: ClusterFacts): Walk {
  const service = `${desired.namespace}/${desired.name}`;
  const notRead = (unknown: readonly string[]): WalkResult => ({ leaves: [], steps: [], unknown, assumed: [] });
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
  const destinations = new Map<string, { address: string; port: number; probability: number; masquerade: boolean }>();
  const shares = new Map<Verdict, number>();
  for (const { verdict, dnat, masquerade, probability } of leaves) {
    shares.set(verdict, (shares.get(verdict) ?? 0) + probability);
    if (dnat === undefined) continue;
    const key = `${dnat.address} ${String(dnat.port)}`;
    const present = destinations.get(key);
    if (present === undefined)
      destinations.set(key, { address: dnat.address, port: dnat.port, probability, masquerade });
    else {
      present.probability += probability;
      present.masquerade ||= masquerade;
    }
  }
  // Nobody read a rule: it is not known what becomes of the packet.
  if (shares.size === 0) shares.set('UNKNOWN', 1);
  const verdicts = verdictOrder.flatMap((verdict) => {
    const share = shares.get(verdict);
    return share === undefined ? [] : [{ verdict, probability: rounded(share) }];
  });
  return {
    verdict: verdicts[0]?.verdict ?? 'UNKNOWN',
    probability: verdicts[0]?.probability ?? 1,
    verdicts,
    destinations: [...destinations.values()],
    masquerade: leaves.some(({ masquerade }) => masquerade),
    path: steps,
    unknown,
  };
}

/** Sums of shares, without what floating point adds to them. */
function rounded(probability: number): number {
  return Math.round(probability * 1e12) / 1e12;
}
