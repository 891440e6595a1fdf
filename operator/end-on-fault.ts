/** What nobody handles is a fault of the program: it says so in one line, and ends, for its state is not known any more. */
import { messageOf } from '../engine/api-error.ts';

/** @param end called with the status to end with */
export function endOnFault(write: (line: string) => void, end: (status: number) => void): void {
  const fault =
    (what: string) =>
    (error: unknown): void => {
      const place =
        error instanceof Error
          ? error.stack
              ?.split('\n')
              .find((line) => line.trim().startsWith('at '))
              ?.trim()
          : undefined;
      write(
        `${what}: ${messageOf(error).replaceAll(/\s+/g, ' ')}${place === undefined ? '' : ` (${place})`}; it ends, to be started again`,
      );
      end(1);
    };
  process.on('unhandledRejection', fault('a rejection that nobody handles'));
  process.on('uncaughtException', fault('an exception that nobody handles'));
}
