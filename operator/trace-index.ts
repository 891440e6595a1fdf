/** What the watch has told of all traces: whose Service each is about, and which of them need probes. */
import { isActive, type TraceState } from './reconcile.ts';

export interface IndexedTrace extends TraceState {
  readonly spec: TraceState['spec'] & { readonly serviceRef: { readonly name: string } };
  readonly metadata: TraceState['metadata'] & { readonly uid?: string; readonly namespace?: string };
}

interface Entry {
  readonly service: string;
  readonly isActive: boolean;
  /** Differs where there is something to do; writing a status leaves it as it is. */
  readonly version: string;
}

export class TraceIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #byService = new Map<string, Set<string>>();

  /** Returns whether there is something to do: the trace is new, was made anew, or its spec changed. */
  set(key: string, trace: IndexedTrace): boolean {
    const { uid, namespace, generation, deletionTimestamp } = trace.metadata;
    const before = this.#entries.get(key);
    const entry = {
      service: `${namespace ?? ''}/${trace.spec.serviceRef.name}`,
      isActive: isActive(trace),
      version: `${uid ?? ''} ${String(generation)} ${deletionTimestamp ?? ''}`,
    };
    if (before !== undefined && before.service !== entry.service) this.delete(key);
    this.#entries.set(key, entry);
    const keys = this.#byService.get(entry.service) ?? new Set();
    this.#byService.set(entry.service, keys.add(key));
    return before?.version !== entry.version;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const keys = this.#byService.get(entry.service);
    keys?.delete(key);
    if (keys?.size === 0) this.#byService.delete(entry.service);
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The traces of a Service. */
  keysOf(namespace: string, service: string): readonly string[] {
    return [...(this.#byService.get(`${namespace}/${service}`) ?? [])];
  }

  isAnyActive(exceptKey?: string): boolean {
    return [...this.#entries].some(([key, entry]) => entry.isActive && key !== exceptKey);
  }
}
