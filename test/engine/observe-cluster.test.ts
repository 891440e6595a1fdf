/** What is read around a Service, over real HTTP from an API server of a few lines. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  NetworkingV1Api,
  type V1EndpointSlice,
  type V1NetworkPolicy,
  type V1Node,
  type V1Pod,
  type V1Service,
} from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterFactsSchema } from '../../core/api/cluster-facts.ts';
import { kubeProxyConfigMap } from '../../core/diagnose/checks/kube-proxy-config-of.ts';
import { diagnose } from '../../core/diagnose/diagnose.ts';
import { clusterObserver, type ClusterObserver, type ObserveRequest } from '../../engine/observe-cluster.ts';
import { desiredServiceOf } from '../../engine/observe.ts';

/** Objects by their path; a list is the objects below a path. */
let objects: Map<string, object>;
/** Paths that are refused, by their beginning, and with which status. */
let refused: Map<string, number>;
let requests: string[];
let onRequest: (path: string) => void;
let close: () => Promise<void>;
let observer: ClusterObserver;

beforeEach(async () => {
  objects = new Map();
  refused = new Map();
  requests = [];
  onRequest = () => undefined;
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    requests.push(`${url.pathname}${url.search}`);
    onRequest(url.pathname);
    const answer = (code: number, body: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const code = [...refused].find(([start]) => url.pathname.startsWith(start))?.[1];
    if (code !== undefined) {
      answer(code, {
        kind: 'Status',
        code,
        message: `${url.pathname} is forbidden: User "system:serviceaccount:svctrace-system:svctrace-operator" cannot read it`,
      });
      return;
    }
    const object = objects.get(url.pathname);
    if (object !== undefined) {
      answer(200, object);
      return;
    }
    const isList = /\/(pods|endpointslices|networkpolicies)$/.test(url.pathname);
    const items = [...objects]
      .filter(([path]) => path.startsWith(`${url.pathname}/`))
      .map(([, each]) => each)
      .filter((each) => matches(each, url.searchParams.get('labelSelector')));
    answer(
      isList ? 200 : 404,
      isList
        ? { kind: 'List', apiVersion: 'v1', metadata: {}, items }
        : { kind: 'Status', code: 404, message: 'not found' },
    );
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  observer = clusterObserver({
    core: kubeConfig.makeApiClient(CoreV1Api),
    discovery: kubeConfig.makeApiClient(DiscoveryV1Api),
    networking: kubeConfig.makeApiClient(NetworkingV1Api),
  });
  close = async () => {
    http.closeAllConnections();
    await new Promise<void>((resolve) => {
      http.close(() => {
        resolve();
      });
    });
  };
});

afterEach(() => close());

function matches(object: V1Pod, selector: string | null): boolean {
  return (selector ?? '')
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [key = '', value] = term.split('=');
      return object.metadata?.labels?.[key] === value;
    });
}

const api = '/api/v1/namespaces/shop';
const namespace = 'shop';
const long = new Date('2026-11-24T08:00:00Z');

function put(path: string, object: object): void {
  objects.set(path, object);
}

function pod(name: string, ip: string, extra: { labels?: Record<string, string>; ready?: boolean } = {}): V1Pod {
  const { labels = { app: 'auth' }, ready = true } = extra;
  return {
    metadata: { name, namespace, uid: `uid-${name}`, labels, creationTimestamp: long },
    spec: {
      nodeName: 'node-a',
      containers: [
        {
          name: 'server',
          ports: [{ name: 'web', containerPort: 8080 }],
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
        },
      ],
      initContainers: [
        { name: 'sidecar', restartPolicy: 'Always', ports: [{ containerPort: 15_001 }] },
        { name: 'once', ports: [{ containerPort: 1 }] },
      ],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip }],
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastTransitionTime: long,
          ...(ready ? {} : { reason: 'ContainersNotReady', message: 'containers with unready status: [server]' }),
        },
      ],
      containerStatuses: [
        {
          name: 'server',
          ready,
          restartCount: 2,
          image: 'i',
          imageID: 'i',
          lastState: { terminated: { exitCode: 137, reason: 'OOMKilled', finishedAt: long } },
          state: ready ? {} : { waiting: { reason: 'CrashLoopBackOff' } },
        },
      ],
    },
  };
}

