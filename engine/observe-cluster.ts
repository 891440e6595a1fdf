/** Reads what the API server tells around a Service: pods, legacy Endpoints, policies, nodes, DNS and kube-proxy. */
import type {
  CoreV1Api,
  DiscoveryV1Api,
  NetworkingV1Api,
  V1Container,
  V1Endpoints,
  V1EndpointSlice,
  V1NetworkPolicy,
  V1NetworkPolicyPort,
  V1Node,
  V1Pod,
  V1Service,
} from '@kubernetes/client-node';
import type {
  ApiPart,
  ClientFacts,
  ClusterFacts,
  ClusterNode,
  DnsServerFacts,
  EndpointsFacts,
  NetworkPolicyFacts,
  PodFacts,
  UnreadFacts,
} from '../core/api/cluster-facts.ts';
import { labelDistance } from '../core/diagnose/checks/nearest-labels.ts';
import { kubeProxyLabels } from '../core/kube-proxy/objects.ts';
import { present } from '../core/lib/present.ts';
import { messageOf, statusCodeOf } from './api-error.ts';
import { cachedByKey } from './cached.ts';
import { configMapNames, withConfiguration } from './kube-proxy-config-maps.ts';
import { protocolOf, matchesSelector } from './observe.ts';

export interface ClusterApis {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly networking: NetworkingV1Api;
}

export interface ObserveRequest {
  readonly service: V1Service;
  /** As they were read for this trace. */
  readonly slices: readonly V1EndpointSlice[];
  /** Of the whole cluster. */
  readonly nodes: readonly V1Node[];
  /** The pod of spec.from. */
  readonly client?: V1Pod;
}

export interface ClusterObserver {
  /** Rejects for nothing: what the caller may not read, or could not, is in `unread` with the reason. */
  observe(request: ObserveRequest): Promise<ClusterFacts>;
  /** The Service of the cluster's DNS; null where there is none. @throws ApiException */
  dnsService(): Promise<V1Service | null>;
  /** The same with its servers. @throws ApiException */
  dns(): Promise<ClusterFacts['dns'] | null>;
}

/** Pods whose labels are only near the selector are kept up to this many, the nearest first. */
const maxNearPods = 50;
/** As many pods that only EndpointSlices name are read one by one; of more, all pods of the namespace are listed. */
const maxSinglePods = 20;

/** Traces of one Service that are collected at the same time share its pods. */
const podsFreshMilliseconds = 1000;
/** What all Services of a namespace, or of the cluster, share, and what changes seldom. */
const sharedFreshMilliseconds = 5000;

