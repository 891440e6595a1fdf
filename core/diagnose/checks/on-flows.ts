/** Findings that are about conntrack's flows of a Service on one node. */
import { onNode, type Facts, type Occurrence } from './finding.ts';
import { isSyncing } from './frontend-drift.ts';
import { serviceFlows, type ServiceFlow } from './service-flows.ts';

/** Asks each flow of the nodes whose entries may not rightly be older than the EndpointSlices. */
export function onFlows(
  { desired, nodes, cluster }: Facts,
  find: (flow: ServiceFlow, node: string) => Omit<Occurrence, 'where' | 'node'> | undefined,
): Occurrence[] {
  return nodes
    .filter((facts) => !isSyncing(facts, desired, cluster))
    .flatMap((facts) =>
      serviceFlows(facts, desired).flatMap((flow) => {
        const found = find(flow, facts.node);
        return found === undefined ? [] : [onNode(facts.node, found)];
      }),
    );
}
