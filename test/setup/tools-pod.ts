/** A pod with the programs of this machine, which make connections from within it (cmd/cluster/pod-connect-tools.ts). */
import { testpodImage } from '../cluster/images.ts';
import type { KubernetesObject } from '../faults/fault.ts';

export function toolsPod(name: string, namespace: string, node: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'client' } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'client',
          image: testpodImage,
          imagePullPolicy: 'Never',
          args: ['sleep'],
          // The image says that its programs are in the root alone.
          env: [{ name: 'PATH', value: '/bin' }],
          volumeMounts: ['bin', 'lib', 'lib64'].map((path) => ({ name: path, mountPath: `/${path}`, readOnly: true })),
        },
      ],
      volumes: ['bin', 'lib', 'lib64'].map((path) => ({ name: path, hostPath: { path: `/usr/${path}` } })),
    },
  };
}
