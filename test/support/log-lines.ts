import type { Log, LogSubject } from '../../engine/log.ts';

/** A log whose lines go to a test, each with what it is about in front. */
export function logTo(write: (line: string) => unknown): Log {
  const line = (message: string, { trace, node }: LogSubject = {}): void => {
    write(
      [
        ...(trace === undefined ? [] : [`${trace.namespace}/${trace.name}:`]),
        ...(node === undefined ? [] : [`${node}:`]),
        message,
      ].join(' '),
    );
  };
  return { info: line, warn: line };
}
