/** A trace that the operator answers: created for this view, or one that somebody has already. */
import type { ServiceTrace, ServiceTraceSpec } from '../../core/api/service-trace.ts';
import { ApiError } from '../cluster/api.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { operatorName, operatorNamespace } from '../cluster/installation.ts';
import { clientSpec } from './client-spec.ts';
import { ClusterError, NotFoundError } from '../cli/errors.ts';
import { isForbidden } from '../cluster/explain-error.ts';
import { followTrace } from './follow.ts';
import type { TraceEvent, TraceSource } from './source.ts';
import { expiresAnnotation } from '../../core/api/expiry.ts';
import { nearNames, nearText } from '../../core/lib/near-names.ts';

const expiryMilliseconds = 120_000;
const renewMilliseconds = 30_000;
/** A finished trace that its creator could not delete goes after this time. */
const ttlSeconds = 300;
/** An operator that runs writes a first status well within this time. */
const silenceMilliseconds = 8_000;

type Client = Pick<
  ClusterClient,
  'createTrace' | 'readTrace' | 'listTraces' | 'watchTrace' | 'annotateTrace' | 'deleteTrace' | 'readOperator'
>;

export interface OperatorSourceOptions {
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly keep: boolean;
  /** Default 8 s. */
  readonly silenceMilliseconds?: number;
}

/** One result: mode Once; deleted when it was shown, unless it is kept. */
export async function openOnce(
  clusterClient: Client,
  { namespace, spec, keep, ...options }: OperatorSourceOptions,
): Promise<TraceSource & { readonly name: string }> {
  const created = await clusterClient.createTrace({
    namespace,
    generateName: `${spec.serviceRef.name}-`,
    annotations: {},
    spec: { ...spec, mode: 'Once', ...(keep ? {} : { ttlSecondsAfterFinished: ttlSeconds }) },
  });
  const { name = '', uid } = created.metadata;
  return {
    origin: { kind: 'operator' },
    name,
    async follow(onEvent, signal) {
      const end = await withSilence(clusterClient, options, onEvent, signal, (onTrace) =>
        followTrace(clusterClient, { namespace, name }, onTrace, { signal }),
      );
      if (end === 'deleted') onEvent({ kind: 'ended', reason: `servicetrace/${name} was deleted` });
    },
    async close() {
      if (keep) return;
      try {
        await clusterClient.deleteTrace(namespace, name, uid);
      } catch (error) {
        // Who may create traces may not always delete them: the operator does, when its time is over.
        if (!isForbidden(error)) throw error;
      }
    },
  };
}

/** A live view: mode Watch. A trace with the same spec that is there already is shared; one of our own expires if we do. */
export async function openWatch(
  clusterClient: Client,
  { namespace, spec, ...options }: Omit<OperatorSourceOptions, 'keep'>,
): Promise<TraceSource> {
  let watchSpec: ServiceTraceSpec = { ...spec, mode: 'Watch', interval: spec.interval ?? '2s' };
  let current = await findOrCreate(clusterClient, namespace, watchSpec);
  /** Ends the following of a trace that another one takes the place of. */
  let turn = new AbortController();
  return {
    origin: { kind: 'operator' },
    async follow(onEvent, signal) {
      const renewing = setInterval(() => {
        if (!current.isOurs) return;
        // A renewal that fails is repeated long before the time is over; what is wrong shows in the watch.
        clusterClient.annotateTrace(namespace, current.name, expiry()).catch(() => undefined);
      }, renewMilliseconds);
      try {
        while (!signal.aborted) {
          const { name } = current;
          const both = AbortSignal.any([signal, turn.signal]);
          const end = await withSilence(clusterClient, { ...options, isRepeated: true }, onEvent, both, (onTrace) =>
            followTrace(clusterClient, { namespace, name }, onTrace, { signal: both }),
          );
          if (signal.aborted) return;
          if (end === 'aborted') {
            turn = new AbortController();
            continue;
          }
          // Its creator has gone, or our own expired while this machine slept.
          onEvent({ kind: 'notice', message: `servicetrace/${name} was deleted; a new one is made` });
          current = await findOrCreate(clusterClient, namespace, watchSpec);
        }
      } finally {
        clearInterval(renewing);
      }
    },
    async walkFrom(walked) {
      // A trace may be shared with others, who follow another client: it stays as it is.
      watchSpec = { ...watchSpec, from: clientSpec(walked) };
      const former = current;
      current = await findOrCreate(clusterClient, namespace, watchSpec);
      turn.abort();
      if (former.isOurs) await clusterClient.deleteTrace(namespace, former.name, former.uid);
    },
    async close() {
      if (current.isOurs) await clusterClient.deleteTrace(namespace, current.name, current.uid);
    },
  };
}

/** A ServiceTrace that somebody else made: it is only looked at. */
export async function openExisting(
  clusterClient: Client,
  { namespace, name, ...options }: { namespace: string; name: string; silenceMilliseconds?: number },
): Promise<TraceSource> {
  try {
    await clusterClient.readTrace(namespace, name);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404 || error.kind === undefined) throw error;
    const traces = await clusterClient.listTraces(namespace).catch(() => []);
    const near = nearNames(
      name,
      traces.flatMap(({ metadata }) => metadata.name ?? []),
    );
    throw new NotFoundError(`ServiceTrace "${name}" is not in namespace "${namespace}"${nearText(near)}.`, {
      cause: error,
    });
  }
  return {
    origin: { kind: 'trace', name },
    async follow(onEvent, signal) {
      const end = await withSilence(clusterClient, options, onEvent, signal, (onTrace) =>
        followTrace(clusterClient, { namespace, name }, onTrace, { signal }),
      );
      if (end === 'deleted') onEvent({ kind: 'ended', reason: `servicetrace/${name} was deleted` });
    },
    close: async () => undefined,
  };
}

