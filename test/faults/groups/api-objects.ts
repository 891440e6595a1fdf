/** Services, EndpointSlices, pods and policies that are wrong in the API itself: each fault has a Service of its own. */
import type { Fault, FaultGroup, KubernetesObject } from '../fault.ts';
import { eventually } from '../../support/eventually.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { serverPod, service, untilReady, type ServerOptions } from '../workload.ts';
import { syncGraceSeconds } from '../prepare.ts';

interface ApiFault {
  readonly name: string;
  readonly does: string;
  readonly expected: readonly string[];
  readonly healthy?: readonly string[];
  /** Fields of the Service's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Pods of its own on these nodes, instead of the pods `web`. */
  readonly pods?: { readonly on: readonly string[]; readonly options?: ServerOptions };
  readonly objects?: readonly KubernetesObject[];
  readonly inject: (place: Place, name: string) => Promise<unknown>;
  /** Where it is more than having the Service and its objects as they were. */
  readonly undo?: (place: Place, name: string) => Promise<unknown>;
}

function apiFault({ name, does, expected, healthy, spec, pods, objects = [], inject, undo }: ApiFault): Fault {
  const own = (pods?.on ?? []).map((node) => serverPod(`${name}-${node.slice(-1)}`, name, node, pods?.options));
  const healthyObjects = [
    service(name, { ...(pods === undefined ? {} : { selector: { app: name } }), ...spec }),
    ...own,
    ...objects,
  ];
  return {
    name,
    does,
    service: name,
    expected: [...expected].sort(),
    ...(healthy === undefined ? {} : { healthy }),
    objects: healthyObjects,
    inject: async (place) => {
      await inject(place, name);
      return async () => {
        await undo?.(place, name);
        await place.apply(healthyObjects);
        await untilReady(
          place,
          own.map(({ metadata }) => metadata.name),
        );
      };
    },
  };
}

const setReady =
  (pod: string, value: boolean) =>
  async (place: Place): Promise<unknown> => {
    const { node, ip } = await podAt(place, pod);
    return place
      .node(node)
      .exec([
        'curl',
        '--silent',
        '--fail',
        '--max-time',
        '5',
        '-X',
        'POST',
        `http://${ip}:8080/ready?value=${String(value)}`,
      ]);
  };

async function podAt(place: Place, name: string): Promise<{ node: string; ip: string }> {
  const text = await place.kubectl([
    '-n',
    namespace,
    'get',
    'pod',
    name,
    '-o',
    'jsonpath={.spec.nodeName} {.status.podIP}',
  ]);
  const [node = '', ip = ''] = text.split(' ');
  return { node, ip };
}

