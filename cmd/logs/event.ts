/** Events of the logs of a Service's pods. */
import type { LogLine } from './merge.ts';

/** Events of the logs of the Service's pods. */
export type LogEvent =
  /** How many pods there are, and which of their containers wait (`auth-1 (CrashLoopBackOff)`); `none` is the sentence for none. */
  | { readonly kind: 'pods'; readonly pods: number; readonly waiting: readonly string[]; readonly none: string }
  /** There are no logs where the trace comes from. */
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'lines'; readonly lines: readonly LogLine[] }
  /** What may pass, such as a container that has no log yet. */
  | { readonly kind: 'notice'; readonly message: string };
