/** The result of one connection that was tried: shown of nodes and of pods alike. */
import * as z from 'zod';

/** The result of one connection. */
export const connectionResult = z.object({
  hop: z.enum(['ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP', 'Endpoint']),
  address: z.string(),
  port: z.number().int(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
  portName: z.string().optional(),
  /** answered: HTTP, or a datagram. noReply: a datagram that nobody answered or refused, which says nothing. */
  outcome: z.enum(['connected', 'answered', 'refused', 'timeout', 'unreachable', 'failed', 'noReply', 'untried']),
  /** Of an HTTP answer. */
  status: z.number().int().optional(),
  /** Such as ECONNREFUSED. */
  error: z.string().optional(),
  milliseconds: z.number(),
});
