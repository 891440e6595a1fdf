/** Whether the workload that owns pods has rolled out, as `kubectl rollout status` decides it. */
import * as z from 'zod';
import type { Api } from './api.ts';
import { isForbidden } from './api-error.ts';
import { namespacePath, orAbsent, segment } from './objects.ts';
import { ownersSchema, type OwnerName } from './rollout-pods.ts';

/** done; waiting, with what for; failed: it will not be done by itself. */
export type WorkloadState =
  | { readonly kind: 'done' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export interface Workload {
  /** `deployment/auth-service` */
  readonly name: string;
  readonly state: WorkloadState;
}

const counts = z.number().nullish();
const objectSchema = z.object({
  metadata: z.object({ generation: z.number().optional(), ownerReferences: ownersSchema.optional() }),
  spec: z.object({
    replicas: counts,
    paused: z.boolean().optional(),
    strategy: z.object({ type: z.string().optional() }).optional(),
    updateStrategy: z
      .object({
        type: z.string().optional(),
        rollingUpdate: z.object({ partition: counts }).nullish(),
      })
      .optional(),
  }),
  status: z
    .object({
      observedGeneration: counts,
      replicas: counts,
      updatedReplicas: counts,
      readyReplicas: counts,
      availableReplicas: counts,
      desiredNumberScheduled: counts,
      updatedNumberScheduled: counts,
      numberAvailable: counts,
      currentRevision: z.string().optional(),
      updateRevision: z.string().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string().optional() })).optional(),
    })
    .optional(),
});
type WorkloadObject = z.infer<typeof objectSchema>;

const plurals: Readonly<Record<string, string>> = {
  ReplicaSet: 'replicasets',
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
};

/**
 * Of the owner of a pod; a ReplicaSet's own owner. Undefined where it is of a kind that does not roll out, is gone, or may not
 * be read.
 */
export async function readWorkload(api: Api, namespace: string, owner: OwnerName): Promise<Workload | undefined> {
  const object = await readObject(api, namespace, owner);
  if (object === undefined) return undefined;
  if (owner.kind === 'ReplicaSet') {
    const above = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
    return above?.kind === 'Deployment' ? readWorkload(api, namespace, above) : undefined;
  }
  return { name: `${owner.kind.toLowerCase()}/${owner.name}`, state: stateOf(owner.kind, object) };
}

async function readObject(api: Api, namespace: string, { kind, name }: OwnerName): Promise<WorkloadObject | undefined> {
  const plural = plurals[kind];
  if (plural === undefined) return undefined;
  const path = `/apis/apps/v1${namespacePath(namespace)}/${plural}/${segment(name)}`;
  try {
    const object = await orAbsent(api.request({ method: 'GET', path }));
    return object === undefined ? undefined : objectSchema.parse(object);
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** As k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go, 1.37. */
function stateOf(kind: string, { metadata, spec, status }: WorkloadObject): WorkloadState {
  if (metadata.generation !== undefined && (status?.observedGeneration ?? 0) < metadata.generation)
    return waiting('its spec is not observed yet');
  if (kind === 'Deployment') return deploymentState({ spec, status });
  if (spec.updateStrategy?.type === 'OnDelete') return { kind: 'done' };
  return kind === 'DaemonSet' ? daemonSetState(status) : statefulSetState({ spec, status });
}

type SpecAndStatus = Pick<WorkloadObject, 'spec' | 'status'>;

function deploymentState({ spec, status }: SpecAndStatus): WorkloadState {
  const progressing = status?.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    return { kind: 'failed', reason: 'it exceeded its progress deadline' };
  if (spec.paused === true) return { kind: 'done' };
  const desired = spec.replicas ?? 1;
  const [replicas, updated, available] = [
    status?.replicas ?? 0,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
  ];
  if (updated < desired) return waiting(`${String(updated)} of ${String(desired)} new replicas are there`);
  if (replicas > updated) return waiting(`${String(replicas - updated)} old replicas are left`);
  if (available < updated) return waiting(`${String(available)} of ${String(updated)} replicas are available`);
  return { kind: 'done' };
}

function daemonSetState(status: WorkloadObject['status']): WorkloadState {
  const desired = status?.desiredNumberScheduled ?? 0;
  const [updated, available] = [status?.updatedNumberScheduled ?? 0, status?.numberAvailable ?? 0];
  if (updated < desired) return waiting(`${String(updated)} of ${String(desired)} new pods are there`);
  if (available < desired) return waiting(`${String(available)} of ${String(desired)} pods are available`);
  return { kind: 'done' };
}

function statefulSetState({ spec, status }: SpecAndStatus): WorkloadState {
  const desired = spec.replicas ?? 1;
  const ready = status?.readyReplicas ?? 0;
  if (ready < desired) return waiting(`${String(ready)} of ${String(desired)} pods are ready`);
  const partition = spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  const updated = status?.updatedReplicas ?? 0;
  if (partition > 0)
    return updated < desired - partition
      ? waiting(`${String(updated)} of ${String(desired - partition)} pods are updated`)
      : { kind: 'done' };
  return status?.updateRevision === status?.currentRevision
    ? { kind: 'done' }
    : waiting(`${String(updated)} of ${String(desired)} pods are updated`);
}

function waiting(reason: string): WorkloadState {
  return { kind: 'waiting', reason };
}
