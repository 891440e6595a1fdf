/** The nodes in the order, and of the names, that the user asked for. */
import type { NodeStatus, ServiceTrace } from '../../core/service-trace.ts';
import { missingTargets, staleTargets } from '../node-row.ts';
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
  const nodes = (trace.status?.nodes ?? []).filter((node) => isShown([node.name, node.proxyMode, node.backend ?? '', node.probe.state, node.probe.reason ?? '', node.program ?? ''].join(' ')));
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
  return [...groups].map(([program, members]) => ({ program, nodes: members })).sort((one, other) => other.nodes.length - one.nodes.length);
}

/** Errors and warnings on the node, errors far heavier. */
export function troubleOf({ name }: Pick<NodeStatus, 'name'>, { status }: ServiceTrace): { readonly errors: number; readonly warnings: number } {
  const own = (status?.findings ?? []).filter(({ node }) => node === name);
  return { errors: own.filter(({ severity }) => severity === 'error').length, warnings: own.filter(({ severity }) => severity === 'warning').length };
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
    case 'drift':
      return -node.ports.reduce((sum, port) => sum + missingTargets(node, port, trace).length + staleTargets(node, port, trace).length, 0);
    case 'conntrack':
      return -(node.conntrack?.matched ?? -1);
  }
}
