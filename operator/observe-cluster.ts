/** Reads what the API server tells around a Service: pods, legacy Endpoints, policies, nodes, DNS and kube-proxy. */
import type { CoreV1Api, DiscoveryV1Api, NetworkingV1Api, V1Container, V1Endpoints, V1EndpointSlice, V1NetworkPolicy, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import type { ClientFacts, ClusterFacts, ClusterNode, DnsServerFacts, EndpointsFacts, NetworkPolicyFacts, PodFacts } from '../core/cluster-facts.ts';
import { present } from '../core/present.ts';
import type { Protocol } from '../core/service.ts';
import { messageOf, statusCodeOf } from './api-error.ts';
import { matchesSelector } from './observe.ts';

export interface ClusterApis {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly networking: NetworkingV1Api;
}

/** Pods whose labels are only near the selector, and pods that only slices name, are looked at up to this many. */
const maxOtherPods = 50;

/**
 * Rejects for nothing: what the caller may not read, or could not, is in `unread` with the reason.
 * @param nodes of the whole cluster
 */
export async function observeCluster({ core, discovery, networking }: ClusterApis, service: V1Service, slices: readonly V1EndpointSlice[], nodes: readonly V1Node[]): Promise<ClusterFacts> {
  const namespace = service.metadata?.namespace ?? '';
  const name = service.metadata?.name ?? '';
  const unread: { what: string; reason: string }[] = [];
  const read = async <Value>(what: string, reading: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await reading();
    } catch (error) {
      unread.push({ what, reason: messageOf(error) });
      return undefined;
    }
  };
  const [pods, endpoints, policies, dns, kubeProxyPods, kubeProxyConfig] = await Promise.all([
    read(`pods of namespace ${namespace}`, () => readPods(core, service, slices)),
    read(`endpoints/${name}`, () => orNull(core.readNamespacedEndpoints({ namespace, name }))),
    read(`networkpolicies of namespace ${namespace}`, async () => (await networking.listNamespacedNetworkPolicy({ namespace })).items),
    read('service/kube-dns of namespace kube-system', () => readDns(core, discovery)),
    read('pods of kube-proxy in namespace kube-system', async () => (await core.listNamespacedPod({ namespace: 'kube-system', labelSelector: 'k8s-app=kube-proxy' })).items),
    read('configmap/kube-proxy of namespace kube-system', () => orNull(core.readNamespacedConfigMap({ namespace: 'kube-system', name: 'kube-proxy' }))),
  ]);
  return {
    ...present({
      pods: pods?.facts,
      endpointSlices: slices.map(sliceFacts).sort(byName),
      endpoints: endpoints === null || endpoints === undefined ? endpoints : endpointsFacts(endpoints),
      networkPolicies: policies === undefined || pods === undefined ? undefined : policies.flatMap((policy) => policyFacts(policy, pods.raw)).sort(byName),
      nodes: nodes.map(nodeFacts).sort(byName),
      dns,
      kubeProxy:
        kubeProxyPods === undefined
          ? undefined
          : {
              ...(kubeProxyConfig?.data === undefined ? {} : { config: kubeProxyConfig.data }),
              pods: kubeProxyPods
                .map(({ metadata, spec, status }) => ({
                  ...present({ node: spec?.nodeName }),
                  name: metadata?.name ?? '',
                  ready: isReady(status?.conditions),
                  restarts: (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
                  image: spec?.containers[0]?.image ?? '',
                }))
                .sort(byName),
            },
    }),
    unread,
  };
}

async function readPods(core: CoreV1Api, service: V1Service, slices: readonly V1EndpointSlice[]): Promise<{ readonly facts: PodFacts[]; readonly raw: readonly V1Pod[] }> {
  const namespace = service.metadata?.namespace ?? '';
  const selector = service.spec?.selector ?? {};
  const keys = Object.keys(selector);
  const selected = keys.length === 0 ? [] : (await core.listNamespacedPod({ namespace, labelSelector: keys.map((key) => `${key}=${selector[key] ?? ''}`).join(',') })).items;
  const known = new Set(selected.map(({ metadata }) => metadata?.name ?? ''));
  const named = [...new Set(slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' && targetRef.name !== undefined && !known.has(targetRef.name) ? [targetRef.name] : []))))];
  const others = await Promise.all(named.slice(0, maxOtherPods).map((name) => orNull(core.readNamespacedPod({ namespace, name }))));
  // Where nothing is selected, the pods whose labels are nearest tell of a typo.
  const near = selected.length > 0 || keys.length === 0 ? [] : (await core.listNamespacedPod({ namespace })).items.filter(({ metadata }) => isNear(selector, metadata?.labels ?? {})).slice(0, maxOtherPods);
  const rest = [...others.flatMap((pod) => pod ?? []), ...near.filter(({ metadata }) => !named.includes(metadata?.name ?? ''))];
  return {
    facts: [...selected.map((pod) => podFacts(pod, keys, true)), ...rest.map((pod) => podFacts(pod, keys, false))].sort(byName),
    raw: selected,
  };
}

/** How a client asks DNS. */
export function clientFacts({ metadata, spec }: V1Pod): ClientFacts {
  return {
    ...present({ node: spec?.nodeName, dnsPolicy: spec?.dnsPolicy, dnsConfig: dnsConfigOf(spec) }),
    pod: metadata?.name ?? '',
    namespace: metadata?.namespace ?? '',
    hostNetwork: spec?.hostNetwork === true,
  };
}

function dnsConfigOf(spec: V1Pod['spec']): PodFacts['dnsConfig'] {
  if (spec?.dnsConfig === undefined) return undefined;
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig;
  return { nameservers, searches, options: options.map(({ name, value }) => (value === undefined ? (name ?? '') : `${name ?? ''}:${value}`)) };
}

/** It has some label of the selector, or one of its values under another key. */
function isNear(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  const values = new Set(Object.values(labels));
  return Object.entries(selector).some(([key, value]) => Object.hasOwn(labels, key) || values.has(value));
}

function podFacts({ metadata, spec, status }: V1Pod, keys: readonly string[], selected: boolean): PodFacts {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const containers = [...(spec?.containers ?? []), ...sidecars];
  const withPorts = containers.filter(({ ports }) => (ports ?? []).length > 0);
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const labels = metadata?.labels ?? {};
  // A pod that is only near shows its own labels, among which the misspelt one is.
  const shown = selected ? keys.filter((key) => Object.hasOwn(labels, key)) : Object.keys(labels).slice(0, 16);
  return {
    ...present({
      node: spec?.nodeName,
      notReady: ready === undefined || ready.status === 'True' ? undefined : `${ready.reason ?? 'NotReady'}${ready.message === undefined || ready.message === '' ? '' : `: ${ready.message}`}`,
      createdAt: timeOf(metadata?.creationTimestamp),
      readySince: ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : undefined,
      deletionTimestamp: timeOf(metadata?.deletionTimestamp),
      terminationGracePeriodSeconds: metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds,
      dnsPolicy: spec?.dnsPolicy,
      dnsConfig: dnsConfigOf(spec),
    }),
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    selected,
    labels: Object.fromEntries(shown.map((key) => [key, labels[key] ?? ''])),
    phase: status?.phase ?? 'Unknown',
    ready: ready?.status === 'True',
    hasPreStop: withPorts.length > 0 && withPorts.every(({ lifecycle }) => lifecycle?.preStop !== undefined),
    addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
    hostNetwork: spec?.hostNetwork === true,
    containers: containers.map((container) => containerFacts(container, statuses.find(({ name }) => name === container.name))),
  };
}

function containerFacts({ name, ports }: V1Container, status: NonNullable<NonNullable<V1Pod['status']>['containerStatuses']>[number] | undefined): PodFacts['containers'][number] {
  const end = status?.lastState?.terminated;
  return {
    ...present({
      waiting: status?.state?.waiting?.reason,
      lastEnd: end === undefined ? undefined : { ...present({ finishedAt: timeOf(end.finishedAt) }), reason: end.reason ?? 'unknown', exitCode: end.exitCode },
    }),
    name,
    ports: (ports ?? []).map((port) => ({ ...present({ name: port.name }), port: port.containerPort, protocol: protocolOf(port.protocol) })),
    restarts: status?.restartCount ?? 0,
  };
}

function sliceFacts(slice: V1EndpointSlice): NonNullable<ClusterFacts['endpointSlices']>[number] {
  const { metadata } = slice;
  return {
    ...present({ managedBy: metadata?.labels?.['endpointslice.kubernetes.io/managed-by'], createdAt: timeOf(metadata?.creationTimestamp), resourceVersion: metadata?.resourceVersion }),
    name: metadata?.name ?? '',
    bytes: Buffer.byteLength(JSON.stringify(slice)),
  };
}

function endpointsFacts(endpoints: V1Endpoints): EndpointsFacts {
  return {
    ...present({ resourceVersion: endpoints.metadata?.resourceVersion, overCapacity: endpoints.metadata?.annotations?.['endpoints.kubernetes.io/over-capacity'] }),
    bytes: Buffer.byteLength(JSON.stringify(endpoints)),
    subsets: (endpoints.subsets ?? []).map(({ addresses, notReadyAddresses, ports }) => ({
      addresses: (addresses ?? []).map(({ ip }) => ip),
      notReadyAddresses: (notReadyAddresses ?? []).map(({ ip }) => ip),
      ports: (ports ?? []).map(({ name, port, protocol }) => ({ ...present({ name }), port, protocol: protocolOf(protocol) })),
    })),
  };
}

/** Of the policies that isolate ingress: policyTypes names it, or is left out (networking/v1 NetworkPolicySpec). */
function policyFacts({ metadata, spec }: V1NetworkPolicy, pods: readonly V1Pod[]): NetworkPolicyFacts[] {
  if (spec?.policyTypes?.includes('Ingress') === false) return [];
  const selector = spec?.podSelector ?? {};
  const isolated = pods.filter((pod) => pod.spec?.hostNetwork !== true && matchesLabels(pod.metadata?.labels ?? {}, selector));
  if (isolated.length === 0) return [];
  return [
    {
      name: metadata?.name ?? '',
      pods: isolated.map((pod) => pod.metadata?.name ?? '').sort(),
      ingress: (spec?.ingress ?? []).map((rule) => ({
        from: rule._from ?? [],
        ports: (rule.ports ?? []).map(({ port, protocol, endPort }) => ({ ...present({ port: typeof port === 'string' || typeof port === 'number' ? port : undefined, endPort }), protocol: protocolOf(protocol) })),
      })),
    },
  ];
}

function matchesLabels(labels: Readonly<Record<string, string>>, { matchLabels, matchExpressions }: NonNullable<NonNullable<V1NetworkPolicy['spec']>['podSelector']>): boolean {
  return matchesSelector(labels, {
    ...present({ matchLabels }),
    matchExpressions: (matchExpressions ?? []).map(({ key, operator, values }) => ({ ...present({ values }), key, operator: operatorOf(operator) })),
  });
}

function operatorOf(text: string): 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' {
  return text === 'In' || text === 'NotIn' || text === 'Exists' ? text : 'DoesNotExist';
}

function nodeFacts({ metadata, spec, status }: V1Node): ClusterNode {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    ...present({
      notReady: ready?.status === 'True' ? undefined : `${ready?.reason ?? 'Unknown'}${ready?.message === undefined ? '' : `: ${ready.message}`}`,
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

/** The DNS Service with its servers; null where there is none. */
export async function readDns(core: CoreV1Api, discovery: DiscoveryV1Api): Promise<ClusterFacts['dns'] | null> {
  const service = await orNull(core.readNamespacedService({ namespace: 'kube-system', name: 'kube-dns' }));
  if (service === null) return null;
  const { items } = await discovery.listNamespacedEndpointSlice({ namespace: 'kube-system', labelSelector: 'kubernetes.io/service-name=kube-dns' });
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
    addresses.slice(0, 1).map((address) => ({ ...present({ pod: targetRef?.name, node: nodeName }), address, port, ready: conditions?.ready !== false })),
  );
}

function isReady(conditions: readonly { type: string; status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function protocolOf(text: string | undefined): Protocol {
  return text === 'UDP' || text === 'SCTP' ? text : 'TCP';
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