/** An EndpointSlice of the Service that somebody writes by hand, with these IPv4 endpoints on port 8080. */
function handmadeSlice(of: string, suffix: string, endpoints: readonly unknown[]): KubernetesObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${of}-${suffix}`,
      namespace,
      labels: { 'kubernetes.io/service-name': of, 'endpointslice.kubernetes.io/managed-by': 'somebody' },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
  };
}

/** Deletes the Service with all that follows it, and makes another one of the same name. */
async function replaceService(place: Place, name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
  await deleteService(place, name);
  const made = service(name, spec);
  await place.apply([
    { ...made, spec: Object.fromEntries(Object.entries(made['spec'] ?? {}).filter(([, value]) => value !== null)) },
  ]);
}

async function deleteService(place: Place, name: string): Promise<void> {
  await place.kubectl(['-n', namespace, 'delete', 'service', name, '--ignore-not-found', '--wait=true']);
  await eventually(async () => {
    if ((await place.endpoints(name)).slices.length > 0)
      throw new Error(`the EndpointSlices of ${name} are still there`);
  }, 30);
}

const faults: readonly Fault[] = [
  apiFault({
    name: 'selector-typo',
    does: 'the selector asks for app=wbe, and the pods have app=web',
    expected: ['EPS-EMPTY', 'SVC-SELECTOR-NOMATCH'],
    inject: async (place, name) => place.patch(`service/${name}`, { spec: { selector: { app: 'wbe' } } }),
  }),
  apiFault({
    name: 'no-pods',
    does: 'all pods that the selector matches are deleted',
    expected: ['EPS-EMPTY', 'SVC-SELECTOR-NOMATCH'],
    pods: { on: ['node-a'] },
    inject: async (place, name) => place.kubectl(['-n', namespace, 'delete', 'pod', `${name}-a`, '--wait=true']),
  }),
  apiFault({
    name: 'target-port-name-wrong',
    does: 'targetPort names the port htpp, and the pods call it http',
    expected: ['SVC-TARGETPORT-NAME'],
    inject: async (place, name) =>
      place.patch(`service/${name}`, {
        spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'htpp' }] },
      }),
  }),
  apiFault({
    name: 'protocol-wrong',
    does: 'the port of the Service is TCP, and the pods have the target port over UDP',
    expected: ['SVC-PROTO'],
    inject: async (place, name) =>
      place.patch(`service/${name}`, {
        spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 5353 }] },
      }),
  }),
  apiFault({
    name: 'readiness-off',
    does: 'the readiness probe of the only pod fails',
    expected: ['EPS-ALL-NOTREADY', 'POD-NOTREADY'],
    pods: { on: ['node-b'] },
    inject: setReady('readiness-off-b', false),
    undo: setReady('readiness-off-b', true),
  }),
  apiFault({
    name: 'readiness-of-one-off',
    does: 'the readiness probe of one of two pods fails',
    expected: ['POD-NOTREADY'],
    pods: { on: ['node-b', 'node-c'] },
    inject: setReady('readiness-of-one-off-c', false),
    undo: setReady('readiness-of-one-off-c', true),
  }),
  apiFault({
    name: 'not-ready-published',
    does: 'the readiness probe of the only pod fails, and the Service has publishNotReadyAddresses',
    expected: ['EPS-PUBLISH-NOTREADY', 'POD-NOTREADY'],
    pods: { on: ['node-b'] },
    spec: { publishNotReadyAddresses: true },
    inject: setReady('not-ready-published-b', false),
    undo: setReady('not-ready-published-b', true),
  }),
  apiFault({
    name: 'terminating-only',
    does: 'the only pod is deleted, and goes on serving for some minutes',
    expected: ['EPS-TERMINATING-ONLY', 'POD-NO-DRAIN'],
    pods: { on: ['node-c'], options: { args: ['--linger', '180s'], spec: { terminationGracePeriodSeconds: 200 } } },
    inject: async (place, name) => place.kubectl(['-n', namespace, 'delete', 'pod', `${name}-c`, '--wait=false']),
    undo: async (place, name) =>
      place.kubectl(['-n', namespace, 'delete', 'pod', `${name}-c`, '--force', '--grace-period=0', '--wait=true']),
  }),
  apiFault({
    name: 'pod-deleted-without-grace',
    does: 'one of two pods is deleted with --force --grace-period=0: the EndpointSlices and all nodes follow',
    expected: [],
    pods: { on: ['node-a', 'node-b'] },
    inject: async (place, name) =>
      place.kubectl(['-n', namespace, 'delete', 'pod', `${name}-a`, '--force', '--grace-period=0', '--wait=true']),
  }),
  apiFault({
    name: 'pod-crashes',
    does: 'the process of a container is killed, as for lack of memory, and the kubelet starts it again',
    expected: ['POD-RESTARTS'],
    pods: { on: ['node-a', 'node-b'] },
    inject: async (place, name) => {
      const ctr = [
        place.cluster.programs.ctr,
        '--address',
        place.node('node-b').containerdSocket,
        '--namespace',
        'k8s.io',
      ] as const;
      const filter = `labels."io.kubernetes.pod.name"==${name}-b,labels."io.cri-containerd.kind"==container`;
      const id = (await place.node('node-b').exec([...ctr, 'containers', 'list', '--quiet', filter])).stdout.trim();
      await place.node('node-b').exec([...ctr, 'tasks', 'kill', '--signal', 'SIGKILL', id]);
      await eventually(async () => {
        const restarts = await place.kubectl([
          '-n',
          namespace,
          'get',
          'pod',
          `${name}-b`,
          '-o',
          'jsonpath={.status.containerStatuses[0].restartCount}',
        ]);
        if (Number(restarts) < 1) throw new Error(`${name}-b was not restarted yet`);
      }, 40);
      await untilReady(place, [`${name}-b`]);
    },
    // A restart is reported for an hour; another pod has none.
    undo: async (place, name) =>
      place.kubectl(['-n', namespace, 'delete', 'pod', `${name}-b`, '--force', '--grace-period=0', '--wait=true']),
  }),
  apiFault({
    name: 'headless',
    does: 'the Service is recreated with clusterIP: None',
    expected: ['SVC-NOT-PROXIED'],
    inject: async (place, name) => replaceService(place, name, { clusterIP: 'None' }),
    undo: deleteService,
  }),
  apiFault({
    name: 'external-name',
    does: 'the Service is recreated with type ExternalName',
    expected: ['SVC-NOT-PROXIED'],
    inject: async (place, name) =>
      replaceService(place, name, {
        type: 'ExternalName',
        externalName: 'auth.example.com',
        selector: null,
        ports: null,
      }),
    undo: deleteService,
  }),
  apiFault({
    name: 'no-selector',
    does: 'the Service is recreated without a selector, and nobody makes EndpointSlices for it',
    expected: ['EPS-EMPTY', 'SVC-NO-SELECTOR'],
    inject: async (place, name) => replaceService(place, name, { selector: null }),
    undo: deleteService,
  }),
  apiFault({
    name: 'external-local-without-endpoints',
    does: 'externalTrafficPolicy becomes Local, and all pods are on node-a: the NodePort of the other nodes drops',
    expected: ['RULE-LOCAL-DROP'],
    pods: { on: ['node-a'] },
    spec: { type: 'NodePort', externalTrafficPolicy: 'Cluster' },
    inject: async (place, name) => place.patch(`service/${name}`, { spec: { externalTrafficPolicy: 'Local' } }),
  }),
  apiFault({
    name: 'internal-local-without-endpoints',
    does: 'internalTrafficPolicy becomes Local, and all pods are on node-a: the cluster IP drops on the other nodes',
    expected: ['RULE-LOCAL-DROP (warning)'],
    pods: { on: ['node-a'] },
    spec: { internalTrafficPolicy: 'Cluster' },
    inject: async (place, name) => place.patch(`service/${name}`, { spec: { internalTrafficPolicy: 'Local' } }),
  }),
  apiFault({
    name: 'endpoint-in-two-slices',
    does: 'somebody adds an EndpointSlice with an endpoint that the controller has in its own',
    expected: ['EPS-DUPLICATE'],
    inject: async (place, name) => {
      const { addresses } = await place.endpoints(name);
      await place.apply([
        handmadeSlice(name, 'twice', [{ addresses: addresses.slice(0, 1), conditions: { ready: true } }]),
      ]);
    },
    undo: async (place, name) => place.delete([handmadeSlice(name, 'twice', [])]),
  }),
  apiFault({
    name: 'foreign-slice-of-a-gone-pod',
    does: 'somebody adds an EndpointSlice with the address of a pod that is not there',
    expected: ['EPS-STALE'],
    inject: async (place, name) =>
      place.apply([
        handmadeSlice(name, 'gone', [
          {
            addresses: ['10.244.1.250'],
            conditions: { ready: true },
            nodeName: 'node-a',
            targetRef: { kind: 'Pod', namespace, name: 'long-gone', uid: '11111111-2222-3333-4444-555555555555' },
          },
        ]),
      ]),
    undo: async (place, name) => place.delete([handmadeSlice(name, 'gone', [])]),
  }),
  apiFault({
    name: 'legacy-endpoints-edited',
    does: 'somebody takes the addresses out of the legacy Endpoints object',
    expected: ['EPS-LEGACY-DIFFERS'],
    inject: async (place, name) => place.patch(`endpoints/${name}`, { subsets: null }, 'merge'),
    // The controller writes it again when the Service changes.
    undo: async (place, name) => place.kubectl(['-n', namespace, 'delete', 'endpoints', name]),
  }),
  apiFault({
    name: 'some-hints-missing',
    does: 'one of two endpoints has a hint for its zone, and the other has none',
    expected: ['EPS-HINTS-PARTIAL'],
    inject: async (place, name) => {
      await replaceService(place, name, { selector: null });
      await place.apply([
        handmadeSlice(name, 'hints', [
          {
            addresses: [(await podAt(place, 'web-a')).ip],
            conditions: { ready: true },
            nodeName: 'node-a',
            zone: 'zone-a',
            hints: { forZones: [{ name: 'zone-a' }] },
          },
          {
            addresses: [(await podAt(place, 'web-b')).ip],
            conditions: { ready: true },
            nodeName: 'node-b',
            zone: 'zone-b',
          },
        ]),
      ]);
    },
    undo: async (place, name) => {
      await place.delete([handmadeSlice(name, 'hints', [])]);
      await deleteService(place, name);
    },
  }),
  apiFault({
    name: 'policy-denies-all',
    does: 'a NetworkPolicy isolates the pods and lets nobody in',
    expected: ['NP-DENY'],
    pods: { on: ['node-a', 'node-c'] },
    inject: async (place, name) =>
      place.apply([
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { name, namespace },
          spec: { podSelector: { matchLabels: { app: name } }, policyTypes: ['Ingress'] },
        },
      ]),
    undo: async (place, name) => place.kubectl(['-n', namespace, 'delete', 'networkpolicy', name]),
  }),
  apiFault({
    name: 'policy-limits-clients',
    does: 'a NetworkPolicy lets only pods with the label role=frontend in',
    expected: ['NP-LIMITS'],
    pods: { on: ['node-a'] },
    inject: async (place, name) =>
      place.apply([
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { name, namespace },
          spec: {
            podSelector: { matchLabels: { app: name } },
            policyTypes: ['Ingress'],
            ingress: [{ from: [{ podSelector: { matchLabels: { role: 'frontend' } } }] }],
          },
        },
      ]),
    undo: async (place, name) => place.kubectl(['-n', namespace, 'delete', 'networkpolicy', name]),
  }),
];

/** Findings about EndpointSlices, as those about rules, wait until a change has come everywhere. */
export const apiObjects: FaultGroup = { name: 'objects of the API', graceSeconds: syncGraceSeconds, faults };

/** A load balancer that is not there is reported 30 s after the change (core/diagnose/findings/svc-lb-pending.ts). */
export const loadBalancerPending: FaultGroup = {
  name: 'load balancer pending',
  graceSeconds: 31,
  faults: [
    apiFault({
      name: 'load-balancer-pending',
      does: 'the Service becomes one of type LoadBalancer, and the cluster has no controller that makes load balancers',
      expected: ['SVC-LB-PENDING'],
      spec: { type: 'ClusterIP' },
      inject: async (place, name) => place.patch(`service/${name}`, { spec: { type: 'LoadBalancer' } }),
      undo: async (place, name) =>
        place.patch(`service/${name}`, {
          spec: { type: 'ClusterIP', allocateLoadBalancerNodePorts: null, externalTrafficPolicy: null },
        }),
    }),
  ],
};
