/**
 * Works statuses out in a thread of its own where they are large (docs/decisions/110): the operator's own thread goes on
 * with its watches, its probes and its heartbeat.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { ServiceTraceStatus } from '../core/api/service-trace.ts';
import { buildStatus } from '../core/status/status.ts';
import type { StatusInput } from '../core/status/input.ts';
import { piecesOf, type Piece } from './message-pieces.ts';

/** A piece of what a status is made from; the last one says so. */
export interface StatusRequest {
  readonly id: number;
  readonly piece: Piece;
  readonly isLast: boolean;
}
export type StatusReply = { readonly id: number } & (
  { readonly status: ServiceTraceStatus } | { readonly error: string }
);

/** Works out what a trace's status is. Rejects where that failed; the message says why. */
export type Judge = (input: StatusInput) => Promise<ServiceTraceStatus>;

/** In the caller's own thread; a failure rejects, as that of a thread does. */
export const judgeHere: Judge = async (input) => buildStatus(input);

/** So many endpoints, each counted once a node, are worked out within a few milliseconds. */
const mostHere = 150;
/** A thread that had nothing to do for so long ends, and gives its memory back. */
const idleMilliseconds = 60_000;
/** Of the thread's own heap: a status that needs more fails, and the operator goes on. */
const maxHeapMebibytes = 400;
/** Of it, for what lives for a moment only: V8's own choice is three times as much, and none of it is given back. */
const maxYoungMebibytes = 16;
/**
 * Of it, for what stays, before garbage is first looked for there: nearly all that a status puts there is needed to its end,
 * and V8 would begin at a tenth of this and mark everything again at each step to it.
 */
const firstOldMebibytes = 128;
/**
 * For all threads of the process (docs/decisions/142). V8's second optimizing compiler takes more of the processor than a
 * status gets back by its code, and its first one is left; the helpers of a parallel scavenge spin while they wait for work.
 */
const v8Flags = [
  // No resource limit says it. It is asked for as a heap is made: those that are there already stay as they are.
  `--initial-old-space-size=${String(firstOldMebibytes)}`,
  '--no-turbofan',
  '--no-parallel-scavenge',
];

interface Job {
  readonly resolve: (status: ServiceTraceStatus) => void;
  readonly reject: (error: Error) => void;
}

/** @returns the judge, and how its thread is ended */
export function statusThread(): { readonly judge: Judge; close(): Promise<void> } {
  let worker: Worker | undefined;
  let lastId = 0;
  let idle: NodeJS.Timeout | undefined;
  const jobs = new Map<number, Job>();

  const failAll = (reason: string): void => {
    worker = undefined;
    const failed = [...jobs.values()];
    jobs.clear();
    for (const { reject } of failed) reject(new Error(`the thread that works statuses out ended: ${reason}`));
  };
  const start = (): Worker => {
    for (const flag of v8Flags) setFlagsFromString(flag);
    // The bundle has it beside the operator; from a checkout it is run as it is written.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
    const started = new Worker(new URL(`./status-worker.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMebibytes, maxYoungGenerationSizeMb: maxYoungMebibytes },
    });
    started.on('message', (reply: StatusReply) => {
      const job = jobs.get(reply.id);
      jobs.delete(reply.id);
      if (jobs.size === 0)
        idle = setTimeout(() => {
          void started.terminate();
        }, idleMilliseconds).unref();
      if ('status' in reply) job?.resolve(reply.status);
      else job?.reject(new Error(reply.error));
    });
    started.on('error', (error) => {
      if (worker === started) failAll(error instanceof Error ? error.message : String(error));
    });
    started.on('exit', (code) => {
      if (worker === started) failAll(`exit code ${String(code)}`);
    });
    started.unref();
    return started;
  };

  const judge: Judge = async (input) => {
    if (sizeOf(input) <= mostHere) return judgeHere(input);
    clearTimeout(idle);
    lastId += 1;
    const id = lastId;
    const result = new Promise<ServiceTraceStatus>((resolve, reject) => {
      jobs.set(id, { resolve, reject });
    });
    worker ??= start();
    const own = worker;
    own.ref();
    const send = (piece: Piece, isLast: boolean): void => {
      own.postMessage({ id, piece, isLast } satisfies StatusRequest);
    };
    try {
      let before: Piece | undefined;
      for (const piece of piecesOf(input)) {
        if (before !== undefined) {
          send(before, false);
          await nextTurn();
        }
        before = piece;
      }
      if (before !== undefined) send(before, true);
      return await result;
    } finally {
      if (jobs.size === 0) own.unref();
    }
  };
  return {
    judge,
    async close() {
      clearTimeout(idle);
      await worker?.terminate();
    },
  };
}

function sizeOf({ desired, answers }: StatusInput): number {
  const endpoints = desired?.endpointSlices.reduce((sum, slice) => sum + slice.endpoints.length, 0) ?? 0;
  return endpoints * answers.length;
}