interface CurrentTrace {
  readonly name: string;
  readonly uid: string | undefined;
  /** Created by this process, which then renews and deletes it. */
  readonly isOurs: boolean;
}

async function findOrCreate(clusterClient: Client, namespace: string, spec: ServiceTraceSpec): Promise<CurrentTrace> {
  const wanted = specText(spec);
  const traces = await clusterClient.listTraces(namespace).catch((error: unknown) => {
    if (isForbidden(error)) return [];
    throw error;
  });
  const shared = traces.find(
    (trace) => trace.metadata.deletionTimestamp === undefined && !isExpired(trace) && specText(trace.spec) === wanted,
  );
  if (shared?.metadata.name !== undefined)
    return { name: shared.metadata.name, uid: shared.metadata.uid, isOurs: false };
  const { metadata } = await clusterClient.createTrace({
    namespace,
    generateName: `${spec.serviceRef.name}-`,
    annotations: expiry(),
    spec,
  });
  return { name: metadata.name ?? '', uid: metadata.uid, isOurs: true };
}

function expiry(): Record<string, string> {
  return { [expiresAnnotation]: new Date(Date.now() + expiryMilliseconds).toISOString() };
}

function isExpired({ metadata }: ServiceTrace): boolean {
  const time = metadata.annotations?.[expiresAnnotation];
  return time !== undefined && Date.parse(time) < Date.now() + renewMilliseconds;
}

/** A spec with the defaults of the CRD, so that two that ask the same are the same text. */
function specText(spec: ServiceTraceSpec): string {
  const { serviceRef, mode = 'Once', interval = '10s', nodes, collect = {}, from, suspend = false } = spec;
  const { rules = true, conntrack = 'Summary', kubeProxy = true, dns = true } = collect;
  return JSON.stringify([
    serviceRef.name,
    mode,
    interval,
    nodes?.names,
    nodes?.selector,
    nodes?.max,
    rules,
    conntrack,
    kubeProxy,
    dns,
    from?.pod,
    from?.node,
    from?.ip,
    suspend,
  ]);
}

/** Runs `follow`, and says so where no status is written in time; where `isRepeated`, where none follows the last one too. */
async function withSilence<End>(
  clusterClient: Client,
  options: { readonly silenceMilliseconds?: number; readonly isRepeated?: boolean },
  onEvent: (event: TraceEvent) => void,
  signal: AbortSignal,
  follow: (onTrace: (event: TraceEvent) => void) => Promise<End>,
): Promise<End> {
  let answers = 0;
  let timer: NodeJS.Timeout | undefined;
  const listen = (milliseconds: number): void => {
    clearTimeout(timer);
    const responses = answers;
    timer = setTimeout(() => {
      describeOperator(clusterClient).then(
        (operator) => {
          if (answers === responses && !signal.aborted)
            onEvent(
              operator.isSilent
                ? { kind: 'silent', message: operator.text }
                : { kind: 'notice', message: operator.text },
            );
        },
        // What is wrong with the connection shows in the watch.
        () => undefined,
      );
    }, milliseconds);
  };
  const first = options.silenceMilliseconds ?? silenceMilliseconds;
  listen(first);
  try {
    return await follow((event) => {
      if (event.kind === 'trace' && event.trace.status !== undefined) {
        answers += 1;
        if (options.isRepeated === true) listen(2 * first);
      }
      onEvent(event);
    });
  } finally {
    clearTimeout(timer);
  }
}

const alternative = 'start it, or trace without it with --standalone';

/** Why a trace has no status yet: the operator is not there, does not run, or is only slow. */
async function describeOperator(
  clusterClient: Pick<ClusterClient, 'readOperator'>,
): Promise<{ isSilent: boolean; text: string }> {
  const where = `deployment/${operatorName} in namespace ${operatorNamespace}`;
  try {
    const deployment = await clusterClient.readOperator();
    if (deployment === undefined)
      return {
        isSilent: true,
        text: `The svctrace operator does not run: there is no ${where}; install it with \`kubectl svctrace install\`, or trace without it with --standalone.`,
      };
    if (deployment.availableReplicas === 0)
      return {
        isSilent: true,
        text: `The svctrace operator does not run (${where}: ${deployment.message}); ${alternative}.`,
      };
    return {
      isSilent: false,
      text: `the operator runs, but does not answer yet (kubectl logs -n ${operatorNamespace} deployment/${operatorName})`,
    };
  } catch (error) {
    if (isForbidden(error))
      return { isSilent: false, text: `the operator does not answer yet; you may not see whether it runs (${where})` };
    throw error;
  }
}

/** No status came in the whole time. */
export function noAnswerError(timeoutMilliseconds: number): ClusterError {
  return new ClusterError(
    `The svctrace operator did not answer within ${timeoutMilliseconds / 1000} s; see whether it runs with \`kubectl svctrace status\`, or trace without it with --standalone.`,
  );
}
