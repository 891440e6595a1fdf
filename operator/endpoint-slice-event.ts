/** An EndpointSlice as a watch delivers it. */
import type { V1EndpointSlice } from '@kubernetes/client-node';
import * as z from 'zod';

const text = z.string().exactOptional();
const truth = z.boolean().exactOptional();
const hints = z.array(z.object({ name: z.string() })).exactOptional();
const texts = z.record(z.string(), z.string()).exactOptional();

/** The part that is compared from version to version. */
const sliceSchema = z.object({
  addressType: z.string(),
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    resourceVersion: z.string(),
    labels: texts,
    annotations: texts,
    managedFields: z.array(z.object({ time: z.coerce.date().exactOptional() })).exactOptional(),
  }),
  ports: z.array(z.object({ name: text, protocol: text, port: z.number().exactOptional() })).exactOptional(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z.object({ ready: truth, serving: truth, terminating: truth }).exactOptional(),
        nodeName: text,
        hostname: text,
        zone: text,
        hints: z.object({ forZones: hints, forNodes: hints }).exactOptional(),
        targetRef: z.object({ kind: text, name: text, uid: text }).exactOptional(),
      }),
    )
    .default([]),
});

/** Undefined where it is not one that this version can read. */
export function endpointSliceOf(object: unknown): V1EndpointSlice | undefined {
  return sliceSchema.safeParse(withoutNulls(object)).data;
}

/** The API server writes null for a list that was never set. */
function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? {}, (_key, each: unknown) => (each === null ? undefined : each)));
}
