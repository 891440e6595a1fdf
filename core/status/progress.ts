/** What a trace shows while nodes are waited for: how many have answered, and what the first of the others wait for. */
import { boundedText } from '../lib/bounded-text.ts';
import { collectingConditions } from './conditions.ts';
import { present } from '../lib/present.ts';
import type { NodeAnswer } from '../wire/node-report.ts';
import type { DesiredService } from '../api/service.ts';
import type { NodeStatus, ServiceTraceStatus } from '../api/service-trace.ts';

export interface ProgressInput {
  readonly generation: number | undefined;
  readonly desired: DesiredService;
  /** One for each chosen node. */
  readonly answers: readonly NodeAnswer[];
  readonly previous: ServiceTraceStatus | undefined;
  /** RFC 3339. */
  readonly now: string;
}

/** So many of the nodes that are waited for are named. */
const maxNodes = 20;

/** Costs what the number of nodes costs, and never what they reported: nothing of that is read. */
export function progressStatus({ desired, answers, ...input }: ProgressInput): ServiceTraceStatus {
  const waiting = answers.flatMap((answer): NodeStatus[] =>
    'state' in answer && answer.state === 'Waiting'
      ? [
          {
            name: answer.node,
            probe: { state: 'Waiting', reason: answer.reason, message: boundedText(answer.message) },
            proxyMode: 'unknown',
            ports: [],
          },
        ]
      : [],
  );
  const answered = answers.filter((answer) => 'report' in answer).length;
  return {
    ...(input.generation === undefined ? {} : { observedGeneration: input.generation }),
    collectedAt: input.now,
    conditions: collectingConditions(input, answers),
    service: desired.service,
    nodes: waiting.slice(0, maxNodes),
    findings: [],
    // What was followed so far is continued with the result.
    ...present({ convergence: input.previous?.convergence }),
    summary: {
      nodes: `${String(answered)}/${String(answers.length)}`,
      endpoints: endpointsSummary(desired),
      findings: 0,
      errors: 0,
      warnings: 0,
    },
  };
}

/** `ready/all`. */
export function endpointsSummary({ endpointSlices }: Pick<DesiredService, 'endpointSlices'>): string {
  const endpoints = new Map<string, boolean>();
  for (const slice of endpointSlices) {
    for (const { addresses, ready, targetRef } of slice.endpoints) {
      // A dual-stack pod is in a slice of each family, and is one endpoint.
      const key = targetRef?.uid ?? addresses[0] ?? '';
      endpoints.set(key, (endpoints.get(key) ?? false) || ready);
    }
  }
  return `${String([...endpoints.values()].filter((ready) => ready).length)}/${String(endpoints.size)}`;
}
