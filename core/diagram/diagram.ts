/** The picture of a Service: boxes in layers, from the name to the pods. Printers draw it, and know nothing of Services. */
import type { Family } from '../net/family.ts';

/** From the left (or top): names, addresses, dispatch by destination address and port, source ranges, external traffic, the choice, slices, pods. */
export const layers = ['dns', 'frontend', 'entry', 'firewall', 'external', 'service', 'endpointSlice', 'pod'] as const;
export type Layer = (typeof layers)[number];

export interface DiagramLine {
  readonly text: string;
  /** It says what is wrong, or names a finding: printed behind `! `. */
  readonly isMark: boolean;
}

/** As every printer writes it. */
export function lineText({ text, isMark }: DiagramLine): string {
  return isMark ? `! ${text}` : text;
}

export interface DiagramBox {
  readonly id: string;
  readonly layer: Layer;
  readonly title: string;
  readonly lines: readonly DiagramLine[];
  /** Never shown by colour alone: the lines say it too. */
  readonly tone: 'plain' | 'warning' | 'error';
  /** The program that it belongs to; absent for what is the same for all nodes. */
  readonly group?: string;
  /** Absent for what belongs to both. */
  readonly family?: Family;
}

export interface DiagramArrow {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
}

export interface Diagram {
  readonly title: string;
  /** Programs of nodes: `node-a, node-c: iptables on nf_tables`. */
  readonly groups: readonly { readonly id: string; readonly title: string }[];
  readonly boxes: readonly DiagramBox[];
  readonly arrows: readonly DiagramArrow[];
  /** `error RULE-EP-STALE node/node-a: …`. */
  readonly findings: readonly { readonly severity: 'error' | 'warning' | 'info'; readonly text: string }[];
  /** What is not in the picture, and why. */
  readonly notes: readonly string[];
}
