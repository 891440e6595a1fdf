/** Packets of several nodes at the same time. */
import type { CaptureRequest } from '../core/capture/request.ts';
import { present } from '../core/lib/present.ts';
import type { KeptNode } from './kept-objects.ts';
import type { NodeProbes } from './node-probes.ts';
import { selectNodes, type TracedNode } from './observe.ts';

export interface EngineCaptureRequest {
  readonly nodes: readonly string[];
  /** A choice of more nodes than this is refused. */
  readonly maxNodes: number;
  /** What each node is asked for; bytes are shared among the nodes. */
  readonly capture: Omit<CaptureRequest, 'node' | 'version'>;
  readonly onWaiting: (node: string, message: string) => void;
  readonly onLine: (node: string, line: string) => void;
  readonly signal?: AbortSignal;
}

/** How the capture of one node ended. */
export interface CaptureEnd {
  readonly node: string;
  /** Why it gave nothing, or not all; undefined where it came to its end. */
  readonly problem?: string;
}

/** Thrown where the nodes of a capture are not there, or too many. */
export class NodeChoiceError extends Error {
  override readonly name = 'NodeChoiceError';
}

/**
 * @param nodeList of the whole cluster
 * @throws NodeChoiceError
 */
export async function captureOnNodes(
  probes: Pick<NodeProbes, 'capture'>,
  nodeList: readonly KeptNode[],
  { nodes: names, maxNodes, capture: asked, onWaiting, onLine, signal }: EngineCaptureRequest,
): Promise<CaptureEnd[]> {
  const nodes = chooseNodes(nodeList, names, maxNodes);
  const maxBytes = Math.max(1, Math.floor(asked.maxBytes / nodes.length));
  return Promise.all(
    nodes.map(async (node) => {
      const problem = await probes.capture(
        node,
        { ...asked, version: 1, node: node.name, maxBytes },
        {
          onWaiting: (_reason, message) => {
            onWaiting(node.name, message);
          },
          onLine: (line) => {
            onLine(node.name, line);
          },
          ...present({ signal }),
        },
      );
      return { node: node.name, ...present({ problem }) };
    }),
  );
}

/** All where no name is given. @throws NodeChoiceError */
function chooseNodes(nodeList: readonly KeptNode[], names: readonly string[], maxNodes: number): readonly TracedNode[] {
  const { nodes, unknown } = selectNodes(nodeList, names.length === 0 ? undefined : { names: [...names] });
  if (unknown.length > 0)
    throw new NodeChoiceError(`the cluster has no node ${unknown.join(', ')}; kubectl get nodes lists them`);
  const able = nodes.filter(({ notLookedAt }) => notLookedAt === undefined);
  for (const { name, notLookedAt } of nodes)
    if (notLookedAt !== undefined && (names.length > 0 || able.length === 0))
      throw new NodeChoiceError(`${name} is ${notLookedAt.message}`);
  if (able.length > maxNodes)
    throw new NodeChoiceError(
      `${String(able.length)} nodes are more than ${String(maxNodes)}; choose some of them with --node`,
    );
  return able;
}
