/** What a process takes, as /proc says it. */
import { readFileSync } from 'node:fs';

/** utime, stime, cutime and cstime of /proc/PID/stat, in milliseconds at 100 ticks a second. */
export function ticks(pid: number): { readonly own: number; readonly ofChildren: number } {
  const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
  return { own: (user + system) * 10, ofChildren: (childUser + childSystem) * 10 };
}

/** MiB. */
export function residentOf(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? [];
  return Number(kibibytes) / 1024;
}