function slice(...pods: readonly [name: string, ip: string][]): V1EndpointSlice {
  return {
    metadata: {
      name: 'auth-1',
      namespace,
      labels: {
        'kubernetes.io/service-name': 'auth',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: pods.map(([name, ip]) => ({
      addresses: [ip],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-a',
      targetRef: { kind: 'Pod', name, uid: `uid-${name}`, namespace },
    })),
  };
}

const service: V1Service = {
  metadata: { name: 'auth', namespace, creationTimestamp: long },
  spec: {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.7'],
    ipFamilies: ['IPv4'],
    selector: { app: 'auth' },
    ports: [{ name: 'http', port: 80, targetPort: 'web', protocol: 'TCP' }],
  },
  status: { loadBalancer: { ingress: [{ hostname: 'lb.example' }] } },
};
const node: V1Node = {
  metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
  status: {
    conditions: [{ type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'starting' }],
    addresses: [{ type: 'InternalIP', address: '172.30.0.11' }],
  },
};

/** Slices as they are at the time. */
function request(slices: readonly V1EndpointSlice[], extra: Partial<ObserveRequest> = {}): ObserveRequest {
  return { service, slices, nodes: [node], ...extra };
}

/** As the API server writes it: the client calls `from` `_from`. */
function policy(name: string, { ingress, ...spec }: NonNullable<V1NetworkPolicy['spec']>): object {
  return {
    metadata: { name, namespace },
    spec: {
      ...spec,
      ...(ingress === undefined ? {} : { ingress: ingress.map(({ _from: from, ports }) => ({ from, ports })) }),
    },
  };
}

describe('observe', () => {
  it('reads pods, the Endpoints object, policies, DNS and kube-proxy as facts that a bundle can hold', async () => {
    const made = pod('auth-a', '10.244.1.2');
    const owner = { apiVersion: 'apps/v1', uid: 'uid-owner' };
    put(`${api}/pods/auth-a`, {
      ...made,
      metadata: {
        ...made.metadata,
        ownerReferences: [
          { ...owner, kind: 'Node', name: 'node-a' },
          { ...owner, kind: 'ReplicaSet', name: 'auth-6d5f8', controller: true },
        ],
      },
    });
    put(`${api}/pods/auth-b`, pod('auth-b', '10.244.1.3', { ready: false }));
    put(`${api}/pods/other`, pod('other', '10.244.1.9', { labels: { app: 'other' } }));
    put(`${api}/endpoints/auth`, {
      metadata: { name: 'auth', resourceVersion: '7' },
      subsets: [
        {
          addresses: [{ ip: '10.244.1.2' }],
          notReadyAddresses: [{ ip: '10.244.1.3' }],
          ports: [{ name: 'http', port: 8080 }],
        },
      ],
    });
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/a',
      policy('a', {
        podSelector: { matchLabels: { app: 'auth' } },
        ingress: [{ _from: [{ podSelector: {} }], ports: [{ port: 8080, protocol: 'TCP' }] }],
      }),
    );
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/b',
      policy('b', { podSelector: { matchLabels: { app: 'other' } } }),
    );
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/c',
      policy('c', { podSelector: {}, policyTypes: ['Egress'] }),
    );
    put('/api/v1/namespaces/kube-system/services/kube-dns', {
      metadata: { name: 'kube-dns' },
      spec: { clusterIPs: ['10.96.0.10'] },
    });
    put('/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-1', {
      metadata: { name: 'kube-dns-1', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.244.0.2'], conditions: { ready: true } },
        { addresses: ['10.244.0.3'], conditions: { ready: false } },
      ],
    });
    put('/api/v1/namespaces/kube-system/configmaps/kube-proxy', {
      metadata: { name: 'kube-proxy' },
      data: { 'config.conf': 'mode: nftables' },
    });
    put('/api/v1/namespaces/kube-system/pods/kube-proxy-x', {
      ...pod('kube-proxy-x', '172.30.0.11', { labels: { 'k8s-app': 'kube-proxy' } }),
    });

    const facts = await observer.observe(request([slice(['auth-a', '10.244.1.2'])]));

    expect(clusterFactsSchema.parse(JSON.parse(JSON.stringify(facts)))).toEqual(facts);
    expect(facts.unread).toEqual([]);
    expect(facts.service).toEqual({ createdAt: '2026-11-24T08:00:00.000Z', loadBalancerIngress: ['lb.example'] });
    expect(facts.pods?.map(({ owner: controller }) => controller)).toEqual([
      { kind: 'ReplicaSet', name: 'auth-6d5f8' },
      undefined,
    ]);
    expect(
      facts.pods?.map(({ name, selected, ready, hasPreStop, notReady }) => ({
        name,
        selected,
        ready,
        hasPreStop,
        notReady,
      })),
    ).toEqual([
      { name: 'auth-a', selected: true, ready: true, hasPreStop: true, notReady: undefined },
      {
        name: 'auth-b',
        selected: true,
        ready: false,
        hasPreStop: true,
        notReady: 'ContainersNotReady: containers with unready status: [server]',
      },
    ]);
    expect(facts.pods?.[1]).toMatchObject({
      notReadySince: '2026-11-24T08:00:00.000Z',
      containers: [
        { name: 'server', restarts: 2, waiting: 'CrashLoopBackOff', lastEnd: { reason: 'OOMKilled', exitCode: 137 } },
        { name: 'sidecar', ports: [{ port: 15_001, protocol: 'TCP' }] },
      ],
    });
    expect(facts.endpoints).toMatchObject({
      resourceVersion: '7',
      subsets: [
        {
          addresses: ['10.244.1.2'],
          notReadyAddresses: ['10.244.1.3'],
          ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        },
      ],
    });
    expect(facts.networkPolicies).toEqual([
      {
        name: 'a',
        pods: ['auth-a', 'auth-b'],
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 8080, protocol: 'TCP' }] }],
      },
    ]);
    expect(facts.nodes).toEqual([
      {
        name: 'node-a',
        ready: false,
        notReady: 'KubeletNotReady: starting',
        zone: 'zone-a',
        internalIPs: ['172.30.0.11'],
        podCIDRs: [],
      },
    ]);
    expect(facts.dns).toEqual({
      clusterIPs: ['10.96.0.10'],
      endpoints: 2,
      readyEndpoints: 1,
      servers: [
        { address: '10.244.0.2', port: 53, ready: true },
        { address: '10.244.0.3', port: 53, ready: false },
      ],
    });
    expect(facts.kubeProxy).toMatchObject({
      config: { 'config.conf': 'mode: nftables' },
      pods: [{ name: 'kube-proxy-x', node: 'node-a', ready: true, restarts: 2 }],
    });
  });

  it('distinguishes what is not there from what was not read', async () => {
    put(`${api}/pods/auth-a`, pod('auth-a', '10.244.1.2'));
    const facts = await observer.observe(request([slice(['auth-a', '10.244.1.2'])]));
    expect(facts).toMatchObject({
      endpoints: null,
      networkPolicies: [],
      dns: null,
      kubeProxy: { pods: [] },
      unread: [],
    });
    expect(facts.kubeProxy?.config).toBeUndefined();
  });

  const configuration = (mode: string): string =>
    `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\n`;
  const kubeconfig = 'apiVersion: v1\nkind: Config\nclusters: []\n';
  const configMaps = '/api/v1/namespaces/kube-system/configmaps';
  it.each([
    [
      'kubeadm',
      { 'k8s-app': 'kube-proxy' },
      [
        { name: 'kube-proxy', configMap: { name: 'kube-proxy' } },
        { name: 'xtables-lock', hostPath: { path: '/run/xtables.lock' } },
      ],
      { 'kube-proxy': { 'config.conf': configuration('ipvs'), 'kubeconfig.conf': kubeconfig } },
      'kube-proxy',
    ],
    [
      'EKS',
      { 'k8s-app': 'kube-proxy', 'eks.amazonaws.com/component': 'kube-proxy' },
      [
        { name: 'varlog', hostPath: { path: '/var/log' } },
        { name: 'kubeconfig', configMap: { name: 'kube-proxy' } },
        { name: 'config', configMap: { name: 'kube-proxy-config' } },
      ],
      { 'kube-proxy': { kubeconfig }, 'kube-proxy-config': { config: configuration('ipvs') } },
      'kube-proxy-config',
    ],
    [
      'a generator that adds a hash',
      { 'k8s-app': 'kube-proxy' },
      [
        {
          name: 'config',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token' } },
              { configMap: { name: 'kube-proxy-config-7f2k9d4h6m' } },
            ],
          },
        },
      ],
      { 'kube-proxy-config-7f2k9d4h6m': { 'kube-proxy-config.yaml': configuration('ipvs') } },
      'kube-proxy-config-7f2k9d4h6m',
    ],
    [
      'AKS',
      { component: 'kube-proxy', tier: 'node' },
      [{ name: 'config', configMap: { name: 'kube-proxy-config' } }],
      { 'kube-proxy-config': { 'kube-proxy-config.yaml': configuration('ipvs') } },
      'kube-proxy-config',
    ],
    [
      'Talos, whose pods have flags alone',
      { 'k8s-app': 'kube-proxy', tier: 'node' },
      [{ name: 'kubeconfig', secret: { secretName: 'kubeconfig-in-cluster' } }],
      {},
      undefined,
    ],
  ])('finds the configuration of kube-proxy as %s sets it up', async (_name, labels, volumes, maps, expected) => {
    const made = pod('kube-proxy-x', '172.30.0.11', { labels });
    put('/api/v1/namespaces/kube-system/pods/kube-proxy-x', { ...made, spec: { ...made.spec, volumes } });
    for (const [name, data] of Object.entries(maps)) put(`${configMaps}/${name}`, { metadata: { name }, data });
    const facts = await observer.observe(request([slice(['auth-a', '10.244.1.2'])]));
    expect(facts.unread).toEqual([]);
    expect(facts.kubeProxy?.pods.map(({ name }) => name)).toEqual(['kube-proxy-x']);
    expect(facts.kubeProxy?.configMap).toBe(expected);
    expect(kubeProxyConfigMap(facts)?.mode).toBe(expected === undefined ? undefined : 'ipvs');
    // No other is asked for, and none is listed.
    const asked = requests.map((path) => path.replace(/\?.*/, '')).filter((path) => path.startsWith(configMaps));
    expect(asked.map((path) => path.slice(configMaps.length + 1)).sort()).toEqual(
      expected === undefined ? ['kube-proxy', 'kube-proxy-config'] : Object.keys(maps).sort(),
    );
  });

  it('asks for the right to a ConfigMap of another name by that name alone', async () => {
    const made = pod('kube-proxy-x', '172.30.0.11', { labels: { 'k8s-app': 'kube-proxy' } });
    put('/api/v1/namespaces/kube-system/pods/kube-proxy-x', {
      ...made,
      spec: { ...made.spec, volumes: [{ name: 'config', configMap: { name: 'kube-proxy-config-7f2k9d4h6m' } }] },
    });
    refused.set(configMaps, 403);
    const slices = [slice(['auth-a', '10.244.1.2'])];
    const facts = await observer.observe(request(slices));
    expect(facts.unread[0]).toMatchObject({
      forbidden: {
        verb: 'get',
        resource: 'configmaps',
        namespace: 'kube-system',
        names: ['kube-proxy-config-7f2k9d4h6m'],
      },
    });
    const [finding] = diagnose({
      desired: desiredServiceOf(service, slices),
      nodes: [],
      cluster: facts,
      now: '2026-11-24T10:00:00Z',
    }).filter(({ id }) => id === 'DATA-API-UNREAD');
    expect(finding?.commands?.[0]?.run).toMatch(
      / --verb=get --resource=configmaps --resource-name=kube-proxy-config-7f2k9d4h6m$/,
    );
    expect(finding?.message).toContain('so nothing is said of the configuration of kube-proxy');
  });

  it.each([
    [
      'pods',
      '/api/v1/namespaces/shop/pods',
      ['pods', 'networkPolicies'],
      { verb: 'get,list', resource: 'pods', namespace },
    ],
    [
      'Endpoints',
      '/api/v1/namespaces/shop/endpoints',
      ['endpoints'],
      { verb: 'get', resource: 'endpoints', namespace },
    ],
    [
      'NetworkPolicies',
      '/apis/networking.k8s.io/',
      ['networkPolicies'],
      { verb: 'list', resource: 'networkpolicies.networking.k8s.io', namespace },
    ],
    [
      'the DNS Service',
      '/api/v1/namespaces/kube-system/services',
      ['dns'],
      { verb: 'get,list', resource: 'services,endpointslices.discovery.k8s.io', namespace: 'kube-system' },
    ],
    [
      "kube-proxy's pods",
      '/api/v1/namespaces/kube-system/pods',
      ['kubeProxy'],
      { verb: 'list', resource: 'pods', namespace: 'kube-system' },
    ],
    [
      "kube-proxy's ConfigMap",
      '/api/v1/namespaces/kube-system/configmaps',
      [],
      { verb: 'get', resource: 'configmaps', namespace: 'kube-system' },
    ],
  ] as const)(
    'goes on without %s where they are forbidden, and says which right is missing',
    async (_name, path, absent, forbidden) => {
      put(`${api}/pods/auth-a`, pod('auth-a', '10.244.1.2'));
      refused.set(path, 403);
      const slices = [slice(['auth-a', '10.244.1.2'])];
      const facts = await observer.observe(request(slices));
      expect(facts.unread).toHaveLength(1);
      expect(facts.unread[0]).toMatchObject({ reason: expect.stringContaining('is forbidden'), forbidden });
      const parts = ['pods', 'endpoints', 'networkPolicies', 'dns', 'kubeProxy'] as const;
      expect(parts.filter((part) => facts[part] === undefined)).toEqual(absent);
      const [finding] = diagnose({
        desired: desiredServiceOf(service, slices),
        nodes: [],
        cluster: facts,
        now: '2026-11-24T10:00:00Z',
      }).filter(({ id }) => id === 'DATA-API-UNREAD');
      const [role, binding] = finding?.commands?.map(({ run }) => run) ?? [];
      expect(role).toMatch(
        new RegExp(
          `^kubectl -n ${forbidden.namespace} create role svctrace-read-\\S+ --verb=${forbidden.verb} --resource=${forbidden.resource}(?: --resource-name=[a-z-]+)*$`,
        ),
      );
      expect(binding).toMatch(/ create rolebinding \S+ --role=\S+ --serviceaccount=svctrace-system:svctrace-operator$/);
    },
  );

  it('says of an error that is not a refusal that it is one, and reads again at the next time', async () => {
    put(`${api}/pods/auth-a`, pod('auth-a', '10.244.1.2'));
    refused.set('/apis/networking.k8s.io/', 500);
    const first = await observer.observe(request([slice(['auth-a', '10.244.1.2'])]));
    expect(first.unread).toEqual([
      {
        part: 'networkPolicies',
        what: 'networkpolicies of namespace shop',
        reason: expect.stringContaining('/apis/networking.k8s.io/'),
      },
    ]);
    refused.clear();
    const second = await observer.observe(request([slice(['auth-a', '10.244.1.2'])]));
    expect(second.unread).toEqual([]);
  });

  it('reads once what traces share, and the pods of a Service once for those who trace it at the same time', async () => {
    put(`${api}/pods/auth-a`, pod('auth-a', '10.244.1.2'));
    const asked = request([slice(['auth-a', '10.244.1.2'])]);
    await Promise.all(Array.from({ length: 5 }, () => observer.observe(asked)));
    await observer.dnsService();
    const counts = Map.groupBy(requests, (path) => path.replace(/\?.*/, ''));
    expect(counts.get('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies')).toHaveLength(1);
    expect(counts.get('/api/v1/namespaces/kube-system/services/kube-dns')).toHaveLength(1);
    // By each of the labels that distributions give kube-proxy's pods.
    expect(counts.get('/api/v1/namespaces/kube-system/pods')).toHaveLength(2);
    expect(counts.get('/api/v1/namespaces/kube-system/configmaps/kube-proxy')).toHaveLength(1);
    expect(counts.get('/api/v1/namespaces/shop/pods')).toHaveLength(1);
  });
});

