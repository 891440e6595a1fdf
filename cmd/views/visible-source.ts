/** What a source says, as the live view may show it. */
import { visible } from '../../core/lib/visible.ts';
import type { TraceSource } from '../sources/source.ts';

/** The same source, in whose events every text is one visible line. */
export function visibleSource(source: TraceSource): TraceSource {
  return {
    ...source,
    origin: visible(source.origin),
    follow: async (onEvent, signal) =>
      source.follow((event) => {
        onEvent(visible(event));
      }, signal),
    ...(source.logs === undefined
      ? {}
      : {
          logs: async (onEvent, signal) =>
            source.logs?.((event) => {
              onEvent(visible(event));
            }, signal),
        }),
  };
}
