/** Where a trace comes from, as a flow of events: the operator's object, this process's own engine, or a file. */
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { LogEvent } from '../logs/event.ts';
import type { Origin } from './origin.ts';

export type TraceEvent =
  /** Where the trace comes from, known now. */
  | { readonly kind: 'opened'; readonly origin: Origin }
  | { readonly kind: 'trace'; readonly trace: ServiceTrace }
  /** Something that the user should know while there is no (new) result. */
  | { readonly kind: 'notice'; readonly message: string }
  /** The connection is lost; it is tried again. */
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'resumed' }
  /** Nobody answers the trace: what is wrong with the operator, where that is known. */
  | { readonly kind: 'silent'; readonly message: string }
  /** Nothing more will come. */
  | { readonly kind: 'ended'; readonly reason: string };

export interface TraceSource {
  readonly origin: Origin;
  /** Calls back until `signal` aborts or nothing more comes. @throws where going on has no sense (forbidden) */
  follow(onEvent: (event: TraceEvent) => void, signal: AbortSignal): Promise<void>;
  /** Follows the packet of this client too, the name of a pod or an IP address; absent where that cannot be. */
  walkFrom?(client: string): Promise<void>;
  /** The trace with the results of the client's own connections; absent where nobody asked for them. */
  connectFromPod?(trace: ServiceTrace): Promise<ServiceTrace>;
  /** Writes what is seen to a bundle, and gives its name; absent where it is a bundle already. */
  save?(): Promise<string>;
  /** Follows the logs of the Service's pods until `signal` aborts; absent where there are none. @throws where they cannot be had */
  logs?(onEvent: (event: LogEvent) => void, signal: AbortSignal): Promise<void>;
  /** Removes what was created for this view. */
  close(): Promise<void>;
}

/** Whether the trace has come to a result: everything that was asked has answered, or will not. */
export function isComplete({ metadata, status }: ServiceTrace): boolean {
  if (
    status?.observedGeneration !== undefined &&
    metadata.generation !== undefined &&
    status.observedGeneration < metadata.generation
  )
    return false;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready !== undefined && ready.status !== 'Unknown';
}

/**
 * The first trace that is enough; what there is of it when the time is over.
 * @param isEnough default: it has come to a result
 */
export async function awaitResult(
  source: TraceSource,
  {
    timeoutMilliseconds,
    signal,
    onEvent,
    isEnough = isComplete,
  }: {
    timeoutMilliseconds: number;
    signal: AbortSignal;
    onEvent: (event: TraceEvent) => void;
    isEnough?: (trace: ServiceTrace) => boolean;
  },
): Promise<{ trace: ServiceTrace | undefined; isTimedOut: boolean; silence: string | undefined }> {
  const done = new AbortController();
  const timer =
    timeoutMilliseconds > 0
      ? setTimeout(() => {
          done.abort('timeout');
        }, timeoutMilliseconds)
      : undefined;
  let trace: ServiceTrace | undefined;
  let silence: string | undefined;
  try {
    await source.follow(
      (event) => {
        if (event.kind === 'trace') {
          trace = event.trace;
          silence = undefined;
        }
        if (event.kind === 'silent') {
          silence = event.message;
          done.abort('silent');
        }
        onEvent(event);
        if (event.kind === 'trace' && isEnough(event.trace)) done.abort('complete');
      },
      AbortSignal.any([signal, done.signal]),
    );
  } finally {
    clearTimeout(timer);
  }
  signal.throwIfAborted();
  return { trace, isTimedOut: done.signal.reason === 'timeout', silence };
}
