/** What the watch has reported of all traces: whose Service each is about, and which of them need probes. */
import { present } from '../core/lib/present.ts';
import { isActive, type TraceState } from './reconcile.ts';

export interface IndexedTrace extends TraceState {
  readonly spec: TraceState['spec'] & { readonly serviceRef: { readonly name: string } };
  readonly metadata: TraceState['metadata'] & {
    readonly uid?: string;
    readonly namespace?: string;
    readonly creationTimestamp?: string;
  };
}

interface Entry {
  readonly service: string;
  readonly isActive: boolean;
  /** Of mode Watch, and collected again and again. */
  readonly isWatch: boolean;
  readonly namespace: string;
  /** Sorts by age; of the same second, by name. */
  readonly age: string;
  readonly generation: number | undefined;
  readonly uid: string | undefined;
  /** Where the condition Converged is among those of the status, while it is True. */
  readonly convergedAt: number | undefined;
  /** Differs where there is something to do; writing a status leaves it as it is. */
  readonly version: string;
}

export interface ConvergedTrace {
  readonly uid: string;
  readonly generation?: number;
  /** The index of its condition Converged. */
  readonly at: number;
}

function convergedAt({ status }: TraceState): number | undefined {
  const at = (status?.conditions ?? []).findIndex(
    ({ type, status: value }) => type === 'Converged' && value === 'True',
  );
  return at < 0 ? undefined : at;
}

export class TraceIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #byService = new Map<string, Set<string>>();
  readonly #watches = new Map<string, Set<string>>();

  /** Returns whether there is something to do: the trace is new, was recreated, or its spec changed. */
  set(key: string, trace: IndexedTrace): boolean {
    const { uid, namespace, generation, deletionTimestamp } = trace.metadata;
    const before = this.#entries.get(key);
    const entry = {
      service: `${namespace ?? ''}/${trace.spec.serviceRef.name}`,
      isActive: isActive(trace),
      isWatch: trace.spec.mode === 'Watch' && isActive(trace),
      namespace: namespace ?? '',
      generation,
      uid,
      convergedAt: convergedAt(trace),
      age: `${String(Date.parse(trace.metadata.creationTimestamp ?? '') || 0).padStart(15, '0')} ${key}`,
      version: `${uid ?? ''} ${String(generation)} ${deletionTimestamp ?? ''}`,
    };
    if (before !== undefined && before.service !== entry.service) this.delete(key);
    this.#entries.set(key, entry);
    if (entry.isWatch) this.#watches.set(entry.namespace, (this.#watches.get(entry.namespace) ?? new Set()).add(key));
    else this.#forgetWatch(entry.namespace, key);
    const keys = this.#byService.get(entry.service) ?? new Set();
    this.#byService.set(entry.service, keys.add(key));
    return before?.version !== entry.version;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#forgetWatch(entry.namespace, key);
    const keys = this.#byService.get(entry.service);
    keys?.delete(key);
    if (keys?.size === 0) this.#byService.delete(entry.service);
  }

  isWatch(key: string): boolean {
    return this.#entries.get(key)?.isWatch === true;
  }

  /** The traces of mode Watch of a namespace. */
  watchesOf(namespace: string): readonly string[] {
    return [...(this.#watches.get(namespace) ?? [])];
  }

  /** How many traces of mode Watch of the same namespace are older than this one. */
  watchesBefore(key: string): number {
    const own = this.#entries.get(key);
    if (own === undefined) return 0;
    return this.watchesOf(own.namespace).filter((other) => (this.#entries.get(other)?.age ?? '') < own.age).length;
  }

  /** Of a trace that is watched and shown as converged, what a patch of that condition needs. */
  converged(key: string): ConvergedTrace | undefined {
    const { isWatch, uid, generation, convergedAt: at } = this.#entries.get(key) ?? {};
    return isWatch === true && uid !== undefined && at !== undefined
      ? { uid, at, ...present({ generation }) }
      : undefined;
  }

  /** The traces of a Service. */
  keysOf(namespace: string, service: string): readonly string[] {
    return [...(this.#byService.get(`${namespace}/${service}`) ?? [])];
  }

  #forgetWatch(namespace: string, key: string): void {
    const watches = this.#watches.get(namespace);
    watches?.delete(key);
    if (watches?.size === 0) this.#watches.delete(namespace);
  }

  isAnyActive(exceptKey?: string): boolean {
    return [...this.#entries].some(([key, entry]) => entry.isActive && key !== exceptKey);
  }
}
