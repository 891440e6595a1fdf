/** Walks one packet through what a node's report holds of one Service. */
import type { NodeReport } from '../node-report.ts';
import { readProxyMode } from '../proxy-mode.ts';
import { rulesOfReport } from '../report-rules.ts';
import { familyOf, type DesiredService } from '../service.ts';
import type { Packet, Step, WalkResult } from './walk.ts';

export interface Walk {
  readonly verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE';
  /** DNAT targets with their probabilities, in the order of the rules. */
  readonly destinations: readonly { readonly address: string; readonly port: number; readonly probability: number }[];
  /** Whether any branch of the walk gets another source address. */
  readonly masquerade: boolean;
  readonly path: readonly Step[];
  readonly unknown: readonly string[];
}

/** What becomes of the packet on the node; every branch of a random choice is followed. */
export function walkPacket(report: NodeReport, desired: DesiredService, packet: Packet): Walk {
  const rules = rulesOfReport(report, `${desired.namespace}/${desired.name}`, familyOf(packet.destination));
  return summarize(rules?.walk(packet) ?? { leaves: [], steps: [], unknown: [`the rules of proxy mode ${readProxyMode(report).mode}`] });
}

/** The branches of a walk as one answer. */
export function summarize({ leaves, steps, unknown }: WalkResult): Walk {
  const destinations = new Map<string, { address: string; port: number; probability: number }>();
  for (const { dnat, probability } of leaves) {
    if (dnat === undefined) continue;
    const key = `${dnat.address} ${String(dnat.port)}`;
    const present = destinations.get(key);
    if (present === undefined) destinations.set(key, { address: dnat.address, port: dnat.port, probability });
    else present.probability += probability;
  }
  // One word for several branches: DNAT wins, for the destinations say the rest with their probabilities.
  const verdict = (['DNAT', 'REJECT', 'DROP', 'ACCEPT'] as const).find((each) => leaves.some((leaf) => leaf.verdict === each)) ?? 'NONE';
  return { verdict, destinations: [...destinations.values()], masquerade: leaves.some(({ masquerade }) => masquerade), path: steps, unknown };
}