/** An observer of one API server: what traces share is read once for all of them. */
export function clusterObserver({ core, discovery, networking }: ClusterApis): ClusterObserver {
  const podLists = cachedByKey(podsFreshMilliseconds, (key) => {
    const [namespace = '', labelSelector = ''] = key.split(' ');
    return listPods(core, namespace, labelSelector);
  });
  const policyLists = cachedByKey(
    sharedFreshMilliseconds,
    async (namespace) => (await networking.listNamespacedNetworkPolicy({ namespace })).items,
  );
  const dnsServices = cachedByKey(sharedFreshMilliseconds, () =>
    orNull(core.readNamespacedService({ namespace: 'kube-system', name: 'kube-dns' })),
  );
  // A server that ends is none any more at once, and is not to be asked.
  const dnsFacts = cachedByKey(podsFreshMilliseconds, async () => readDns(await dnsServices(''), discovery));
  const kubeProxyPods = cachedByKey(sharedFreshMilliseconds, async () => {
    const lists = await Promise.all(kubeProxyLabels.map((labels) => listPods(core, 'kube-system', labels)));
    return [...new Map(lists.flat().map((pod) => [pod.metadata?.name ?? '', pod])).values()];
  });
  /** By names, with commas between. */
  const kubeProxyConfigs = cachedByKey(sharedFreshMilliseconds, async (names) => {
    const read = await Promise.allSettled(
      names.split(',').map((name) => orNull(core.readNamespacedConfigMap({ namespace: 'kube-system', name }))),
    );
    const found = withConfiguration(
      read.flatMap((each) => (each.status === 'fulfilled' && each.value !== null ? [each.value] : [])),
    );
    const failed = read.find((each) => each.status === 'rejected');
    if (found === undefined && failed !== undefined) throw failed.reason;
    return found;
  });

  const read = async ({ service, slices, nodes, client }: ObserveRequest): Promise<ClusterFacts> => {
    const pods = async (namespace: string, labelSelector: string): Promise<readonly V1Pod[]> =>
      podLists(`${namespace} ${labelSelector}`);
    const namespace = service.metadata?.namespace ?? '';
    const name = service.metadata?.name ?? '';
    const unread: UnreadFacts[] = [];
    const part = async <Value>(
      name: ApiPart,
      what: string,
      right: NonNullable<UnreadFacts['forbidden']>,
      reading: () => Promise<Value>,
    ): Promise<Value | undefined> => {
      try {
        return await reading();
      } catch (error) {
        const forbidden = statusCodeOf(error) === 403 ? { forbidden: right } : {};
        unread.push({ part: name, what, reason: messageOf(error), ...forbidden });
        return undefined;
      }
    };
    const readProxy = async (): Promise<{
      proxyPods: readonly V1Pod[] | undefined;
      proxyConfig: Awaited<ReturnType<typeof kubeProxyConfigs>>;
    }> => {
      const proxyPods = await part(
        'kubeProxyPods',
        'pods of kube-proxy in namespace kube-system',
        { verb: 'list', resource: 'pods', namespace: 'kube-system' },
        () => kubeProxyPods(''),
      );
      const names = configMapNames(proxyPods ?? []);
      const proxyConfig = await part(
        'kubeProxyConfig',
        `configmap/${names.join(',')} of namespace kube-system`,
        { verb: 'get', resource: 'configmaps', namespace: 'kube-system', names },
        () => kubeProxyConfigs(names.join(',')),
      );
      return { proxyPods, proxyConfig };
    };
    const [podsRead, endpoints, policies, dns, { proxyPods, proxyConfig }] = await Promise.all([
      part('pods', `pods of namespace ${namespace}`, { verb: 'get,list', resource: 'pods', namespace }, () =>
        readPods(core, service, slices, pods),
      ),
      part('endpoints', `endpoints/${name}`, { verb: 'get', resource: 'endpoints', namespace }, () =>
        orNull(core.readNamespacedEndpoints({ namespace, name })),
      ),
      part(
        'networkPolicies',
        `networkpolicies of namespace ${namespace}`,
        { verb: 'list', resource: 'networkpolicies.networking.k8s.io', namespace },
        () => policyLists(namespace),
      ),
      part(
        'clusterDns',
        'service/kube-dns of namespace kube-system',
        { verb: 'get,list', resource: 'services,endpointslices.discovery.k8s.io', namespace: 'kube-system' },
        () => dnsFacts(''),
      ),
      readProxy(),
    ]);
    return {
      ...present({
        service: serviceFacts(service),
        client: client === undefined ? undefined : clientFacts(client, policies),
        pods: podsRead?.facts,
        endpointSlices: slices.map(sliceFacts).sort(byName),
        endpoints: endpoints === null || endpoints === undefined ? endpoints : endpointsFacts(endpoints),
        networkPolicies:
          policies === undefined || podsRead === undefined
            ? undefined
            : policies.flatMap((policy) => policyFacts(policy, podsRead.raw)).sort(byName),
        nodes: nodes.map(nodeFacts).sort(byName),
        dns,
        kubeProxy:
          proxyPods === undefined
            ? undefined
            : {
                ...(proxyConfig === undefined ? {} : { config: proxyConfig.data, configMap: proxyConfig.name }),
                pods: proxyPods
                  .map(({ metadata, spec, status }) => ({
                    ...present({ node: spec?.nodeName, owner: ownerOf(metadata) }),
                    name: metadata?.name ?? '',
                    ready: isReady(status?.conditions),
                    restarts: (status?.containerStatuses ?? []).reduce(
                      (sum, { restartCount }) => sum + restartCount,
                      0,
                    ),
                    image: spec?.containers[0]?.image ?? '',
                  }))
                  .sort(byName),
              },
      }),
      unread,
    };
  };

  return {
    dnsService: () => dnsServices(''),
    dns: () => dnsFacts(''),
    observe: read,
  };
}

async function listPods(core: CoreV1Api, namespace: string, labelSelector: string): Promise<readonly V1Pod[]> {
  return (await core.listNamespacedPod({ namespace, ...(labelSelector === '' ? {} : { labelSelector }) })).items;
}

