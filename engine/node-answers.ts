/** The answers of a trace's nodes while they come in. */
import type { ServiceTraceStatus } from '../core/api/service-trace.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';

/** A trace's progress is reported at most this often. */
const progressMilliseconds = 250;

export interface Incoming {
  /** The answers so far, by node, which are written here. */
  readonly answers: Map<string, NodeAnswer>;
  /** Called a moment after a change, and not again before the next one. */
  readonly onProgress: () => void;
  /** Called once, when all nodes that are still waited for take long. */
  readonly onHeldUp: (() => void) | undefined;
}

/** Writes answers down, and calls back. */
export class IncomingAnswers {
  readonly #incoming: Incoming;
  readonly #progress: ReturnType<typeof atMostEvery>;
  /** Nodes that take long. */
  readonly #slow = new Set<string>();
  #isHeldUp = false;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
    this.#progress = atMostEvery(progressMilliseconds, incoming.onProgress);
  }

  answered(answer: NodeAnswer): void {
    const { answers, onHeldUp } = this.#incoming;
    answers.set(answer.node, answer);
    this.#progress.later();
    if (this.#isHeldUp || onHeldUp === undefined) return;
    const waited = [...answers.values()].filter(isWaitedFor);
    this.#isHeldUp = waited.length > 0 && waited.every(({ node }) => this.#slow.has(node));
    if (this.#isHeldUp) onHeldUp();
  }

  waits(node: string, reason: string, message: string, isSlow: boolean): void {
    if (isSlow) this.#slow.add(node);
    this.answered({ node, state: 'Waiting', reason, message });
  }

  /** From now on, no progress is reported. */
  stop(): void {
    this.#progress.stop();
  }
}

export function isWaitedFor(answer: NodeAnswer): boolean {
  return 'state' in answer && answer.state === 'Waiting';
}

/** A node that is waited for, and did not answer the last time, has not answered until now. */
export function asBefore(answers: readonly NodeAnswer[], previous: ServiceTraceStatus | undefined): NodeAnswer[] {
  const failed = new Map(
    (previous?.nodes ?? []).flatMap(({ name, probe }) => (probe.state === 'Failed' ? [[name, probe] as const] : [])),
  );
  return answers.map((answer) => {
    const before = isWaitedFor(answer) ? failed.get(answer.node) : undefined;
    return before === undefined
      ? answer
      : {
          node: answer.node,
          state: 'Failed',
          reason: before.reason ?? 'NodeSlow',
          message: before.message ?? 'it has not answered',
        };
  });
}

/** Calls after the pause, once for all the times that it was asked to in between. */
function atMostEvery(milliseconds: number, call: () => void): { later: () => void; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  return {
    later() {
      if (stopped) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        call();
      }, milliseconds);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
