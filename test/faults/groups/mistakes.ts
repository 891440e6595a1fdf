/**
 * The commonest mistakes: target ports that no container declares, selectors that take in another workload, an internal
 * policy Local with too few pods; and what only connections show, made from the nodes or from within a pod.
 */
import * as z from 'zod';
import { testpodImage } from '../../cluster/images.ts';
import { eventually } from '../../support/eventually.ts';
import type { Fault, FaultGroup, KubernetesObject, Undo } from '../fault.ts';
import { iptables } from '../iptables-edits.ts';
import { nft } from '../nft-edits.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { syncGraceSeconds } from '../prepare.ts';
import { toolsPod } from '../../setup/tools-pod.ts';
import { serverPod, service } from '../workload.ts';

interface Mistake {
  readonly name: string;
  readonly does: string;
  readonly expected: readonly string[];
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly objects?: readonly KubernetesObject[];
  readonly client?: string;
  readonly connect?: 'nodes' | 'pod';
  readonly healthy?: readonly string[];
  readonly inject: (place: Place, name: string) => Promise<Undo | undefined>;
}

/** Its Service is what it was once it is taken away. */
function mistake({ name, spec = {}, objects = [], expected, inject, ...rest }: Mistake): Fault {
  const own = service(name, spec);
  return {
    ...rest,
    name,
    service: name,
    expected: [...expected].sort(),
    objects: [own, ...objects],
    inject: async (place) => {
      const undo = await inject(place, name);
      return async () => {
        await undo?.();
        await place.apply([own]);
      };
    },
  };
}

const servicePort = (targetPort: number | string, protocol = 'TCP'): Readonly<Record<string, unknown>> => ({
  spec: { ports: [{ name: 'http', port: 80, protocol, targetPort }] },
});

/** Selects by `team` alone, which pods of both workloads have. */
const widen = async (place: Place, name: string): Promise<Undo> => {
  await place.patch(`service/${name}`, { spec: { selector: { app: null, team: name } } }, 'merge');
  // A selector is merged with the one that is there.
  return async () => place.patch(`service/${name}`, { spec: { selector: { app: name, team: null } } }, 'merge');
};

/** A workload of one pod on this node, which listens on the port and declares it as `http`. */
function workload(name: string, team: string, node: string, port = 8080, portName = 'http'): KubernetesObject {
  const labels = { app: name, team };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeName: node,
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'server',
              image: testpodImage,
              imagePullPolicy: 'Never',
              args: ['serve', '--port', String(port)],
              ports: [{ name: portName, containerPort: port }],
              readinessProbe: {
                httpGet: { path: '/healthz', port },
                periodSeconds: 1,
                timeoutSeconds: 3,
                failureThreshold: 3,
              },
            },
          ],
        },
      },
    },
  };
}

const twoWorkloads = (name: string, port: number, portName?: string): readonly KubernetesObject[] => [
  workload(name, name, 'node-a'),
  workload(`${name}-other`, name, 'node-c', port, portName),
];

const toolsPodOn = (node: string): KubernetesObject => toolsPod(`tools-${node.slice(-1)}`, namespace, node);

async function podIp(place: Place, name: string): Promise<string> {
  return place.kubectl(['-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}']);
}

const attempt = z.object({ ok: z.boolean() });

/** How many of the connections that a client's pod tries are answered. */
async function attempts(place: Place, client: string, to: string, count: number): Promise<number> {
  const lines = await place
    .kubectl([
      '-n',
      namespace,
      'exec',
      client,
      '--',
      '/testpod',
      'connect',
      '--count',
      String(count),
      '--timeout',
      '1s',
      '--to',
      to,
    ])
    .catch(() => '');
  return lines.split('\n').filter((line) => line !== '' && attempt.parse(JSON.parse(line)).ok).length;
}

/** A rule that is taken away by the same words. */
async function rule(place: Place, node: string, table: string, chain: string, words: string): Promise<Undo> {
  await iptables(place.node(node), table, `-I ${chain} ${words}`);
  return async () => iptables(place.node(node), table, `-D ${chain} ${words}`);
}

/** Routes what one address sends to the other into nothing, on a node that forwards it: no rule of netfilter shows it. */
async function blackhole(place: Place, node: string, from: string, to: string): Promise<Undo> {
  const words = ['blackhole', 'from', `${from}/32`, 'to', `${to}/32`];
  await place.node(node).exec(['ip', 'rule', 'add', ...words]);
  return async () => place.node(node).exec(['ip', 'rule', 'del', ...words]);
}

async function together(undos: readonly Promise<Undo>[]): Promise<Undo> {
  const made = await Promise.all(undos);
  return async () => Promise.all(made.map(async (undo) => undo()));
}

const servers = (name: string, nodes: readonly string[]): readonly KubernetesObject[] =>
  nodes.map((node) => serverPod(`${name}-${node.slice(-1)}`, name, node));