async function readPods(
  core: CoreV1Api,
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  list: (namespace: string, labelSelector: string) => Promise<readonly V1Pod[]>,
): Promise<{ readonly facts: PodFacts[]; readonly raw: readonly V1Pod[] }> {
  const namespace = service.metadata?.namespace ?? '';
  const selector = service.spec?.selector ?? {};
  const terms = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  const selected = terms.length === 0 ? [] : await list(namespace, terms.join(','));
  const known = new Set(selected.map(({ metadata }) => metadata?.name ?? ''));
  const named = new Set(
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? []).flatMap(({ targetRef }) =>
        targetRef?.kind === 'Pod' && targetRef.name !== undefined && !known.has(targetRef.name) ? [targetRef.name] : [],
      ),
    ),
  );
  // Where nothing is selected, the pods whose labels are nearest tell of a typo.
  const isNoneSelected = selected.length === 0 && terms.length > 0;
  const all = isNoneSelected || named.size > maxSinglePods ? await list(namespace, '') : undefined;
  const others =
    all === undefined
      ? (await Promise.all([...named].map((name) => orNull(core.readNamespacedPod({ namespace, name }))))).flatMap(
          (pod) => pod ?? [],
        )
      : all.filter(({ metadata }) => named.has(metadata?.name ?? ''));
  const near = isNoneSelected
    ? nearestPods(selector, all ?? []).filter(({ metadata }) => !named.has(metadata?.name ?? ''))
    : [];
  return {
    facts: [
      ...selected.map((pod) => podFacts(pod, true)),
      ...[...others, ...near].map((pod) => podFacts(pod, false)),
    ].sort(byName),
    raw: selected,
  };
}

/** Those that have some label of the selector, or one of its values under another key; of one set of labels, one. */
function nearestPods(selector: Readonly<Record<string, string>>, pods: readonly V1Pod[]): V1Pod[] {
  const byLabels = new Map(
    pods.map((pod) => [
      JSON.stringify(
        Object.entries(pod.metadata?.labels ?? {})
          .filter(([key]) => key !== 'pod-template-hash')
          .sort(),
      ),
      pod,
    ]),
  );
  return [...byLabels.values()]
    .filter(({ metadata }) => isNear(selector, metadata?.labels ?? {}))
    .map((pod) => ({ pod, far: labelDistance(selector, pod.metadata?.labels ?? {}) }))
    .sort((one, other) => one.far - other.far)
    .slice(0, maxNearPods)
    .map(({ pod }) => pod);
}

function isNear(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  const values = new Set(Object.values(labels));
  return Object.entries(selector).some(([key, value]) => Object.hasOwn(labels, key) || values.has(value));
}

function serviceFacts({ metadata, spec, status }: V1Service): NonNullable<ClusterFacts['service']> {
  return {
    ...present({ createdAt: timeOf(metadata?.creationTimestamp), loadBalancerClass: spec?.loadBalancerClass }),
    loadBalancerIngress: (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []),
  };
}

/** Policies isolate egress where policyTypes says so, or, left out, where there is a rule (networking/v1 NetworkPolicySpec). */
function clientFacts({ metadata, spec, status }: V1Pod, policies: readonly V1NetworkPolicy[] | undefined): ClientFacts {
  const labels = metadata?.labels ?? {};
  const isolating = policies?.filter(
    (policy) =>
      matchesLabels(labels, policy.spec?.podSelector ?? {}) &&
      (policy.spec?.policyTypes?.includes('Egress') ?? (policy.spec?.egress ?? []).length > 0),
  );
  return {
    ...present({
      node: spec?.nodeName,
      dnsPolicy: spec?.dnsPolicy,
      dnsConfig: dnsConfigOf(spec),
      egressPolicies: isolating
        ?.map((policy) => ({
          name: policy.metadata?.name ?? '',
          egress: (policy.spec?.egress ?? []).map(({ to, ports }) => ({
            to: to ?? [],
            ports: (ports ?? []).map(policyPort),
          })),
        }))
        .sort(byName),
    }),
    pod: metadata?.name ?? '',
    labels,
    addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
    hostNetwork: spec?.hostNetwork === true,
  };
}

