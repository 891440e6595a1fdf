/** The nodes in the order, and of the names, that the user asked for. */
import type { NodeStatus, ServiceTrace, ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { oncePer } from '../../../core/lib/once-per.ts';
import { driftOf } from '../../tables/node-row.ts';
import { rowFilter } from './row-filter.ts';

export const nodeSorts = ['name', 'health', 'mode', 'sync', 'drift', 'conntrack'] as const;

export interface NodeOrder {
  readonly column: (typeof nodeSorts)[number];
  readonly isReversed: boolean;
}

export interface NodeGroup {
  /** Fingerprint; empty for nodes whose rules are unknown. */
  readonly program: string;
  readonly nodes: readonly NodeStatus[];
}

/** Worst first where it is sorted by health, sync, drift or conntrack; nodes that are equal are in the order of their names. */
export function orderNodes(trace: ServiceTrace, filter: string, { column, isReversed }: NodeOrder): NodeStatus[] {
  const isShown = rowFilter(filter);
  const nodes = (trace.status?.nodes ?? []).filter((node) =>
    isShown(
      [
        node.name,
        node.proxyMode,
        node.backend ?? '',
        node.probe.state,
        node.probe.reason ?? '',
        node.program ?? '',
      ].join(' '),
    ),
  );
  const keys = new Map(nodes.map((node) => [node.name, keyOf(node, trace, column)]));
  const direction = isReversed ? -1 : 1;
  return nodes.sort((one, other) => {
    const [first, second] = [keys.get(one.name) ?? '', keys.get(other.name) ?? ''];
    if (first !== second) return (first < second ? -1 : 1) * direction;
    return (one.name < other.name ? -1 : 1) * (column === 'name' ? direction : 1);
  });
}

/** The largest group first: the small ones are those that differ. */
export function groupByProgram(nodes: readonly NodeStatus[]): NodeGroup[] {
  const groups = new Map<string, NodeStatus[]>();
  for (const node of nodes) {
    const group = groups.get(node.program ?? '') ?? [];
    groups.set(node.program ?? '', group);
    group.push(node);
  }
  return [...groups]
    .map(([program, members]) => ({ program, nodes: members }))
    .sort((one, other) => other.nodes.length - one.nodes.length);
}

export interface Trouble {
  readonly errors: number;
  readonly warnings: number;
}

const troubles = oncePer(({ findings = [] }: ServiceTraceStatus): ReadonlyMap<string, Trouble> => {
  const byNode = new Map<string, Trouble>();
  for (const { node, severity } of findings) {
    if (node === undefined) continue;
    const { errors, warnings } = byNode.get(node) ?? noTrouble;
    byNode.set(node, {
      errors: errors + (severity === 'error' ? 1 : 0),
      warnings: warnings + (severity === 'warning' ? 1 : 0),
    });
  }
  return byNode;
});

const noTrouble: Trouble = { errors: 0, warnings: 0 };

/** Errors and warnings on the node. */
export function troubleOf({ name }: Pick<NodeStatus, 'name'>, { status }: ServiceTrace): Trouble {
  return (status === undefined ? undefined : troubles(status).get(name)) ?? noTrouble;
}

function keyOf(node: NodeStatus, trace: ServiceTrace, column: NodeOrder['column']): number | string {
  switch (column) {
    case 'name':
      return node.name;
    case 'mode':
      return `${node.proxyMode} ${node.backend ?? ''}`;
    case 'health': {
      const { errors, warnings } = troubleOf(node, trace);
      const isUnknown = node.probe.state !== 'Collected';
      return -(errors * 1000 + (isUnknown ? 500 : 0) + warnings);
    }
    case 'sync':
      return node.kubeProxy?.lastSync === undefined ? Number.NEGATIVE_INFINITY : Date.parse(node.kubeProxy.lastSync);
    case 'drift': {
      if (node.probe.state !== 'Collected' || trace.status?.service?.notProxied !== undefined) return 0;
      const { right, wanted, extra } = driftOf(node);
      return -(wanted - right + extra);
    }
    case 'conntrack':
      return -(node.conntrack?.matched ?? -1);
  }
}
