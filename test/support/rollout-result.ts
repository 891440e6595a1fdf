/** The JSON of `rollout`, field by field: pipelines read it, so a field that goes, or changes its type, fails here. */
import * as z from 'zod';
import type { RolloutResult } from '../../core/rollout/result.ts';

const timeBounds = z.strictObject({ earliest: z.iso.datetime(), latest: z.iso.datetime() });
const durationBounds = z.strictObject({
  minMilliseconds: z.number(),
  maxMilliseconds: z.number().exactOptional(),
});
const risk = z.enum(['none', 'atRisk', 'unknown']);
const counts = z.strictObject({
  opened: z.number(),
  unanswered: z.number(),
  reset: z.number(),
  kept: z.number().exactOptional(),
});
const endpoint = {
  address: z.string(),
  ports: z.array(z.number()),
  pod: z.string().exactOptional(),
  nodeName: z.string().exactOptional(),
  lastNode: z.string().exactOptional(),
};
const workload = { workload: z.string(), reason: z.string() };

const resultSchema: z.ZodType<RolloutResult> = z.strictObject({
  service: z.string(),
  namespace: z.string(),
  verdict: z.enum(['noneAtRisk', 'someAtRisk', 'partial']),
  gaps: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('commandFailed'),
        exitCode: z.number().exactOptional(),
        signal: z.string().exactOptional(),
      }),
      z.strictObject({ kind: z.literal('timedOut'), timeoutSeconds: z.number() }),
      z.strictObject({ kind: z.literal('interrupted') }),
      z.strictObject({ kind: z.literal('traceEnded'), reason: z.string() }),
      z.strictObject({ kind: z.literal('traceReplaced') }),
      z.strictObject({ kind: z.literal('nodeUnanswered'), node: z.string() }),
      z.strictObject({ kind: z.literal('nodeBehind'), node: z.string(), changes: z.number() }),
      z.strictObject({ kind: z.literal('orderUnknown'), node: z.string(), endpoints: z.number() }),
      z.strictObject({ kind: z.literal('changesLost'), changes: z.number() }),
      z.strictObject({ kind: z.literal('changeCut'), resourceVersion: z.string() }),
      z.strictObject({ kind: z.literal('endpointsTerminating'), addresses: z.array(z.string()) }),
      z.strictObject({ kind: z.literal('workloadFailed'), ...workload }),
      z.strictObject({ kind: z.literal('workloadUnfinished'), ...workload }),
      z.strictObject({ kind: z.literal('podsUnreadable') }),
      z.strictObject({ kind: z.literal('podsUnseen'), pods: z.array(z.string()) }),
      z.strictObject({ kind: z.literal('clocksDiffer'), pods: z.array(z.string()) }),
      z.strictObject({ kind: z.literal('connectionsNotFollowed') }),
      z.strictObject({ kind: z.literal('connectionsIncomplete'), nodes: z.array(z.string()) }),
    ]),
  ),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  command: z
    .strictObject({
      words: z.array(z.string()),
      startedAt: z.iso.datetime(),
      endedAt: z.iso.datetime().exactOptional(),
      exitCode: z.number().exactOptional(),
      signal: z.string().exactOptional(),
    })
    .exactOptional(),
  changes: z.number(),
  preStopSleep: z
    .strictObject({
      seconds: z.int(),
      isEnough: z.boolean(),
      from: z.enum(['podDeletion', 'endpointSliceChange']),
      took: durationBounds,
      address: z.string(),
      pod: z.string().exactOptional(),
      node: z.string(),
      present: z
        .strictObject({ preStopMinSeconds: z.number(), terminationGracePeriodSeconds: z.number() })
        .exactOptional(),
    })
    .exactOptional(),
  connections: counts.exactOptional(),
  goneEndpoints: z.array(
    z.strictObject({
      ...endpoint,
      risk,
      withdrawn: timeBounds,
      stoppedServing: timeBounds.exactOptional(),
      deleted: timeBounds.exactOptional(),
      end: z.strictObject({ earliest: z.iso.datetime().exactOptional(), latest: z.iso.datetime().exactOptional() }),
      preStop: z.strictObject({ minSeconds: z.number(), maxSeconds: z.number() }).exactOptional(),
      terminationGracePeriodSeconds: z.number().exactOptional(),
      nodes: z.array(
        z.strictObject({
          node: z.string(),
          risk,
          sentFor: durationBounds,
          sentAfterEnd: durationBounds.exactOptional(),
          connections: counts.extend({ lastOpened: z.iso.datetime().exactOptional() }).exactOptional(),
        }),
      ),
    }),
  ),
  newEndpoints: z.array(
    z.strictObject({
      ...endpoint,
      since: timeBounds,
      nodes: z.array(durationBounds.extend({ node: z.string() })),
    }),
  ),
  nodes: z.array(
    z.strictObject({
      node: z.string(),
      risk,
      sentFor: durationBounds.exactOptional(),
      endpointsAtRisk: z.number(),
      connections: counts.exactOptional(),
      newEndpoints: durationBounds.exactOptional(),
    }),
  ),
});

/** @throws where it is not such a result */
export function parseRolloutResult(text: string): RolloutResult {
  return resultSchema.parse(JSON.parse(text));
}
