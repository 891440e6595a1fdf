/** What the operator asks a probe for: one line of JSON on the probe's standard input. */
import { z } from 'zod';

const port = z.number().int().min(0).max(65535);

export const probeRequestSchema = z.object({
  version: z.literal(1),
  /** The node's name, only to be repeated in the report. */
  node: z.string(),
  services: z.array(
    z.object({
      namespace: z.string(),
      name: z.string(),
      clusterIPs: z.array(z.string()),
      externalIPs: z.array(z.string()),
      loadBalancerIPs: z.array(z.string()),
      ports: z.array(
        z.object({
          name: z.string().optional(),
          protocol: z.enum(['TCP', 'UDP', 'SCTP']),
          port,
          nodePort: port.optional(),
        }),
      ),
    }),
  ),
  collect: z.object({
    rules: z.boolean(),
    conntrack: z.enum(['None', 'Summary', 'Entries']),
    kubeProxy: z.boolean(),
    /** The DNS servers and the name to ask them for; absent where DNS is not asked. */
    dns: z.object({ servers: z.array(z.string()), clusterDomain: z.string() }).optional(),
  }),
  /** At most this many conntrack entries are reported for a Service; all are counted. */
  maxConntrackEntries: z.number().int().min(0),
});

export type ProbeRequest = z.infer<typeof probeRequestSchema>;
export type ProbeRequestService = ProbeRequest['services'][number];
