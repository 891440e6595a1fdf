/** The pod of a node probe. Nothing of a trace is in it: it depends on the node, the image and the operator alone. */
import { createHash } from 'node:crypto';
import type { CoreV1Event, V1Pod } from '@kubernetes/client-node';

export interface ProbePodOptions {
  readonly namespace: string;
  readonly image: string;
  /** Full privilege, for nodes whose security module refuses the capabilities below. */
  readonly privileged: boolean;
  /** The pod of the operator: its probes go when it goes. */
  readonly owner?: { readonly name: string; readonly uid: string };
  /** Distinguishes the probes of one operator, or of one run of the plugin, from others. */
  readonly instance: string;
}

export const probeContainer = 'probe';
/** config/admission/probe_exec.yaml lets the operator run these two in a probe. */
export const probeCommand = ['/usr/local/bin/node', '/probe.mjs'] as const;
export const sessionCommand = [...probeCommand, 'serve'] as const;

/** A probe ends by itself after this time, in seconds, whether or not its operator still runs; it is recreated then. */
export const activeDeadlineSeconds = 3600;

/** docs/privilege.md says what each is needed for; the cluster tests show that less does not do. */
const capabilities = ['NET_ADMIN', 'NET_RAW'];

/** The API server appends five random letters: the next probe of a node need not wait for the last one's end. */
function probePodPrefix(node: string): string {
  return `svctrace-probe-${createHash('sha256').update(node).digest('hex').slice(0, 8)}-`;
}

/** Of the probes of all instances. */
export const commonProbeLabels: Readonly<Record<string, string>> = {
  'app.kubernetes.io/name': 'svctrace',
  'app.kubernetes.io/component': 'probe',
  'app.kubernetes.io/managed-by': 'svctrace',
};

export function probeLabels(instance: string): Record<string, string> {
  return { ...commonProbeLabels, 'svctrace.io/instance': instance };
}

export function probePod(node: string, options: ProbePodOptions): V1Pod {
  const { namespace, image, privileged, owner, instance } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: probePodPrefix(node),
      namespace,
      labels: probeLabels(instance),
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [
              {
                apiVersion: 'v1',
                kind: 'Pod',
                name: owner.name,
                uid: owner.uid,
                controller: true,
                blockOwnerDeletion: false,
              },
            ],
          }),
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
          // One reading at a time, in the process of the session: beside it only captures, and a reading where there is none.
          resources: { requests: { cpu: '10m', memory: '48Mi' }, limits: { cpu: '1', memory: '256Mi' } },
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

/** Why a pod that once ran cannot be used any more; undefined where it can. */
export function unusableReason({ metadata, status }: V1Pod): string | undefined {
  if (metadata?.deletionTimestamp !== undefined) return 'it is being deleted';
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded')
    return `it has ended (${status.reason ?? status.phase})`;
  return undefined;
}

/** What somebody between this process and the API server's store made of a probe's pod; undefined where it is as it was sent. */
export function alteration({ spec }: V1Pod): string | undefined {
  const others = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
    .map(({ name }) => name)
    .filter((name) => name !== probeContainer);
  if (others.length > 0) return `it has more containers: ${others.join(', ')}`;
  if (spec?.hostNetwork !== true) return 'it is not in the network of its node';
  // The image may come from a mirror; the program may not be another one.
  const command = spec.containers[0]?.command?.join(' ');
  return command === [...probeCommand, 'wait'].join(' ') ? undefined : `it runs ${command ?? 'nothing'}`;
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
      message: isImage
        ? `its probe's image ${pod.spec?.containers[0]?.image ?? ''} cannot be pulled there: ${message}; see that the name is right and the node may pull it (PROBE_IMAGE of the ConfigMap svctrace-operator)`
        : `its probe does not start: ${message}`,
    };
  }
  if (unscheduled !== undefined)
    return {
      reason: unscheduled.reason ?? 'Unschedulable',
      message: `its probe cannot run there: ${unscheduled.message ?? ''}`,
    };
  if (pod.status?.phase === 'Failed') {
    const terminated = pod.status.containerStatuses?.[0]?.state?.terminated;
    return {
      reason: pod.status.reason ?? terminated?.reason ?? 'Failed',
      message: `its probe ended: ${pod.status.message ?? terminated?.message ?? `exit status ${String(terminated?.exitCode ?? 'unknown')}`}`,
    };
  }
  return undefined;
}

/** The newest event of a pod that does not run yet: what the kubelet is doing, or why it cannot. */
export function startEvent(
  events: readonly CoreV1Event[],
): { readonly reason: string; readonly message: string } | undefined {
  const timeOf = ({ lastTimestamp, eventTime, metadata }: CoreV1Event): number =>
    (lastTimestamp ?? eventTime ?? metadata.creationTimestamp)?.getTime() ?? 0;
  const newest = [...events].sort((one, other) => timeOf(one) - timeOf(other)).at(-1);
  if (newest?.message === undefined) return undefined;
  return {
    reason: newest.reason ?? 'ProbeStarting',
    message: `${newest.type === 'Warning' ? 'its probe does not start' : 'its probe is starting'}: ${newest.message}`,
  };
}