describe('pods that are not selected', () => {
  const lone: V1Service = { ...service, spec: { ...service.spec, selector: { app: 'auht', tier: 'web' } } };

  it('are shown where nothing is selected, the nearest first and one of each kind', async () => {
    for (let index = 0; index < 60; index += 1)
      put(`${api}/pods/far-${index}`, pod(`far-${index}`, '10.244.2.2', { labels: { app: `something-${index}` } }));
    put(
      `${api}/pods/near-1`,
      pod('near-1', '10.244.1.2', { labels: { app: 'auth', tier: 'web', 'pod-template-hash': '1' } }),
    );
    put(
      `${api}/pods/near-2`,
      pod('near-2', '10.244.1.3', { labels: { app: 'auth', tier: 'web', 'pod-template-hash': '2' } }),
    );
    put(`${api}/pods/unlike`, pod('unlike', '10.244.1.4', { labels: { colour: 'blue' } }));
    const slices: V1EndpointSlice[] = [];
    const facts = await observer.observe(request(slices, { service: lone }));
    const names = facts.pods?.map(({ name }) => name) ?? [];
    expect(names).toHaveLength(50);
    expect(names.filter((name) => name.startsWith('near'))).toEqual(['near-2']);
    expect(names).not.toContain('unlike');
    const [finding] = diagnose({
      desired: desiredServiceOf(lone, slices),
      nodes: [],
      cluster: facts,
      now: '2026-11-24T10:00:00Z',
    });
    expect(finding).toMatchObject({
      id: 'SVC-SELECTOR-NOMATCH',
      message: expect.stringContaining('it asks for app=auht, and pod near-2 has app=auth'),
      commands: [{ run: expect.stringMatching(/ set selector service\/auth app=auth,tier=web$/) }],
    });
  });

  it('are read one by one where an EndpointSlice names few of them, and by one list where it names many', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `ghost-${index}`);
    put(`${api}/pods/auth-a`, pod('auth-a', '10.244.1.2'));
    for (const name of names) put(`${api}/pods/${name}`, pod(name, '10.244.3.3', { labels: {} }));
    await observer.observe(request([slice(['auth-a', '10.244.1.2'], ['ghost-1', '10.244.3.3'])]));
    expect(requests.filter((path) => path === '/api/v1/namespaces/shop/pods/ghost-1').length).toBeGreaterThan(0);
    requests.length = 0;
    const facts = await observer.observe(
      request([slice(...names.map((name): [string, string] => [name, '10.244.3.3']))]),
    );
    expect(requests.filter((path) => path.startsWith('/api/v1/namespaces/shop/pods/'))).toEqual([]);
    expect(facts.pods?.filter(({ selected }) => !selected)).toHaveLength(25);
  });
});

