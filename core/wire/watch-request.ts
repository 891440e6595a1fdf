/** What a session's watch is asked for (docs/decisions/161-watched-rules.md). */
import * as z from 'zod';
import { probeRequestSchema } from './probe-request.ts';

export const watchRequestSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  /** All that are watched: those of the request before that are not among them are not watched any more. */
  services: probeRequestSchema.shape.services.max(1000),
  /** A change is on its way: what is polled is polled quickly for a while. */
  isExpecting: z.boolean(),
  /**
   * Services among these whose connections are followed; absent where none are. Summary: those that are alike are counted together,
   * and no client is named. A probe that does not know it (`connections` of its hello) leaves it out.
   */
  connections: z
    .array(z.object({ service: z.string(), detail: z.enum(['Summary', 'Entries']) }))
    .max(1000)
    .optional(),
});

export type WatchRequest = z.infer<typeof watchRequestSchema>;
