/** The active check of a trace: asked for of nodes that have answered, by what the API server says right before. */
import type { CoreV1Api, V1Pod } from '@kubernetes/client-node';
import { connectBackends, connectRefusal, connectTargets, type ConnectPod } from '../core/api/connect-targets.ts';
import type { NodeAnswer, NodeReportRecord } from '../core/wire/node-report.ts';
import { present } from '../core/lib/present.ts';
import type { ProbeRequest, ProbeRequestService } from '../core/wire/probe-request.ts';
import type { DesiredService } from '../core/api/service.ts';
import { protocolOf, type TracedNode } from './observe.ts';

export interface ConnectionsAsked {
  readonly core: CoreV1Api;
  readonly http: boolean;
  /** Reads the Service and its EndpointSlices again; undefined where it is not there any more. */
  readonly readDesired: () => Promise<DesiredService | undefined>;
  readonly serviceOf: (desired: DesiredService) => ProbeRequestService;
  readonly ask: (node: TracedNode, request: ProbeRequest) => Promise<NodeAnswer>;
}

/**
 * Adds to each answer the connections that its node made. A request of its own, for minutes may pass until a node's probe
 * runs: what may be connected to is read after that, not before.
 * @returns why nothing was connected to; undefined where it was
 */
export async function connectFromNodes(
  { core, http, readDesired, serviceOf, ask }: ConnectionsAsked,
  nodes: readonly TracedNode[],
  answers: Map<string, NodeAnswer>,
): Promise<string | undefined> {
  const desired = await readDesired();
  if (desired === undefined) return 'the Service is not there any more';
  const { namespace, name } = desired;
  // Not from the API server's cache: a pod may have given its address back.
  const { items } = await core.listNamespacedPod({ namespace });
  const refusal = connectRefusal(desired, items.map(connectPodOf));
  if (refusal !== undefined) return refusal;
  const backends = connectBackends(desired).map(({ address, port }) => ({ address, port }));
  await Promise.all(
    nodes.map(async (node) => {
      const answer = answers.get(node.name);
      if (answer === undefined || !('report' in answer)) return;
      const targets = connectTargets(desired, node.internalIPs, {
        node: node.name,
        ...present({ zone: node.zone }),
      }).map((target) => ({ service: `${namespace}/${name}`, ...target }));
      const tried = await ask(node, {
        version: 1,
        node: node.name,
        services: [serviceOf(desired)],
        collect: { rules: false, conntrack: 'None', kubeProxy: false, connect: { http, backends, targets } },
        maxConntrackEntries: 0,
      });
      answers.set(node.name, {
        ...answer,
        report: { ...answer.report, records: [...answer.report.records, ...connectionsOf(tried)] },
      });
    }),
  );
  return undefined;
}

function connectionsOf(answer: NodeAnswer): NodeReportRecord[] {
  if (!('report' in answer)) return [{ kind: 'unread', part: 'other', what: 'connections', reason: answer.message }];
  const { records, complete } = answer.report;
  return [
    ...records.filter(({ kind }) => kind === 'connection'),
    ...(complete
      ? []
      : [
          {
            kind: 'unread',
            part: 'other',
            what: 'connections',
            reason: 'the probe was cut off before it finished',
          } as const,
        ]),
  ];
}

function connectPodOf({ spec, status }: V1Pod): ConnectPod {
  return {
    addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
    hasEnded: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    hostNetwork: spec?.hostNetwork === true,
    ports: [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap(({ ports }) =>
      (ports ?? []).map(({ containerPort, protocol }) => ({ port: containerPort, protocol: protocolOf(protocol) })),
    ),
  };
}
