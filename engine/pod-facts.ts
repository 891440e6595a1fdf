/** What is kept of a pod. */
import type { V1Container } from '@kubernetes/client-node';
import type { PodFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { ownerOf, timeOf } from './fact-values.ts';
import type { KeptPod } from './kept-objects.ts';
import { protocolOf } from './observe.ts';

/** As many labels of a pod are kept: more say nothing. */
const maxLabels = 64;

export function podFacts({ metadata, spec, status }: KeptPod, selected: boolean): PodFacts {
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
  status: NonNullable<NonNullable<KeptPod['status']>['containerStatuses']>[number] | undefined,
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

export function dnsConfigOf(spec: KeptPod['spec']): PodFacts['dnsConfig'] {
  if (spec?.dnsConfig === undefined) return undefined;
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig;
  return {
    nameservers,
    searches,
    options: options.map(({ name, value }) => (value === undefined ? (name ?? '') : `${name ?? ''}:${value}`)),
  };
}
