/** The probe's only door to other programs: runs the kernel's tools, by argument vector, never through a shell. */
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { lineSplitter } from '../../core/lib/line-splitter.ts';

export interface Finished {
  /** 127 where the program is not installed, 124 where it was ended for its time. */
  readonly status: number;
  /** The first line of standard error. */
  readonly problem: string;
  /** All lines of standard error that are not empty, up to 64 KiB of them. */
  readonly errors: readonly string[];
}

export interface Commands {
  /**
   * Gives each line of standard output to `onLine`, and waits for the end. Never rejects.
   * @param input for standard input; without it, there is none. A stream may be written while the program runs
   */
  stream(
    argv: readonly [string, ...string[]],
    onLine: (line: string) => void,
    input?: string | Readable,
  ): Promise<Finished>;
  /** Starts a program that is asked and answers, for bytes. Absent where none can be had. */
  talk?(argv: readonly [string, ...string[]]): Conversation;
  /** Programs that are asked and answer by lines, and that serve one reading after the other. Absent where none is kept. */
  readonly kept?: { take(argv: readonly [string, ...string[]]): LineHelper; give(program: LineHelper): void };
}

/** A program that is asked and answers by lines. */
export interface LineHelper {
  readonly argv: readonly [string, ...string[]];
  write(text: string): void;
  /** Where its lines go, from now on. */
  onLine: (line: string) => void;
  /** Never rejects. */
  readonly finished: Promise<Finished>;
  readonly hasFinished: boolean;
  /** It has served another reading before. */
  isReused: boolean;
  /** It ends when it has read all that was written. */
  end(): void;
}

export function startLineHelper(commands: Commands, argv: readonly [string, ...string[]]): LineHelper {
  const input = new PassThrough();
  let hasFinished = false;
  const program: LineHelper = {
    argv,
    write: (text) => {
      input.write(text);
    },
    onLine: () => undefined,
    finished: commands
      .stream(
        argv,
        (line) => {
          program.onLine(line);
        },
        input,
      )
      .finally(() => {
        hasFinished = true;
      }),
    get hasFinished() {
      return hasFinished;
    },
    isReused: false,
    end: () => {
      input.end();
    },
  };
  return program;
}

/** Rejects with an Error where the program ends before it has answered. One answer at a time. */
export interface Conversation {
  ask(question: string): void;
  /** As many bytes. */
  bytes(length: number): Promise<Buffer>;
  /** Without its end. */
  line(): Promise<string>;
  close(): void;
}

const defaultPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** A program that takes longer than this is ended. */
export const usualTimeoutMilliseconds = 15_000;

/** Where the lock of the legacy iptables tools is, for all that this process starts. */
let lock: string | undefined;

/**
 * Real programs, in the C locale.
 * @param timeoutMilliseconds of each of them; Infinity where its starter ends it
 * @param signal ends all of them
 */
export function realCommands(timeoutMilliseconds = usualTimeoutMilliseconds, signal?: AbortSignal): Commands {
  // The legacy iptables tools take a lock even for reading; the probe's root file system is read-only, /run is not.
  lock ??= process.env['XTABLES_LOCKFILE'] ?? lockFile();
  const env = { PATH: process.env['PATH'] ?? defaultPath, LC_ALL: 'C', XTABLES_LOCKFILE: lock };
  return {
    stream: (argv, onLine, input) =>
      new Promise((resolve) => {
        const [program, ...args] = argv;
        const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
        let errorText = '';
        let late = false;
        const release = endWhenDue(child, timeoutMilliseconds, signal, () => {
          late = true;
        });
        // A program that ends before it has read all of its input is judged by its status.
        child.stdin.once('error', () => undefined);
        if (typeof input === 'object') input.pipe(child.stdin);
        else child.stdin.end(input ?? '');
        const lines = lineSplitter(onLine);
        child.stdout.setEncoding('utf8').on('data', lines.push);
        child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          if (errorText.length < maxErrorText) errorText += chunk;
        });
        child.once('error', (error) => {
          release();
          const missing = 'code' in error && error.code === 'ENOENT';
          const problem = missing ? `${program} is not installed` : error.message;
          resolve({ status: missing ? 127 : 126, problem, errors: [problem] });
        });
        child.once('close', (status) => {
          release();
          lines.end();
          const errors = errorText.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
          const problem = late
            ? `${program} took more than ${String(timeoutMilliseconds / 1000)} s`
            : (errors[0] ?? '');
          resolve({ status: late ? 124 : (status ?? 1), problem, errors });
        });
      }),
    talk: ([program, ...args]) => {
      const child = spawn(program, args, { env, stdio: 'pipe' });
      return converse(child, endWhenDue(child, timeoutMilliseconds, signal));
    },
  };
}

