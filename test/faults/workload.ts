/** The objects that faults are made on: Services, and the pods behind them. */
import { testpodImage } from '../cluster/images.ts';
import type { KubernetesObject } from './fault.ts';
import { namespace, type Place } from './place.ts';

const everyNode = ['node-a', 'node-b', 'node-c'] as const;

/** One pod of `web` on every node, and a client on every node: no fault changes them. */
export const sharedWorkload: readonly KubernetesObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  ...everyNode.map((node) => serverPod(`web-${node.slice(-1)}`, 'web', node)),
  ...everyNode.map((node) => clientPod(`client-${node.slice(-1)}`, node)),
];

/** A Service of TCP port 80, in front of the pods `web` unless the spec says otherwise. */
export function service(name: string, spec: Readonly<Record<string, unknown>> = {}): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }], ...spec },
  };
}

export interface ServerOptions {
  /** Arguments of `testpod serve`. */
  readonly args?: readonly string[];
  /** Fields of the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Fields of its container. */
  readonly container?: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod that serves TCP 8080 and UDP 5353 with its own name, ready while it says so itself. */
export function serverPod(
  name: string,
  app: string,
  node: string,
  { args = [], spec = {}, container = {}, labels = {} }: ServerOptions = {},
): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app, ...labels } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'server',
          image: testpodImage,
          imagePullPolicy: 'Never',
          args: ['serve', '--port', '8080', '--udp-port', '5353', ...args],
          ports: [
            { name: 'http', containerPort: 8080 },
            { name: 'udp', containerPort: 5353, protocol: 'UDP' },
          ],
          // A machine that is busy may let one probe fail.
          readinessProbe: {
            httpGet: { path: '/healthz', port: 8080 },
            periodSeconds: 1,
            timeoutSeconds: 3,
            failureThreshold: 3,
          },
          ...container,
        },
      ],
      ...spec,
    },
  };
}

/** A pod that only waits for what is executed in it. */
export function clientPod(name: string, node: string, spec: Readonly<Record<string, unknown>> = {}): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'client' } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'client', image: testpodImage, imagePullPolicy: 'Never', args: ['sleep'] }],
      ...spec,
    },
  };
}

/** Waits until pods of the suite's namespace that are given are ready. */
export async function untilReady(place: Place, pods: readonly string[]): Promise<void> {
  if (pods.length === 0) return;
  await place.kubectl([
    '-n',
    namespace,
    'wait',
    '--for=condition=Ready',
    '--timeout=90s',
    ...pods.map((name) => `pod/${name}`),
  ]);
}
