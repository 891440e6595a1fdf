/** A command of the user's, run as it is: no shell, its output on stderr, because stdout is for the result. */
import { spawn } from 'node:child_process';
import { UsageError } from './errors.ts';

export interface CommandEnd {
  /** Absent where a signal ended it. */
  readonly exitCode?: number;
  readonly signal?: string;
}

/** The file descriptor. */
const stderr = 2;
/** A terminal sends its signal to the command as well; who has not ended by then has got none. */
const forwardMilliseconds = 1000;

/**
 * @param signal its abort is passed on to the command as SIGTERM
 * @throws UsageError where it cannot be started
 */
export async function runCommand(words: readonly string[], signal: AbortSignal): Promise<CommandEnd> {
  const [program = '', ...args] = words;
  // It has the streams themselves: what it asks or draws is between it and its user, who chose it.
  const child = spawn(program, args, { stdio: ['inherit', stderr, stderr] });
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    timer = setTimeout(() => child.kill('SIGTERM'), forwardMilliseconds);
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    return await new Promise<CommandEnd>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new UsageError(
            `The command "${program}" cannot be started: ${error.code === 'ENOENT' ? 'there is no such program on the PATH' : error.code === 'EACCES' ? 'it is not executable' : error.message}.`,
            { cause: error },
          ),
        );
      });
      child.once('close', (exitCode, ended) => {
        resolve(ended === null ? { exitCode: exitCode ?? 0 } : { signal: ended });
      });
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
