/**
 * The readings of one node: one at a time, each for all who ask at that time. What comes while one runs goes into the
 * next one. Who fails, or goes, leaves the others as they are (docs/decisions/080).
 */
import { mergeProbeRequests, nodeReportFor } from '../core/wire/merge-probe-requests.ts';
import type { NodeReport } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';

export interface Reading {
  readonly report: NodeReport;
  /** RFC 3339, by this process's clock. */
  readonly askedAt: string;
  readonly collectedAt: string;
}

export interface NodeReadingsOptions {
  /** Asks the probe. `signal` aborts when nobody wants the answer any more. */
  readonly read: (request: ProbeRequest, signal: AbortSignal) => Promise<Reading>;
  /** Whether the failure may be that of one Service among those of the request: then they are read in two halves. */
  readonly isOfRequest: (error: unknown) => boolean;
}

interface Asker {
  readonly request: ProbeRequest;
  /** The namespace of its Services: namespaces take turns. */
  readonly group: string;
  readonly resolve: (reading: Reading) => void;
  readonly reject: (error: unknown) => void;
  onGone: (() => void) | undefined;
  isGone: boolean;
}

export class NodeReadings {
  readonly #options: NodeReadingsOptions;
  #waiting: Asker[] = [];
  /** Halves of a reading that failed: they come first. */
  #halves: Asker[][] = [];
  #running = false;
  #lastGroup = '';

  constructor(options: NodeReadingsOptions) {
    this.#options = options;
  }

  /** @throws what `read` throws, and the signal's reason where it aborts */
  async ask(request: ProbeRequest, signal?: AbortSignal): Promise<Reading> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Reading>();
    const asker: Asker = {
      request,
      group: request.services[0]?.namespace ?? '',
      resolve,
      reject,
      onGone: undefined,
      isGone: false,
    };
    const onAbort = (): void => {
      asker.isGone = true;
      reject(signal?.reason);
      asker.onGone?.();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(asker);
    this.#next();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #next(): void {
    if (this.#running) return;
    const batch = this.#takeBatch();
    if (batch === undefined) return;
    this.#running = true;
    void this.#read(batch.askers, batch.request).finally(() => {
      this.#running = false;
      this.#next();
    });
  }

  /** As many of those who wait as one request can answer, the namespaces in turns. */
  #takeBatch(): { readonly askers: readonly Asker[]; readonly request: ProbeRequest } | undefined {
    this.#waiting = this.#waiting.filter(({ isGone }) => !isGone);
    for (let half = this.#halves.shift(); half !== undefined; half = this.#halves.shift()) {
      const askers = half.filter(({ isGone }) => !isGone);
      const request = mergeAll(askers);
      if (request !== undefined) return { askers, request };
    }
    const [first, ...others] = inTurns(this.#waiting, this.#lastGroup);
    if (first === undefined) return undefined;
    let { request } = first;
    const askers = [first];
    for (const other of others) {
      const merged = mergeProbeRequests(request, other.request);
      if (merged === undefined) continue;
      request = merged;
      askers.push(other);
    }
    this.#lastGroup = first.group;
    this.#waiting = this.#waiting.filter((asker) => !askers.includes(asker));
    return { askers, request };
  }

  async #read(askers: readonly Asker[], request: ProbeRequest): Promise<void> {
    const unwanted = new AbortController();
    for (const asker of askers)
      asker.onGone = () => {
        if (askers.every(({ isGone }) => isGone)) unwanted.abort(new Error('nobody wants the answer any more'));
      };
    try {
      const reading = await this.#options.read(request, unwanted.signal);
      for (const { request: own, resolve } of askers)
        resolve({ ...reading, report: nodeReportFor(reading.report, own) });
    } catch (error) {
      const left = askers.filter(({ isGone }) => !isGone);
      if (left.length > 1 && this.#options.isOfRequest(error)) {
        const middle = Math.ceil(left.length / 2);
        this.#halves.push(left.slice(0, middle), left.slice(middle));
      } else for (const { reject } of left) reject(error);
    }
  }
}

function mergeAll(askers: readonly Asker[]): ProbeRequest | undefined {
  const [first, ...others] = askers;
  return others.reduce<ProbeRequest | undefined>(
    (merged, { request }) => (merged === undefined ? undefined : mergeProbeRequests(merged, request)),
    first?.request,
  );
}

/** One of each group after the other, beginning with the group that comes after the one that was first the last time. */
function inTurns(askers: readonly Asker[], last: string): Asker[] {
  const groups = [...Map.groupBy(askers, ({ group }) => group).entries()].sort(
    ([one], [other]) => Number(one === last) - Number(other === last),
  );
  const longest = Math.max(0, ...groups.map(([, each]) => each.length));
  return Array.from({ length: longest }, (_, index) =>
    groups.flatMap(([, each]) => each.slice(index, index + 1)),
  ).flat();
}