function dnsConfigOf(spec: V1Pod['spec']): PodFacts['dnsConfig'] {
  if (spec?.dnsConfig === undefined) return undefined;
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig;
  return {
    nameservers,
    searches,
    options: options.map(({ name, value }) => (value === undefined ? (name ?? '') : `${name ?? ''}:${value}`)),
  };
}

/** As many labels of a pod are kept: more say nothing. */
const maxLabels = 64;

function podFacts({ metadata, spec, status }: V1Pod, selected: boolean): PodFacts {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  // A pod that no node was found for has no condition Ready.
  const failing =
    ready ?? status?.conditions?.find(({ type, status: value }) => type === 'PodScheduled' && value !== 'True');
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const containers = [...(spec?.containers ?? []), ...sidecars];
  // Sidecars end after the containers that serve; where no port is declared, any container may serve.
  const withPorts = (spec?.containers ?? []).filter(({ ports }) => (ports ?? []).length > 0);
  const serving = withPorts.length > 0 ? withPorts : (spec?.containers ?? []);
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return {
    ...present({
      owner: ownerOf(metadata),
      node: spec?.nodeName,
      notReady:
        failing === undefined || failing.status === 'True'
          ? undefined
          : `${failing.reason ?? 'NotReady'}${failing.message === undefined || failing.message === '' ? '' : `: ${failing.message}`}`,
      createdAt: timeOf(metadata?.creationTimestamp),
      readySince: ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : undefined,
      notReadySince: ready === undefined || ready.status === 'True' ? undefined : timeOf(ready.lastTransitionTime),
      deletionTimestamp: timeOf(metadata?.deletionTimestamp),
      terminationGracePeriodSeconds: metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds,
      dnsPolicy: spec?.dnsPolicy,
      dnsConfig: dnsConfigOf(spec),
    }),
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    selected,
    labels: Object.fromEntries(Object.entries(metadata?.labels ?? {}).slice(0, maxLabels)),
    phase: status?.phase ?? 'Unknown',
    ready: ready?.status === 'True',
    hasPreStop: serving.length > 0 && serving.every(({ lifecycle }) => lifecycle?.preStop !== undefined),
    addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
    hostNetwork: spec?.hostNetwork === true,
    containers: containers.map((container) =>
      containerFacts(
        container,
        statuses.find(({ name }) => name === container.name),
      ),
    ),
  };
}

function containerFacts(
  { name, ports }: V1Container,
  status: NonNullable<NonNullable<V1Pod['status']>['containerStatuses']>[number] | undefined,
): PodFacts['containers'][number] {
  const end = status?.lastState?.terminated;
  return {
    ...present({
      waiting: status?.state?.waiting?.reason,
      startedAt: timeOf(status?.state?.running?.startedAt),
      lastEnd:
        end === undefined
          ? undefined
          : {
              ...present({ finishedAt: timeOf(end.finishedAt) }),
              reason: end.reason ?? 'unknown',
              exitCode: end.exitCode,
            },
    }),
    name,
    ports: (ports ?? []).map((port) => ({
      ...present({ name: port.name }),
      port: port.containerPort,
      protocol: protocolOf(port.protocol),
    })),
    restarts: status?.restartCount ?? 0,
  };
}

function sliceFacts(slice: V1EndpointSlice): NonNullable<ClusterFacts['endpointSlices']>[number] {
  const { metadata } = slice;
  return {
    ...present({
      managedBy: metadata?.labels?.['endpointslice.kubernetes.io/managed-by'],
      createdAt: timeOf(metadata?.creationTimestamp),
      resourceVersion: metadata?.resourceVersion,
    }),
    name: metadata?.name ?? '',
    bytes: Buffer.byteLength(JSON.stringify(slice)),
  };
}

function endpointsFacts(endpoints: V1Endpoints): EndpointsFacts {
  return {
    ...present({
      resourceVersion: endpoints.metadata?.resourceVersion,
      overCapacity: endpoints.metadata?.annotations?.['endpoints.kubernetes.io/over-capacity'],
    }),
    bytes: Buffer.byteLength(JSON.stringify(endpoints)),
    subsets: (endpoints.subsets ?? []).map(({ addresses, notReadyAddresses, ports }) => ({
      addresses: (addresses ?? []).map(({ ip }) => ip),
      notReadyAddresses: (notReadyAddresses ?? []).map(({ ip }) => ip),
      ports: (ports ?? []).map(({ name, port, protocol }) => ({
        ...present({ name }),
        port,
        protocol: protocolOf(protocol),
      })),
    })),
  };
}

