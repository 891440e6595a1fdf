/** Pods behind a Service, with what says when they get SIGTERM and who owns them. */
import * as z from 'zod';
import type { ContainerHook, PreStopHook, RolloutPod } from '../../core/rollout/pod-termination.ts';
import type { Api } from './api.ts';
import { listPodsAs, watchPodsAs, type PodList, type PodQuery } from './pods.ts';

export interface OwnedPod extends RolloutPod {
  readonly uid: string;
  readonly owner?: OwnerName;
}

/** The controller of an object. */
export interface OwnerName {
  readonly kind: string;
  readonly name: string;
}

export const ownersSchema = z.array(
  z.object({ kind: z.string(), name: z.string(), controller: z.boolean().optional() }),
);

const hookSchema = z
  .object({
    sleep: z.object({ seconds: z.number() }),
    exec: z.object({ command: z.array(z.string()).nullish() }),
  })
  .partial();
const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string().optional(),
    deletionTimestamp: z.string().optional(),
    deletionGracePeriodSeconds: z.number().optional(),
    ownerReferences: ownersSchema.optional(),
  }),
  spec: z.object({
    terminationGracePeriodSeconds: z.number().optional(),
    containers: z.array(
      z.object({
        ports: z.array(z.object({ containerPort: z.number() })).optional(),
        lifecycle: z.object({ preStop: hookSchema.optional() }).optional(),
      }),
    ),
  }),
  status: z
    .object({ podIP: z.string().optional(), podIPs: z.array(z.object({ ip: z.string() })).optional() })
    .optional(),
});

/** The API server's default. */
const defaultGraceSeconds = 30;

export async function listOwnedPods(api: Api, namespace: string, selector: string): Promise<PodList<OwnedPod>> {
  return listPodsAs(api, { namespace, selector }, ownedPodOf);
}

export async function watchOwnedPods(
  api: Api,
  query: PodQuery,
  onPod: (pod: OwnedPod, isThere: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  await watchPodsAs(api, query, ownedPodOf, onPod, signal);
}

function ownedPodOf(object: unknown): OwnedPod {
  const { metadata, spec, status } = podSchema.parse(object);
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  const graceSeconds = spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  // The stamp is when the grace period will be over.
  const deletedAt =
    deletionTimestamp === undefined ? NaN : Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return {
    name: metadata.name,
    uid: metadata.uid ?? metadata.name,
    addresses: status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP === undefined ? [] : [status.podIP]),
    ...(Number.isFinite(deletedAt) ? { deletedAt } : {}),
    // A deletion may give less time than the spec.
    terminationGracePeriodSeconds:
      deletionTimestamp === undefined ? graceSeconds : Math.min(graceSeconds, deletionGracePeriodSeconds),
    ...(owner === undefined ? {} : { owner: { kind: owner.kind, name: owner.name } }),
    containers: spec.containers.map(({ ports = [], lifecycle }): ContainerHook => {
      const preStop = lifecycle?.preStop === undefined ? undefined : preStopOf(lifecycle.preStop);
      return {
        ports: ports.map(({ containerPort }) => containerPort),
        ...(preStop === undefined ? {} : { preStop }),
      };
    }),
  };
}

function preStopOf({ sleep, exec }: z.infer<typeof hookSchema>): PreStopHook {
  if (sleep !== undefined) return { kind: 'sleep', seconds: sleep.seconds };
  return exec === undefined ? { kind: 'httpGet' } : { kind: 'exec', command: exec.command ?? [] };
}