describe('the client of spec.from', () => {
  const client = pod('client', '10.244.1.9', { labels: { app: 'client' } });

  it('comes with the policies that isolate what leaves it', async () => {
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/implied',
      policy('implied', {
        podSelector: { matchLabels: { app: 'client' } },
        egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 53, protocol: 'UDP' }] }],
      }),
    );
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny',
      policy('deny', { podSelector: {}, policyTypes: ['Egress'] }),
    );
    put('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/ingress', policy('ingress', { podSelector: {} }));
    put(
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/other',
      policy('other', {
        podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['client'] }] },
        policyTypes: ['Egress'],
      }),
    );
    const facts = await observer.observe(request([], { client }));
    expect(facts.client).toEqual({
      pod: 'client',
      node: 'node-a',
      labels: { app: 'client' },
      addresses: ['10.244.1.9'],
      hostNetwork: false,
      egressPolicies: [
        { name: 'deny', egress: [] },
        {
          name: 'implied',
          egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 53, protocol: 'UDP' }] }],
        },
      ],
    });
  });

  it('comes without them where policies may not be read', async () => {
    refused.set('/apis/networking.k8s.io/', 403);
    const facts = await observer.observe(request([], { client }));
    expect(facts.client?.egressPolicies).toBeUndefined();
  });
});
