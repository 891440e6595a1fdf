/** The pod of a node probe. Nothing of a trace is in it: it depends on the node, the image and the operator alone. */
import { createHash } from 'node:crypto';
import type { V1Pod } from '@kubernetes/client-node';

export interface ProbePodOptions {
  readonly namespace: string;
  readonly image: string;
  /** Full privilege, for nodes whose security module refuses the capabilities below. */
  readonly privileged: boolean;
  /** The pod of the operator: its probes go when it goes. */
  readonly owner?: { readonly name: string; readonly uid: string };
  /** Tells the probes of one operator, or of one run of the plugin, from others. */
  readonly instance: string;
}

export const probeContainer = 'probe';
export const probeCommand = ['/usr/local/bin/node', '/probe.mjs'] as const;

/** A probe ends by itself after this time, in seconds, whatever has become of its operator; it is made anew then. */
const activeDeadlineSeconds = 3600;

/** docs/privilege.md says what each is needed for; the cluster tests show that less does not do. */
const capabilities = ['NET_ADMIN', 'NET_RAW'];

export function probePodName(node: string, instance: string): string {
  return `svctrace-probe-${createHash('sha256').update(`${instance}/${node}`).digest('hex').slice(0, 12)}`;
}

export function probeLabels(instance: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'svctrace',
    'app.kubernetes.io/component': 'probe',
    'svctrace.io/instance': instance,
  };
}

export function probePod(node: string, options: ProbePodOptions): V1Pod {
  const { namespace, image, privileged, owner, instance } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: probePodName(node, instance),
      namespace,
      labels: probeLabels(instance),
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: owner.name, uid: owner.uid, controller: true, blockOwnerDeletion: false }] }),
    },
    spec: {
      nodeName: node,
      hostNetwork: true,
      dnsPolicy: 'Default',
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      activeDeadlineSeconds,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      tolerations: [{ operator: 'Exists' }],
      volumes: [{ name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [
        {
          name: probeContainer,
          image,
          imagePullPolicy: 'IfNotPresent',
          command: [...probeCommand, 'wait'],
          volumeMounts: [{ name: 'run', mountPath: '/run' }],
          resources: { requests: { cpu: '10m', memory: '48Mi' }, limits: { memory: '256Mi' } },
          securityContext: privileged
            ? { privileged: true, runAsUser: 0, readOnlyRootFilesystem: true }
            : {
                privileged: false,
                runAsUser: 0,
                readOnlyRootFilesystem: true,
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'], add: [...capabilities] },
                seccompProfile: { type: 'RuntimeDefault' },
              },
        },
      ],
    },
  };
}

/**
 * Why an existing pod of that name cannot be used; undefined where it can. A pod is used only when it is what this
 * operator would make: whoever may create pods in the namespace could plant one.
 */
export function unusableReason(pod: V1Pod, node: string, options: ProbePodOptions): string | undefined {
  const wanted = probePod(node, options);
  const container = pod.spec?.containers[0];
  if (pod.metadata?.deletionTimestamp !== undefined) return 'it is being deleted';
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return `it has ended (${pod.status.reason ?? pod.status.phase})`;
  if (pod.spec?.nodeName !== node || pod.spec.containers.length !== 1 || (pod.spec.initContainers?.length ?? 0) > 0) return 'it is not the pod of a probe';
  if (container?.image !== options.image || container.command?.join(' ') !== wanted.spec?.containers[0]?.command?.join(' ')) return 'it runs another image or command';
  if (options.owner !== undefined && !pod.metadata?.ownerReferences?.some(({ uid }) => uid === options.owner?.uid)) return 'it belongs to another operator';
  if ((container.securityContext?.privileged ?? false) !== options.privileged) return 'it has other privileges';
  return undefined;
}

/** Why a pod does not run yet, in one word and one sentence; undefined where nothing is known to be wrong. */
export function startProblem(pod: V1Pod): { readonly reason: string; readonly message: string } | undefined {
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (waiting?.reason !== undefined && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing') {
    const isImage = /Image|ErrPull/.test(waiting.reason);
    const message = waiting.message ?? 'the container does not start';
    return {
      reason: waiting.reason,
      message: isImage ? `its probe's image ${pod.spec?.containers[0]?.image ?? ''} cannot be pulled there: ${message}` : `its probe does not start: ${message}`,
    };
  }
  if (unscheduled !== undefined) return { reason: unscheduled.reason ?? 'Unschedulable', message: `its probe cannot run there: ${unscheduled.message ?? ''}` };
  if (pod.status?.phase === 'Failed') {
    const terminated = pod.status.containerStatuses?.[0]?.state?.terminated;
    return {
      reason: pod.status.reason ?? terminated?.reason ?? 'Failed',
      message: `its probe ended: ${pod.status.message ?? terminated?.message ?? `exit status ${String(terminated?.exitCode ?? 'unknown')}`}`,
    };
  }
  return undefined;
}
