/**
 * What a result without an error has not tried: rules and EndpointSlices may look right and connections fail all the
 * same. One content for the condition Healthy, the table, the live view, the report and explain.
 */
import { probeRefused } from '../diagnose/findings/probe-refused.ts';
import type { ServiceTraceStatus } from '../api/service-trace.ts';

export interface Attempts {
  /** Somewhere to connect to: the Service has a ready endpoint. */
  readonly hasEndpoints: boolean;
  /** Nodes connected (spec.collect.connect). */
  readonly isTriedFromNodes: boolean;
  /** They were asked to, and may not (PROBE-REFUSED). */
  readonly isRefused: boolean;
  /** Absent where no pod was to connect. */
  readonly client?: { readonly pod: string; readonly untried?: string | undefined };
}

/** Each a clause that begins with what was not tried: `connections not tried: --connect`. Empty where all was, or there is nothing to try. */
export function untriedTexts({ hasEndpoints, isTriedFromNodes, isRefused, client }: Attempts): string[] {
  if (!hasEndpoints) return [];
  if (isRefused) return [`connections not tried: ${probeRefused.id} says why`];
  if (!isTriedFromNodes) return ['connections not tried: --connect'];
  if (client === undefined) return ['connections from pods not tried: --connect --from POD'];
  return client.untried === undefined ? [] : [`connections from pod ${client.pod} not tried: ${client.untried}`];
}

/** A probe may have looked, and not connected: what would have answered was not the Service's. */
export function isTried({ outcome }: { readonly outcome: string }): boolean {
  return outcome !== 'untried';
}

/** What a status without an error has not tried; empty where it has an error, or does not know the Service. */
export function untriedOf({ findings, endpointSlices = [], nodes = [], client }: ServiceTraceStatus): string[] {
  if (findings === undefined || findings.some(({ severity }) => severity === 'error')) return [];
  return untriedTexts({
    hasEndpoints: endpointSlices.some(({ endpoints }) => endpoints.some(({ ready }) => ready)),
    isTriedFromNodes: nodes.some(({ connections = [] }) => connections.some(isTried)),
    isRefused: findings.some(({ id }) => id === probeRefused.id),
    ...(client === undefined ? {} : { client }),
  });
}
