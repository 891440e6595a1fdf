/** Turns API objects into core's values: the only place where the operator knows their shape. */
import { boundedText } from '../core/lib/bounded-text.ts';
import { present } from '../core/lib/present.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { Protocol } from '../core/net/family.ts';
import type {
  EndpointSliceStatus,
  EndpointStatus,
  NodesSpec,
  ServicePortStatus,
  ServiceStatus,
} from '../core/api/service-trace.ts';
import {
  changeAnnotation,
  ownsMoreThanAnnotations,
  proxyNameLabel,
  type KeptNode,
  type KeptService,
  type KeptSlice,
} from './kept-objects.ts';

export function desiredServiceOf(service: KeptService, endpointSlices: readonly KeptSlice[]): DesiredService {
  const lastChange = newest(endpointSlices.flatMap(changesOf));
  const serviceChange = newest(serviceChanges(service));
  return {
    namespace: service.metadata?.namespace ?? '',
    name: service.metadata?.name ?? '',
    service: serviceStatusOf(service),
    endpointSlices: endpointSlices.map(endpointSliceStatusOf).sort((one, other) => (one.name < other.name ? -1 : 1)),
    ...present({ lastChange, serviceChange }),
  };
}

/**
 * The trigger time is there for pods that became ready or ceased to be: the controller takes the annotation away where
 * it writes for another reason, such as a pod that was deleted. When it wrote stands in managedFields, in whole seconds.
 */
function changesOf({ metadata }: KeptSlice): string[] {
  const written = (metadata?.managedFields ?? []).flatMap(({ time }) =>
    time === undefined ? [] : [new Date(time).toISOString()],
  );
  return [
    ...written,
    ...(metadata?.annotations?.[changeAnnotation] === undefined ? [] : [metadata.annotations[changeAnnotation]]),
  ];
}

/** Its annotations, which others may write all the time, change nothing that is compared; what else a manager owns has one time for all of it. */
function serviceChanges({ metadata }: KeptService): string[] {
  const written = (metadata?.managedFields ?? [])
    .filter(({ fieldsV1 }) => ownsMoreThanAnnotations(fieldsV1))
    .map(({ time }) => time);
  return [metadata?.creationTimestamp, ...written].flatMap((time) =>
    time === undefined ? [] : [new Date(time).toISOString()],
  );
}

function newest(times: readonly string[]): string | undefined {
  return [...times].sort((one, other) => Date.parse(one) - Date.parse(other)).at(-1);
}

export function serviceStatusOf({ metadata, spec, status }: KeptService): ServiceStatus {
  const clusterIPs =
    spec?.clusterIPs ?? (spec?.clusterIP === undefined || spec.clusterIP === '' ? [] : [spec.clusterIP]);
  const loadBalancerIPs = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip === undefined || ipMode === 'Proxy' ? [] : [ip],
  );
  const notProxied = notProxiedReason(spec?.type, clusterIPs, metadata?.labels);
  return {
    type: spec?.type ?? 'ClusterIP',
    clusterIPs: clusterIPs.filter((address) => address !== 'None'),
    externalIPs: spec?.externalIPs ?? [],
    loadBalancerIPs,
    ports: (spec?.ports ?? []).map(({ name, protocol, port, targetPort, nodePort }): ServicePortStatus => ({
      ...(name === undefined ? {} : { name }),
      protocol: protocolOf(protocol),
      port,
      ...(targetPort === undefined ? {} : { targetPort: String(targetPort) }),
      ...(nodePort === undefined ? {} : { nodePort }),
    })),
    ...(spec?.selector === undefined ? {} : { selector: spec.selector }),
    ...(spec?.internalTrafficPolicy === undefined ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy }),
    ...(spec?.externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy: spec.externalTrafficPolicy }),
    ...present({
      sessionAffinity: spec?.sessionAffinity,
      sessionAffinityTimeoutSeconds: spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds,
      loadBalancerSourceRanges: spec?.loadBalancerSourceRanges,
      healthCheckNodePort: spec?.healthCheckNodePort,
      ipFamilies: spec?.ipFamilies,
      ipFamilyPolicy: spec?.ipFamilyPolicy,
      trafficDistribution: spec?.trafficDistribution,
      publishNotReadyAddresses: spec?.publishNotReadyAddresses === true ? true : undefined,
      externalName: spec?.externalName,
    }),
    ...(notProxied === undefined ? {} : { notProxied }),
  };
}

/** pkg/proxy/util/utils.go ShouldSkipService, and the label that kube-proxy's informers select by. */
function notProxiedReason(
  type: string | undefined,
  clusterIPs: readonly string[],
  labels: Readonly<Record<string, string>> | undefined,
): string | undefined {
  const proxy = labels?.[proxyNameLabel];
  if (proxy !== undefined) return `its label ${proxyNameLabel} gives it to another proxy (${proxy})`;
  if (type === 'ExternalName') return 'it is of type ExternalName, an alias in DNS';
  if (clusterIPs.length === 0 || clusterIPs[0] === 'None') return 'it is headless (clusterIP: None)';
  return undefined;
}

