/** A Service without a selector and its one EndpointSlice, which the harness writes itself: nobody is at its endpoints. */
import type { Cluster } from '../cluster/cluster.ts';

export function serviceByHand(namespace: string, name: string) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { ports: [{ port: 80, targetPort: 8080 }] },
  };
}

/** Ready endpoints on port 8080. */
export function sliceByHand(namespace: string, name: string, addresses: readonly string[]) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

export async function applyObjects(cluster: Cluster, ...items: object[]): Promise<void> {
  await cluster.kubectl(['apply', '--validate=false', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
}

/** Empty, also where a run that was ended before it removed its own left one. */
export async function freshNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['delete', 'namespace', name, '--ignore-not-found']);
  await cluster.kubectl(['create', 'namespace', name]);
}
