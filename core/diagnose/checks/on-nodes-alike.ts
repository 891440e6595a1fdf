/** Occurrences that are the same on many nodes, reported once: what is configured for a cluster is wrong on each of its nodes. */
import { plural } from '../../lib/plural.ts';
import { onNode, type Occurrence } from './finding.ts';

export interface OnOneNode {
  readonly node: string;
  /** Nodes with the same reason are reported together. */
  readonly reason: string;
  readonly evidence: readonly string[];
}

/** @param text of the nodes (`node-a`, or `3 nodes`) and the reason */
export function onNodesAlike(
  found: readonly OnOneNode[],
  text: (who: string, reason: string) => Pick<Occurrence, 'message' | 'advice' | 'commands'>,
): Occurrence[] {
  return [...new Set(found.map(({ reason }) => reason))].map((reason) => {
    const own = found.filter((each) => each.reason === reason);
    const [first] = own;
    if (first !== undefined && own.length === 1)
      return onNode(first.node, { ...text(first.node, reason), evidence: first.evidence });
    const names = own.map(({ node }) => node);
    return {
      where: 'nodes',
      ...text(`${plural(own.length, 'node')}`, reason),
      evidence: [
        ...(first?.evidence ?? []),
        `on ${names.slice(0, 10).join(', ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''}`,
      ],
    };
  });
}