/** Of the policies that isolate ingress: policyTypes names it, or is left out (networking/v1 NetworkPolicySpec). */
function policyFacts({ metadata, spec }: V1NetworkPolicy, pods: readonly V1Pod[]): NetworkPolicyFacts[] {
  if (spec?.policyTypes?.includes('Ingress') === false) return [];
  const selector = spec?.podSelector ?? {};
  const isolated = pods.filter(
    (pod) => pod.spec?.hostNetwork !== true && matchesLabels(pod.metadata?.labels ?? {}, selector),
  );
  if (isolated.length === 0) return [];
  return [
    {
      name: metadata?.name ?? '',
      pods: isolated.map((pod) => pod.metadata?.name ?? '').sort(),
      ingress: (spec?.ingress ?? []).map((rule) => ({
        from: rule._from ?? [],
        ports: (rule.ports ?? []).map(policyPort),
      })),
    },
  ];
}

function policyPort({
  port,
  protocol,
  endPort,
}: V1NetworkPolicyPort): NetworkPolicyFacts['ingress'][number]['ports'][number] {
  return {
    ...present({ port: typeof port === 'string' || typeof port === 'number' ? port : undefined, endPort }),
    protocol: protocolOf(protocol),
  };
}

function matchesLabels(
  labels: Readonly<Record<string, string>>,
  { matchLabels, matchExpressions }: NonNullable<NonNullable<V1NetworkPolicy['spec']>['podSelector']>,
): boolean {
  return matchesSelector(labels, {
    ...present({ matchLabels }),
    matchExpressions: (matchExpressions ?? []).map(({ key, operator, values }) => ({
      ...present({ values }),
      key,
      operator: operatorOf(operator),
    })),
  });
}

function operatorOf(text: string): 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' {
  return text === 'In' || text === 'NotIn' || text === 'Exists' ? text : 'DoesNotExist';
}

function nodeFacts({ metadata, spec, status }: V1Node): ClusterNode {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    ...present({
      notReady:
        ready?.status === 'True'
          ? undefined
          : `${ready?.reason ?? 'Unknown'}${ready?.message === undefined ? '' : `: ${ready.message}`}`,
      zone: metadata?.labels?.['topology.kubernetes.io/zone'],
      kubeletVersion: status?.nodeInfo?.kubeletVersion,
      kernel: status?.nodeInfo?.kernelVersion,
    }),
    name: metadata?.name ?? '',
    ready: ready?.status === 'True',
    internalIPs: (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    podCIDRs: spec?.podCIDRs ?? [],
  };
}

async function readDns(service: V1Service | null, discovery: DiscoveryV1Api): Promise<ClusterFacts['dns'] | null> {
  if (service === null) return null;
  const { items } = await discovery.listNamespacedEndpointSlice({
    namespace: 'kube-system',
    labelSelector: 'kubernetes.io/service-name=kube-dns',
  });
  const servers = items.filter(({ addressType }) => addressType === items[0]?.addressType).flatMap(dnsServers);
  return {
    clusterIPs: (service.spec?.clusterIPs ?? []).filter((address) => address !== 'None'),
    endpoints: servers.length,
    readyEndpoints: servers.filter(({ ready }) => ready).length,
    servers,
  };
}

function dnsServers({ ports, endpoints }: V1EndpointSlice): DnsServerFacts[] {
  const port = (ports ?? []).find(({ protocol }) => protocol === 'UDP')?.port ?? 53;
  return (endpoints ?? []).flatMap(({ addresses, conditions, nodeName, targetRef }) =>
    addresses.slice(0, 1).map((address) => ({
      ...present({ pod: targetRef?.name, node: nodeName }),
      address,
      port,
      ready: conditions?.ready !== false,
    })),
  );
}

function ownerOf(metadata: V1Pod['metadata']): { kind: string; name: string } | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined ? undefined : { kind: owner.kind, name: owner.name };
}

function isReady(conditions: readonly { type: string; status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function timeOf(time: Date | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}

/** null where it is not there. */
async function orNull<Value>(read: Promise<Value>): Promise<Value | null> {
  try {
    return await read;
  } catch (error) {
    if (statusCodeOf(error) === 404) return null;
    throw error;
  }
}
