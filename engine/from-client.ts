/** The client of spec.from. */
import type { CoreV1Api } from '@kubernetes/client-node';
import type { FromSpec } from '../core/api/service-trace.ts';
import type { StatusInput } from '../core/status/input.ts';
import { unlessAbsent } from './api-error.ts';
import type { KeptPod } from './kept-objects.ts';
import type { TracedNode } from './observe.ts';

export interface FromClient {
  /** On which nodes its packets enter, and with which addresses; empty where there is none. */
  readonly walkFrom: NonNullable<StatusInput['walkFrom']>;
  readonly pod?: KeptPod;
  /** Why no packet of it can be followed. */
  readonly problem?: string;
}

/**
 * @param nodes that the trace asks
 * @param allNodes of the cluster
 * @throws ApiException
 */
export async function readFromClient(
  core: CoreV1Api,
  namespace: string,
  from: FromSpec | undefined,
  nodes: readonly TracedNode[],
  allNodes: readonly TracedNode[],
): Promise<FromClient> {
  if (from?.pod !== undefined) return podClient(core, namespace, from.pod);
  if (from?.node !== undefined) return nodeClient(from.node, allNodes);
  const { ip } = from ?? {};
  return { walkFrom: ip === undefined ? [] : nodes.map(({ name }) => ({ node: name, address: ip })) };
}

async function podClient(core: CoreV1Api, namespace: string, name: string): Promise<FromClient> {
  const pod = await unlessAbsent(core.readNamespacedPod({ namespace, name }));
  if (pod === undefined)
    return { walkFrom: [], problem: `spec.from.pod: there is no pod ${name} in namespace ${namespace}` };
  const node = pod.spec?.nodeName;
  const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  if (node === undefined || addresses.length === 0)
    return {
      walkFrom: [],
      problem: `spec.from.pod: the pod ${name} has no address yet; it is ${pod.status?.phase ?? 'Pending'}`,
    };
  return { walkFrom: addresses.map((address) => ({ node, address })), pod };
}

function nodeClient(name: string, allNodes: readonly TracedNode[]): FromClient {
  const node = allNodes.find((each) => each.name === name);
  if (node === undefined)
    return {
      walkFrom: [],
      problem: `spec.from.node: the cluster has no node ${name}; kubectl get nodes lists them`,
    };
  if (node.notLookedAt !== undefined)
    return { walkFrom: [], problem: `spec.from.node: ${name} is ${node.notLookedAt.message}` };
  return { walkFrom: node.internalIPs.map((address) => ({ node: name, address })) };
}
