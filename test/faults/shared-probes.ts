/**
 * Probes that are asked once for all Services of a round, for their start costs more than what they read. Everything
 * else of a trace is as the engine does it.
 */
import type { NodeAnswer } from '../../core/node-report.ts';
import type { ProbeRequest } from '../../core/probe-request.ts';
import { NodeProbes } from '../../operator/node-probes.ts';
import type { TracedNode } from '../../operator/observe.ts';

interface Asked {
  readonly node: TracedNode;
  readonly request: ProbeRequest;
  readonly answer: (answer: Promise<NodeAnswer>) => void;
}

export class SharedProbes implements Pick<NodeProbes, 'ask' | 'capture' | 'keepClean' | 'release' | 'close'> {
  readonly #probes: NodeProbes;
  /** Traces of this round that may still ask. */
  #running = 0;
  #asked: Asked[] = [];

  constructor(...args: ConstructorParameters<typeof NodeProbes>) {
    this.#probes = new NodeProbes(...args);
  }

  /** Runs traces of different Services; the nodes are asked when each of them has asked, or ended without. */
  async round<Value>(traces: readonly (() => Promise<Value>)[]): Promise<Value[]> {
    this.#running = traces.length;
    return Promise.all(
      traces.map(async (trace) => {
        try {
          return await trace();
        } finally {
          this.#running -= 1;
          this.#askWhenAllHave();
        }
      }),
    );
  }

  async ask(node: TracedNode, request: ProbeRequest): Promise<NodeAnswer> {
    // Where a trace connects to is of its Service alone; its nodes have answered before.
    if (request.collect.connect !== undefined) return this.#probes.ask(node, request, () => undefined);
    const { promise, resolve } = Promise.withResolvers<NodeAnswer>();
    this.#asked.push({ node, request, answer: resolve });
    // A trace asks all its nodes in one go.
    setImmediate(() => {
      this.#askWhenAllHave();
    });
    return promise;
  }

  async capture(...args: Parameters<NodeProbes['capture']>): ReturnType<NodeProbes['capture']> {
    return this.#probes.capture(...args);
  }

  keepClean(): void {
    this.#probes.keepClean();
  }

  async release(): Promise<void> {
    await this.#probes.release();
  }

  async close(): Promise<void> {
    await this.#probes.close();
  }

  #askWhenAllHave(): void {
    const services = new Set(
      this.#asked.flatMap(({ request }) => request.services.map(({ namespace, name }) => `${namespace}/${name}`)),
    );
    if (services.size < this.#running) return;
    const asked = this.#asked;
    this.#asked = [];
    for (const group of Map.groupBy(asked, ({ node }) => node.name).values()) {
      const [first] = group;
      if (first === undefined) continue;
      const answer = this.#probes.ask(
        first.node,
        together(
          first.request,
          group.map(({ request }) => request),
        ),
        () => undefined,
      );
      for (const each of group) each.answer(answer);
    }
  }
}

/** One request for all; they differ in the Services, and in what DNS is asked for them. */
function together(first: ProbeRequest, all: readonly ProbeRequest[]): ProbeRequest {
  const dns = all.find(({ collect }) => collect.dns !== undefined)?.collect.dns;
  const questions = all.flatMap(({ collect }) => collect.dns?.questions ?? []);
  return {
    ...first,
    services: all.flatMap(({ services }) => services),
    collect: { ...first.collect, ...(dns === undefined ? {} : { dns: { ...dns, questions } }) },
  };
}
