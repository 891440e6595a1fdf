/** Has the pod of --from connect, and judges the results: in a trace that was judged before, or in a bundle. */
import type { Bundle } from '../../core/wire/bundle.ts';
import { clientTargets } from '../../core/diagnose/checks/client-connections.ts';
import { clientTargetsOf, withClient, type ClientPod } from '../../core/status/client-status.ts';
import { readNodeFacts } from '../../core/program/node-facts.ts';
import { present } from '../../core/lib/present.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { connectFromPod, readClientPod, type PodApi } from '../cluster/pod-connect.ts';

type Client = Pick<ClusterClient, 'kubeConfig'>;

/** @param api replaced by tests */
export async function traceWithPodConnections(
  { kubeConfig }: Client,
  trace: ServiceTrace,
  pod: string,
  api?: PodApi,
): Promise<ServiceTrace> {
  const { metadata, spec, status } = trace;
  if (status === undefined) return trace;
  const place = { namespace: metadata.namespace ?? 'default', pod };
  const found = await readClientPod(kubeConfig, place, api);
  const client: ClientPod = {
    pod,
    addresses: [],
    ...('problem' in found ? {} : { node: found.node, addresses: found.addresses }),
  };
  const connected =
    'problem' in found
      ? { connections: [], untried: found.problem }
      : await connectFromPod(
          kubeConfig,
          { ...place, containers: found.containers, targets: clientTargetsOf(status, client) },
          api,
        );
  return {
    ...trace,
    status: withClient(status, { namespace: place.namespace, name: spec.serviceRef.name }, client, connected),
  };
}

/** @param api replaced by tests */
export async function bundleWithPodConnections({ kubeConfig }: Client, bundle: Bundle, api?: PodApi): Promise<Bundle> {
  const client = bundle.cluster?.client;
  if (bundle.cluster === undefined || client === undefined) return bundle;
  const { desired, answers, nodeZones } = bundle;
  const nodes = answers
    .map((answer) => readNodeFacts(answer, desired, nodeZones?.[answer.node]))
    .map(({ node, zone, read }) => ({ node, zone, connections: read?.connections ?? [] }));
  const place = { namespace: bundle.namespace, pod: client.pod };
  const found = await readClientPod(kubeConfig, place, api);
  const connected =
    'problem' in found
      ? { connections: [], untried: found.problem }
      : await connectFromPod(
          kubeConfig,
          { ...place, containers: found.containers, targets: clientTargets(nodes, client) },
          api,
        );
  return {
    ...bundle,
    cluster: {
      ...bundle.cluster,
      client: {
        ...client,
        connected: {
          connections: [...connected.connections],
          ...present({ by: connected.by, untried: connected.untried }),
        },
      },
    },
  };
}
