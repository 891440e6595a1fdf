/** What changes during a churn run: Deployments, and Services of all kinds in front of them. */
import { testpodImage } from '../cluster/images.ts';
import type { KubernetesObject } from '../faults/fault.ts';

export const namespace = 'churn';

type Spec = Readonly<Record<string, unknown>>;

/** Pods that serve on two ports and UDP, are ready while they say so, and wait in a preStop hook until the nodes have followed. */
function deployment(name: string, replicas: number): KubernetesObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: 'server',
              image: testpodImage,
              imagePullPolicy: 'Never',
              args: ['serve', '--port', '8080', '--port', '9090', '--udp-port', '5353'],
              ports: [
                { name: 'http', containerPort: 8080 },
                { name: 'admin', containerPort: 9090 },
                { name: 'udp', containerPort: 5353, protocol: 'UDP' },
              ],
              readinessProbe: {
                httpGet: { path: '/healthz', port: 8080 },
                periodSeconds: 2,
                timeoutSeconds: 5,
                failureThreshold: 3,
              },
              lifecycle: { preStop: { sleep: { seconds: 4 } } },
            },
          ],
        },
      },
    },
  };
}

function service(name: string, spec: Spec = {}): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      selector: { app: 'calm' },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      ...spec,
    },
  };
}

const dualStack = { ipFamilyPolicy: 'PreferDualStack' };
const ofWeb = { selector: { app: 'web' } };

/** `web` is scaled, `calm` is only rolled: so its Services show what others' changes do to one that stays. */
export const deployments: readonly KubernetesObject[] = [deployment('web', 2), deployment('calm', 2)];

export const services: readonly KubernetesObject[] = [
  service('scaled', { ...ofWeb, ...dualStack }),
  service('scaled-node-port', { ...ofWeb, type: 'NodePort' }),
  service('scaled-udp', {
    ...ofWeb,
    ports: [
      { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' },
      { name: 'udp', port: 53, targetPort: 'udp', protocol: 'UDP' },
    ],
  }),
  service('scaled-headless', { ...ofWeb, clusterIP: 'None' }),
  service('quiet', dualStack),
  service('sticky', { sessionAffinity: 'ClientIP' }),
  service('internal-local', { internalTrafficPolicy: 'Local' }),
  service('balanced-local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
  service('external', { externalIPs: ['198.51.100.70'] }),
  service('only-ipv6', { ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }),
  // With its underscore, the label of this port's SRV record has 64 octets.
  service('long-port', { ports: [{ name: 'p'.repeat(63), port: 80, targetPort: 8080, protocol: 'TCP' }] }),
  service('alias', { type: 'ExternalName', externalName: 'auth.example.com', selector: undefined, ports: undefined }),
  service('renewed', dualStack),
  service('renewed-headless', { clusterIP: 'None' }),
  service('switched'),
  service('moved', dualStack),
  service('broken'),
];

/** What a Service is made to show all the time, and `switched` in one of its types. */
export const meantAlways: ReadonlyMap<string, readonly string[]> = new Map([
  ['scaled-headless', ['SVC-NOT-PROXIED']],
  ['renewed-headless', ['SVC-NOT-PROXIED']],
  ['alias', ['SVC-NOT-PROXIED']],
  ['switched', ['SVC-NOT-PROXIED']],
  ['internal-local', ['RULE-LOCAL-DROP']],
  ['balanced-local', ['RULE-LOCAL-DROP', 'SVC-LB-PENDING']],
]);

export function serviceNamed(name: string): KubernetesObject {
  const found = services.find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`the run has no Service ${name}`);
  return found;
}
