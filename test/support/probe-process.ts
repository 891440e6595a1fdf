/** The probe as a process of this machine, in the place of an exec stream into its pod. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { ProbeExecError } from '../../engine/probe-exec.ts';
import type { NodeSessionOptions } from '../../engine/node-session.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';

/** @param onStart is given each process that a session starts */
export function openProcess(
  script: string,
  onStart: (child: ChildProcess) => void = () => undefined,
): NodeSessionOptions['open'] {
  return ({ onText, onEnd }) => {
    const child = spawn(process.execPath, [script, 'serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
    onStart(child);
    child.stdin.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', onText);
    child.once('exit', (status) => {
      onEnd(
        status === 2
          ? new ProbeExecError('ProbeFailed', 'its probe ended with status 2')
          : new ProbeExecError('StreamBroke', 'its probe ended'),
      );
    });
    return Promise.resolve({
      write: (line) => {
        child.stdin.write(line);
      },
      close: () => {
        child.stdin.end();
      },
    });
  };
}

/** A process for one request; what it printed. */
export async function runOnce(script: string, request: ProbeRequest): Promise<string> {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(`${JSON.stringify(request)}\n`);
  return text(child.stdout);
}

/** Processes that this one started, and whose command line has these words. */
export function childrenOf(pid: number, words: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      const [, parent] = /^\d+ \(.*\) \S (\d+)/.exec(fileOf(child, 'stat')) ?? [];
      return Number(parent) === pid && fileOf(child, 'cmdline').includes(words);
    });
}

/** Whether there is such a process that has not ended. */
export function isThere(pid: number): boolean {
  const [, state] = /^\d+ \(.*\) (\S)/.exec(fileOf(pid, 'stat')) ?? [];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function fileOf(pid: number, name: 'stat' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
