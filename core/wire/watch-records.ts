/**
 * What a session's watch answers for as long as it is open (docs/decisions/161-watched-rules.md):
 * each change of a watched Service's rules, with the time at which it came and the rules that it left.
 */
import * as z from 'zod';
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
export const watchRecordSchema = z.object({
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

export type WatchRecord = z.infer<typeof watchRecordSchema>;
