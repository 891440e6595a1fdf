/** The nodes of --node, against those that a trace has. */
import { UsageError } from './errors.ts';

/** @throws UsageError where the trace has no such node */
export function checkNodes(asked: readonly string[], traced: readonly string[]): void {
  const unknown = asked.filter((name) => !traced.includes(name));
  if (unknown.length > 0)
    throw new UsageError(
      `--node ${unknown.join(', ')}: there is no such node in the trace; it has ${traced.join(', ')}.`,
    );
}
