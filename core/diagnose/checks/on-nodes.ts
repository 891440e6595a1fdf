/** Findings that are about one node each. */
import type { Facts, Occurrence } from './finding.ts';
import { checkNode, type NodeCheck } from './node-check.ts';

/** Asks each node whose rules can be judged. */
export function onNodes(
  { desired, nodes, cluster }: Facts,
  find: (check: NodeCheck) => readonly Omit<Occurrence, 'where' | 'node'>[],
): Occurrence[] {
  return nodes.flatMap((facts) => {
    const check = checkNode(facts, desired, cluster);
    return check === undefined
      ? []
      : find(check).map((each) => ({ where: `node/${facts.node}`, node: facts.node, ...each }));
  });
}
