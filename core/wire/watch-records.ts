/**
 * What a session's watch answers for as long as it is open (docs/decisions/161-watched-rules.md):
 * each change of a watched Service's rules, with the time at which it came and the rules that it left; and, where that was asked
 * for, events of its connections (docs/decisions/147-connections-as-events.md).
 */
import * as z from 'zod';
import { tcpStates } from '../net/tcp-state.ts';
import { nodeReportRecordSchema } from './node-report.ts';

/** When rules changed: milliseconds since 1970 by the node's clock, with a fraction; they changed between the two. */
const changeSchema = z.object({
  earliest: z.number(),
  latest: z.number(),
  /** Of the node's monotonic clock, at `latest`; absent where the change was found by reading. */
  monotonic: z.number().optional(),
  /** Of nf_tables' ruleset, and the name of the program that committed it. */
  generation: z.number().int().optional(),
  program: z.string().optional(),
});

export type RuleChange = z.infer<typeof changeSchema>;

/** The rules of one Service, as its changes left them: the first record of each Service has no change. */
export const ruleRecordSchema = z.object({
  kind: z.literal('rules'),
  /** `namespace/name` */
  service: z.string(),
  /** Since the record before, in order, each once; a change that left what was there before is one too. */
  changes: z.array(changeSchema),
  /** More changes than are listed. */
  omitted: z.number().int(),
  /** The kernel had more to report than was read: there may have been further changes. */
  hasLost: z.boolean(),
  /** False where the rules went on changing while they were read: what was read may be older than the last change. */
  isSettled: z.boolean(),
  /** What is not reported by the kernel, and is asked for again and again. */
  polled: z.array(z.enum(['legacy', 'ipvs'])),
  /** When the rules were read, by the node's clock: milliseconds since 1970. */
  read: z.object({ began: z.number(), ended: z.number() }),
  /** Of a report: those that have to do with rules. */
  records: z.array(nodeReportRecordSchema),
});

export type RuleRecord = z.infer<typeof ruleRecordSchema>;

const port = z.number().int().min(0).max(65535);
const count = z.number().int().positive();

/** By the node's clock, as of a change. */
const eventTime = { earliest: z.number(), latest: z.number() };

/** What each field means: core/convergence/connection-event.ts. */
const connectionEventSchema = z.object({
  kind: z.enum(['New', 'Answered', 'Reset', 'Destroyed']),
  ...eventTime,
  count,
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
  original: z.object({
    source: z.string().exactOptional(),
    sourcePort: port.exactOptional(),
    destination: z.string(),
    destinationPort: port,
  }),
  reply: z.object({
    source: z.string(),
    sourcePort: port,
    destination: z.string().exactOptional(),
    destinationPort: port.exactOptional(),
  }),
  tcpState: z.enum(tcpStates).exactOptional(),
  isAnswered: z.boolean(),
  id: z.number().int().exactOptional(),
  zone: z.number().int().exactOptional(),
  mark: z.number().int().exactOptional(),
});

export type WireConnectionEvent = z.infer<typeof connectionEventSchema>;

/** So many events in between these times are not there; absent where nobody knows how many. */
const connectionGapSchema = z.object({ ...eventTime, dropped: count.exactOptional() });

export type WireConnectionGap = z.infer<typeof connectionGapSchema>;

const connectionRecordSchema = z.object({
  kind: z.literal('connections'),
  /** `namespace/name` */
  service: z.string(),
  /** In the order in which the kernel reported them. */
  events: z.array(connectionEventSchema),
  gaps: z.array(connectionGapSchema),
});

export type ConnectionRecord = z.infer<typeof connectionRecordSchema>;

/** Whether a Service's connections are followed: comes before its events, and where it changes. */
const followRecordSchema = z.object({
  kind: z.literal('connectionsFollowed'),
  service: z.string(),
  /** From then on, by the node's clock: milliseconds since 1970; absent where they are not followed. */
  since: z.number().exactOptional(),
  /** Why they are not. */
  problem: z.string().exactOptional(),
});

export type FollowRecord = z.infer<typeof followRecordSchema>;

export const watchRecordSchema = z.discriminatedUnion('kind', [
  ruleRecordSchema,
  connectionRecordSchema,
  followRecordSchema,
]);

export type WatchRecord = z.infer<typeof watchRecordSchema>;
