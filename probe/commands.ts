/** The probe's only door to other programs: runs the kernel's tools, by argument vector, never through a shell. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Finished {
  /** 127 where the program is not installed, 124 where it was ended for its time. */
  readonly status: number;
  /** The first line of standard error. */
  readonly problem: string;
}

export interface Commands {
  /** Gives each line of standard output to `onLine`, and waits for the end. Never rejects. */
  stream(argv: readonly [string, ...string[]], onLine: (line: string) => void): Promise<Finished>;
}

const timeoutMilliseconds = 15_000;

/** Real programs, in the C locale, each with at most 15 s. */
export function realCommands(): Commands {
  // The legacy iptables tools take a lock even for reading; the probe's root file system is read-only, /run is not.
  const lock = process.env['XTABLES_LOCKFILE'] ?? lockFile();
  const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', XTABLES_LOCKFILE: lock };
  return {
    stream: (argv, onLine) =>
      new Promise((resolve) => {
        const [program, ...args] = argv;
        const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let problem = '';
        let late = false;
        const timer = setTimeout(() => {
          late = true;
          child.kill('SIGKILL');
        }, timeoutMilliseconds);
        const lines = createInterface({ input: child.stdout, crlfDelay: Infinity });
        lines.on('line', onLine);
        const read = new Promise<void>((done) => lines.once('close', done));
        child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          if (problem.length < 1000) problem += chunk;
        });
        child.once('error', (error) => {
          clearTimeout(timer);
          const missing = 'code' in error && error.code === 'ENOENT';
          resolve({ status: missing ? 127 : 126, problem: missing ? `${program} is not installed` : error.message });
        });
        child.once('close', (status) => {
          clearTimeout(timer);
          void read.then(() => {
            resolve(late ? { status: 124, problem: `${program} took more than ${String(timeoutMilliseconds / 1000)} s` } : { status: status ?? 1, problem: firstLine(problem) });
          });
        });
      }),
  };
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '')?.trim() ?? '';
}

/** A path for the lock file that can be written; the probes of one node share /run, so that they share the lock too. */
function lockFile(): string {
  try {
    return join(mkdtempSync(join(process.env['SVCTRACE_RUN'] ?? '/run', 'svctrace-')), 'xtables.lock');
  } catch {
    return join(mkdtempSync(join(tmpdir(), 'svctrace-')), 'xtables.lock');
  }
}
