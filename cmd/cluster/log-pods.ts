/** Pods with the containers whose logs may be read, and the logs. */
import * as z from 'zod';
import type { Api } from './api.ts';
import { segment } from './objects.ts';
import { listPodsAs, podsPath, watchPodsAs, type PodList, type PodQuery } from './pods.ts';

/** A pod with the containers whose logs may be read. */
export interface LogPod {
  readonly name: string;
  readonly uid: string;
  readonly node?: string | undefined;
  /** It was asked to terminate. */
  readonly isEnding: boolean;
  /** Sidecars among them. */
  readonly containers: readonly LogContainer[];
}

export interface LogContainer {
  readonly name: string;
  readonly restarts: number;
  /** It runs, or has run: there is a log. */
  readonly hasStarted: boolean;
  readonly isRunning: boolean;
  /** Why it neither runs nor has ended for good, in the kubelet's word: `CrashLoopBackOff`. */
  readonly waiting?: string | undefined;
  /** Of the last run that is over; `at` in RFC 3339. */
  readonly ended?: { readonly exitCode: number; readonly reason?: string | undefined; readonly at: string } | undefined;
}

export interface LogQuery {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly follow: boolean;
  /** Of the container's run before this one. */
  readonly previous: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
}

const terminatedSchema = z.object({
  exitCode: z.number(),
  reason: z.string().optional(),
  finishedAt: z.string().nullish(),
});
const containerStateSchema = z
  .object({ running: z.unknown(), terminated: terminatedSchema, waiting: z.object({ reason: z.string().optional() }) })
  .partial();
const containerStatusSchema = z.array(
  z.object({
    name: z.string(),
    restartCount: z.number(),
    state: containerStateSchema.optional(),
    lastState: containerStateSchema.optional(),
  }),
);
const podSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string().optional(), deletionTimestamp: z.string().optional() }),
  spec: z.object({
    nodeName: z.string().optional(),
    containers: z.array(z.object({ name: z.string() })),
    initContainers: z.array(z.object({ name: z.string(), restartPolicy: z.string().optional() })).optional(),
  }),
  status: z
    .object({
      containerStatuses: containerStatusSchema.optional(),
      initContainerStatuses: containerStatusSchema.optional(),
    })
    .optional(),
});

/** Of a namespace, or those that the selector matches. */
export async function listLogPods(api: Api, namespace: string, selector: string | undefined): Promise<PodList<LogPod>> {
  return listPodsAs(api, { namespace, selector }, logPodOf);
}

export async function watchLogPods(
  api: Api,
  query: PodQuery,
  onPod: (pod: LogPod, isThere: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  await watchPodsAs(api, query, logPodOf, onPod, signal);
}

export async function readLog(
  api: Api,
  { namespace, pod, container, follow, previous, sinceSeconds, sinceTime, tailLines }: LogQuery,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = {
    container,
    timestamps: true,
    follow: follow || undefined,
    previous: previous || undefined,
    sinceSeconds,
    sinceTime,
    tailLines,
  };
  const path = `${podsPath(namespace)}/${segment(pod)}/log`;
  await api.lines({ method: 'GET', path, query, signal, isEndless: follow }, onLine);
}

function logPodOf(object: unknown): LogPod {
  const { metadata, spec, status } = podSchema.parse(object);
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return {
    name: metadata.name,
    uid: metadata.uid ?? metadata.name,
    node: spec.nodeName,
    isEnding: metadata.deletionTimestamp !== undefined,
    containers: [...spec.containers, ...sidecars].map(({ name }): LogContainer => {
      const own = statuses.find((each) => each.name === name);
      const over = own?.state?.terminated ?? own?.lastState?.terminated;
      return {
        name,
        restarts: own?.restartCount ?? 0,
        isRunning: own?.state?.running !== undefined,
        // While a container waits for its next run, the kubelet gives the log of the one before.
        hasStarted: own?.state?.running !== undefined || over !== undefined,
        waiting:
          own?.state?.running !== undefined || own?.state?.terminated !== undefined
            ? undefined
            : (own?.state?.waiting?.reason ?? (spec.nodeName === undefined ? 'not scheduled' : 'not started')),
        ended:
          over === undefined ? undefined : { exitCode: over.exitCode, reason: over.reason, at: over.finishedAt ?? '' },
      };
    }),
  };
}