export function endpointSliceStatusOf({ metadata, addressType, ports, endpoints }: KeptSlice): EndpointSliceStatus {
  return {
    name: metadata?.name ?? '',
    addressType: addressType === 'IPv6' || addressType === 'FQDN' ? addressType : 'IPv4',
    ports: (ports ?? []).map(({ name, protocol, port }) => ({
      ...(name === undefined ? {} : { name }),
      protocol: protocolOf(protocol),
      ...(port === undefined ? {} : { port }),
    })),
    endpoints: (endpoints ?? []).map(
      ({ addresses, conditions, nodeName, hostname, zone, hints, targetRef }): EndpointStatus => {
        // discovery/v1 EndpointConditions: nil ready is true, nil serving is what ready is, nil terminating is false.
        const ready = conditions?.ready ?? true;
        const zones = (hints?.forZones ?? []).map(({ name }) => name);
        const nodes = (hints?.forNodes ?? []).map(({ name }) => name);
        return {
          addresses,
          ready,
          serving: conditions?.serving ?? ready,
          terminating: conditions?.terminating ?? false,
          ...(nodeName === undefined ? {} : { nodeName }),
          ...(hostname === undefined ? {} : { hostname }),
          ...(zone === undefined ? {} : { zone }),
          ...(zones.length === 0 ? {} : { hints: zones }),
          ...(nodes.length === 0 ? {} : { nodeHints: nodes }),
          ...(targetRef === undefined
            ? {}
            : {
                targetRef: {
                  ...(targetRef.kind === undefined ? {} : { kind: targetRef.kind }),
                  ...(targetRef.name === undefined ? {} : { name: targetRef.name }),
                  ...(targetRef.uid === undefined ? {} : { uid: targetRef.uid }),
                },
              }),
        };
      },
    ),
  };
}

/** Protocols of the API; TCP where it is left out. */
export function protocolOf(text: string | undefined): Protocol {
  return text === 'UDP' || text === 'SCTP' ? text : 'TCP';
}

/** A node, as far as tracing needs it. */
export interface TracedNode {
  readonly name: string;
  readonly isReady: boolean;
  /** Its kubelet reports nothing: the node controller wrote that it is unknown whether the node is ready. */
  readonly isKubeletSilent?: true;
  /** Why no probe can be started there; absent where one can. */
  readonly notLookedAt?: { readonly reason: string; readonly message: string };
  readonly zone?: string;
  readonly internalIPs: readonly string[];
}

export interface NodeSelection {
  readonly nodes: readonly TracedNode[];
  /** Names of spec.nodes.names that no node of the cluster has. */
  readonly unknown: readonly string[];
}

/**
 * The nodes that a trace asks, chosen by name or label, in the order of their names; among them those on which no probe can
 * run. With `max` so many of the others at most, and without those: some are left out on purpose then.
 */
export function selectNodes(nodes: readonly KeptNode[], spec: NodesSpec | undefined): NodeSelection {
  const names = spec?.names;
  const chosen = nodes
    .filter(({ metadata }) => names === undefined || names.includes(metadata?.name ?? ''))
    .filter(({ metadata }) => spec?.selector === undefined || matchesSelector(metadata?.labels ?? {}, spec.selector))
    .map(tracedNodeOf)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  return {
    nodes:
      spec?.max === undefined ? chosen : chosen.filter((node) => node.notLookedAt === undefined).slice(0, spec.max),
    unknown: (names ?? []).filter((name) => !nodes.some(({ metadata }) => metadata?.name === name)),
  };
}

/** A node of another system, or that only stands for one: no probe can run there, and what it does with packets cannot be read. */
function notLookedAt({ metadata, spec, status }: KeptNode): TracedNode['notLookedAt'] {
  const labels = metadata?.labels ?? {};
  const system = status?.nodeInfo?.operatingSystem ?? labels['kubernetes.io/os'] ?? 'linux';
  if (system !== 'linux')
    return {
      reason: 'NodeNotLinux',
      message: `not looked at: it runs ${boundedText(system, 40)}, and probes read Linux alone; leave it out with spec.nodes`,
    };
  const taints = (spec?.taints ?? []).map(({ key }) => key);
  const kind =
    labels['type'] === 'virtual-kubelet' || taints.includes('virtual-kubelet.io/provider')
      ? 'a virtual node (virtual-kubelet)'
      : labels['type'] === 'kwok' || taints.includes('kwok.x-k8s.io/node')
        ? 'a simulated node (kwok)'
        : labels['eks.amazonaws.com/compute-type'] === 'fargate' || taints.includes('eks.amazonaws.com/compute-type')
          ? 'a Fargate node, which runs one pod and no pod of the host network'
          : undefined;
  return kind === undefined
    ? undefined
    : {
        reason: 'NodeVirtual',
        message: `not looked at: it is ${kind}, so no probe can run there; leave it out with spec.nodes`,
      };
}

function tracedNodeOf(node: KeptNode): TracedNode {
  const { metadata, status } = node;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const zone = metadata?.labels?.['topology.kubernetes.io/zone'];
  return {
    name: metadata?.name ?? '',
    isReady: ready === 'True',
    ...(ready === 'Unknown' ? { isKubeletSilent: true } : {}),
    ...present({ notLookedAt: notLookedAt(node) }),
    ...(zone === undefined ? {} : { zone }),
    internalIPs: (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  };
}

/** apimachinery's LabelSelector: all of matchLabels and of matchExpressions. */
export function matchesSelector(
  labels: Readonly<Record<string, string>>,
  selector: NonNullable<NodesSpec['selector']>,
): boolean {
  const byLabels = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    byLabels &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
      }
    })
  );
}
