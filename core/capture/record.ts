/** What a capturing probe prints: NDJSON, one record a line. The line with kind `captureEnd` closes it. */
import * as z from 'zod';

const captureStart = z.object({
  kind: z.literal('captureStart'),
  version: z.literal(1),
  node: z.string(),
  /** RFC 3339, by the node's clock. */
  startedAt: z.string(),
  filter: z.string(),
  snapLength: z.number().int(),
  /** The node's own addresses. */
  addresses: z.array(z.string()),
  /** Name of each interface by its number; those that come later are not here. */
  interfaces: z.record(z.string(), z.string()),
});

const packet = z.object({
  kind: z.literal('packet'),
  /** Microseconds since 1970, by the node's clock. */
  time: z.number().int(),
  /** Bytes on the wire. */
  length: z.number().int(),
  /** What was captured, with its header of LINUX_SLL2, in base64. */
  data: z.string(),
});

const captureEnd = z.object({
  kind: z.literal('captureEnd'),
  reason: z.enum(['duration', 'bytes', 'failed']),
  packets: z.number().int(),
  /** Packets that the kernel could not hand over in time, where the tool reported it. */
  dropped: z.number().int().optional(),
  problem: z.string().optional(),
});

const captureRecordSchema = z.discriminatedUnion('kind', [captureStart, packet, captureEnd]);

export type CaptureRecord = z.infer<typeof captureRecordSchema>;
export type CaptureRecordOf<Kind extends CaptureRecord['kind']> = Extract<CaptureRecord, { kind: Kind }>;

/** Undefined for a line that is not a record. */
export function parseCaptureRecord(line: string): CaptureRecord | undefined {
  try {
    return captureRecordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