/** Kills a program after its time, and where nobody wants it any more; the result is called when it has ended. */
function endWhenDue(
  child: ChildProcess,
  timeoutMilliseconds: number,
  signal: AbortSignal | undefined,
  onLate: () => void = () => undefined,
): () => void {
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const timer =
    timeoutMilliseconds === Infinity
      ? undefined
      : setTimeout(() => {
          onLate();
          kill();
        }, timeoutMilliseconds);
  signal?.addEventListener('abort', kill, { once: true });
  if (signal?.aborted === true) kill();
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  };
}

/** @param release called when it has ended */
function converse(child: ChildProcessWithoutNullStreams, release: () => void): Conversation {
  let isOver = false;
  let [received, length]: [Buffer[], number] = [[], 0];
  let wake: () => void = () => undefined;
  child.stdin.on('error', () => undefined);
  child.stdout.on('data', (chunk: Buffer) => {
    received.push(chunk);
    length += chunk.length;
    wake();
  });
  // Why there is no answer is not reported: the caller tries another command then.
  child.stderr.resume();
  const end = (): void => {
    release();
    isOver = true;
    wake();
  };
  child.once('error', end);
  child.once('close', end);
  const more = async (): Promise<void> => {
    if (isOver) throw new Error('the program ended before it had answered');
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  const take = (count: number): Buffer => {
    const [first] = received;
    const all = received.length === 1 && first !== undefined ? first : Buffer.concat(received, length);
    received = count === length ? [] : [all.subarray(count)];
    length -= count;
    return all.subarray(0, count);
  };
  return {
    ask: (question) => {
      child.stdin.write(question);
    },
    async bytes(count) {
      while (length < count) await more();
      return take(count);
    },
    async line() {
      for (;;) {
        const all = Buffer.concat(received, length);
        received = all.length === 0 ? [] : [all];
        const at = all.indexOf('\n');
        if (at >= 0) return take(at + 1).toString('utf8', 0, at);
        await more();
      }
    },
    close: () => {
      child.stdin.end();
    },
  };
}

const maxErrorText = 65536;

export interface StartedCommand {
  /** Asks it to end; what it has printed until then still comes. */
  stop(): void;
  /** Never rejects. */
  readonly finished: Promise<Pick<Finished, 'status' | 'errors'>>;
}

/** Starts a program whose output is bytes, and which runs for as long as it is wanted. */
export function startCommand(argv: readonly [string, ...string[]], onChunk: (chunk: Buffer) => void): StartedCommand {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? defaultPath, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { promise: finished, resolve } = Promise.withResolvers<Pick<Finished, 'status' | 'errors'>>();
  let errorText = '';
  child.stdout.on('data', onChunk);
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (errorText.length < maxErrorText) errorText += chunk;
  });
  child.once('error', (error) => {
    const missing = 'code' in error && error.code === 'ENOENT';
    resolve({ status: missing ? 127 : 126, errors: [missing ? `${program} is not installed` : error.message] });
  });
  child.once('close', (status) => {
    resolve({
      status: status ?? 1,
      errors: errorText.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()])),
    });
  });
  return {
    stop: () => {
      child.kill('SIGINT');
    },
    finished,
  };
}

/** A path for the lock file that can be written; the probes of one node share /run, so that they share the lock too. */
function lockFile(): string {
  const run = process.env['SVCTRACE_RUN'] ?? '/run';
  try {
    accessSync(run, constants.W_OK);
    return join(run, 'svctrace-xtables.lock');
  } catch {
    // Where all may write, a name that nobody can guess; it goes with this process.
    const directory = mkdtempSync(join(tmpdir(), 'svctrace-'));
    process.once('exit', () => {
      rmSync(directory, { recursive: true, force: true });
    });
    return join(directory, 'xtables.lock');
  }
}