const faults: readonly Fault[] = [
  mistake({
    name: 'target-port-number-undeclared',
    does: 'targetPort becomes 9999, and the containers declare 8080',
    expected: ['SVC-TARGETPORT-UNDECLARED'],
    inject: async (place, name) => {
      await place.patch(`service/${name}`, servicePort(9999));
      return undefined;
    },
  }),
  mistake({
    name: 'target-port-number-of-udp-undeclared',
    does: 'the targetPort of a UDP port becomes 5354, and the containers declare 5353',
    spec: { ports: [{ name: 'http', port: 80, protocol: 'UDP', targetPort: 5353 }] },
    expected: ['SVC-TARGETPORT-UNDECLARED'],
    inject: async (place, name) => {
      await place.patch(`service/${name}`, servicePort(5354, 'UDP'));
      return undefined;
    },
  }),
  mistake({
    name: 'target-port-number-refused',
    does: 'targetPort becomes 9999, and the nodes connect',
    connect: 'nodes',
    expected: ['SVC-TARGETPORT-CLOSED', 'SVC-TARGETPORT-UNDECLARED'],
    inject: async (place, name) => {
      await place.patch(`service/${name}`, servicePort(9999));
      return undefined;
    },
  }),
  mistake({
    name: 'selector-of-two-workloads',
    does: 'the selector takes in the pods of another Deployment, which listen on 9090 and declare it',
    spec: { selector: { app: 'selector-of-two-workloads' } },
    objects: twoWorkloads('selector-of-two-workloads', 9090),
    expected: ['SVC-MIXED-WORKLOADS (warning)', 'SVC-TARGETPORT-PARTIAL'],
    inject: widen,
  }),
  mistake({
    name: 'selector-of-two-workloads-refused',
    does: 'the same, and the nodes connect',
    spec: { selector: { app: 'selector-of-two-workloads-refused' } },
    objects: twoWorkloads('selector-of-two-workloads-refused', 9090),
    connect: 'nodes',
    expected: ['SVC-MIXED-WORKLOADS (warning)', 'SVC-TARGETPORT-CLOSED', 'SVC-TARGETPORT-PARTIAL'],
    inject: widen,
  }),
  mistake({
    name: 'selector-of-two-workloads-by-name',
    does: 'the selector takes in the pods of another Deployment, which call their port web, and targetPort is http',
    spec: {
      selector: { app: 'selector-of-two-workloads-by-name' },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' }],
    },
    objects: twoWorkloads('selector-of-two-workloads-by-name', 8080, 'web'),
    expected: ['SVC-MIXED-WORKLOADS (warning)', 'SVC-TARGETPORT-PARTIAL'],
    inject: widen,
  }),
  mistake({
    name: 'canary',
    does: 'the selector takes in the pods of another Deployment, which declare the same port',
    spec: { selector: { app: 'canary' } },
    objects: twoWorkloads('canary', 8080),
    expected: ['SVC-MIXED-WORKLOADS'],
    inject: widen,
  }),
  mistake({
    name: 'internal-local-with-clients',
    does: 'internalTrafficPolicy becomes Local, the pod is on node-a, and a pod on node-c tries to connect',
    spec: { selector: { app: 'internal-local-with-clients' }, internalTrafficPolicy: 'Cluster' },
    objects: servers('internal-local-with-clients', ['node-a']),
    expected: ['RULE-LOCAL-DROP (error)'],
    inject: async (place, name) => {
      await place.patch(`service/${name}`, { spec: { internalTrafficPolicy: 'Local' } });
      const address = await place.clusterIp(name);
      // kube-proxy waits a second before it writes, and longer where the machine is busy.
      await eventually(async () => {
        if ((await attempts(place, 'client-c', `${address}:80`, 2)) > 0)
          throw new Error(`node-c still has the rules of before: a connection to ${address} was answered`);
      }, 60);
      // A client goes on trying, and has to: each write of kube-proxy, which the other faults bring about, counts from 0 again.
      attempts(place, 'client-c', `${address}:80`, 100).catch(() => undefined);
      return undefined;
    },
  }),
  mistake({
    name: 'internal-local-for-the-client',
    does: 'internalTrafficPolicy becomes Local, the pod is on node-a, and the client of --from on node-b',
    spec: { selector: { app: 'internal-local-for-the-client' }, internalTrafficPolicy: 'Cluster' },
    objects: servers('internal-local-for-the-client', ['node-a']),
    client: 'client-b',
    expected: ['RULE-LOCAL-DROP (error)'],
    inject: async (place, name) => {
      await place.patch(`service/${name}`, { spec: { internalTrafficPolicy: 'Local' } });
      return undefined;
    },
  }),
  mistake({
    name: 'endpoint-that-does-not-answer-a-client',
    does: "node-c has no route back from the Service's one pod to a pod of node-a (ip rule, blackhole), and that pod tries to connect",
    spec: { selector: { app: 'endpoint-that-does-not-answer-a-client' } },
    objects: servers('endpoint-that-does-not-answer-a-client', ['node-c']),
    expected: ['CT-TCP-UNANSWERED node-a'],
    inject: async (place, name) => {
      const undo = await blackhole(place, 'node-c', await podIp(place, `${name}-c`), await podIp(place, 'client-a'));
      await attempts(place, 'client-a', `${await place.clusterIp(name)}:80`, 2);
      return async () => {
        await undo();
        await place
          .node('node-a')
          .exec(['conntrack', '-D', '-p', 'tcp', '--orig-dst', await place.clusterIp(name)], { reject: false });
      };
    },
  }),
  mistake({
    name: 'endpoint-of-a-node-that-lets-nobody-in',
    does: "node-c has no route back from the Service's pod there to the other two nodes (ip rule, blackhole), and the nodes connect",
    spec: { selector: { app: 'endpoint-of-a-node-that-lets-nobody-in' } },
    objects: servers('endpoint-of-a-node-that-lets-nobody-in', ['node-a', 'node-c']),
    connect: 'nodes',
    expected: ['PROBE-FAIL-NODE node-c'],
    inject: async (place, name) => {
      const pod = await podIp(place, `${name}-c`);
      return together(['node-a', 'node-b'].map(async (node) => blackhole(place, 'node-c', pod, place.node(node).ip)));
    },
  }),
  mistake({
    name: 'node-without-a-route-to-an-endpoint',
    does: "node-a has a blackhole route to the Service's pod on node-b, and the nodes connect",
    spec: { selector: { app: 'node-without-a-route-to-an-endpoint' } },
    objects: servers('node-without-a-route-to-an-endpoint', ['node-b', 'node-c']),
    connect: 'nodes',
    expected: ['PROBE-FAIL-NODE node-a'],
    inject: async (place, name) => {
      const route = ['blackhole', `${await podIp(place, `${name}-b`)}/32`];
      await place.node('node-a').exec(['ip', 'route', 'add', ...route]);
      return async () => place.node('node-a').exec(['ip', 'route', 'del', ...route]);
    },
  }),
  mistake({
    name: 'pod-dropped-at-prerouting',
    does: "node-b drops what one pod sends to the cluster IP, in a chain of nftables before kube-proxy's, and that pod connects",
    spec: { selector: { app: 'pod-dropped-at-prerouting' } },
    objects: [...servers('pod-dropped-at-prerouting', ['node-a']), toolsPodOn('node-b')],
    client: 'tools-b',
    connect: 'pod',
    expected: ['PROBE-FAIL-CLIENT node-b'],
    inject: async (place, name) => {
      const on = place.node('node-b');
      await nft(
        on,
        `table ip svctrace_pod {\n\tchain first { type filter hook prerouting priority -150; policy accept;\n\t\tip saddr ${await podIp(place, 'tools-b')} ip daddr ${await place.clusterIp(name)} drop\n\t}\n}`,
      );
      return async () => nft(on, 'delete table ip svctrace_pod');
    },
  }),
  mistake({
    name: 'pod-dropped-in-forward',
    does: "node-a drops in FORWARD what one pod sends to the Service's pods, and that pod connects",
    spec: { selector: { app: 'pod-dropped-in-forward' } },
    objects: [...servers('pod-dropped-in-forward', ['node-b']), toolsPodOn('node-a')],
    client: 'tools-a',
    connect: 'pod',
    expected: ['PROBE-FAIL-CLIENT node-a'],
    inject: async (place, name) =>
      rule(
        place,
        'node-a',
        'filter',
        'FORWARD',
        `-s ${await podIp(place, 'tools-a')}/32 -d ${await podIp(place, `${name}-b`)}/32 -p tcp -j DROP`,
      ),
  }),
  mistake({
    name: 'pod-redirected-at-prerouting',
    does: 'node-c redirects what one pod sends to the cluster IP to a port of its own, where nothing listens, and that pod connects',
    spec: { selector: { app: 'pod-redirected-at-prerouting' } },
    objects: [...servers('pod-redirected-at-prerouting', ['node-a']), toolsPodOn('node-c')],
    client: 'tools-c',
    connect: 'pod',
    expected: ['PROBE-FAIL-CLIENT node-c'],
    inject: async (place, name) =>
      rule(
        place,
        'node-c',
        'nat',
        'PREROUTING',
        `-s ${await podIp(place, 'tools-c')}/32 -d ${await place.clusterIp(name)}/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9`,
      ),
  }),
];

export const mistakes: FaultGroup = { name: 'commonest mistakes', graceSeconds: syncGraceSeconds, faults };
