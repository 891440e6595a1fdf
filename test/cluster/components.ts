import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { membershipFile } from './cgroups.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { fullPath } from './requirements.ts';

/** One long-running process of the cluster, as its record in the state directory has it. */
export interface ComponentRecord extends ProcessIdentity {
  /** Such as `kube-apiserver`, or `node-a.kubelet`. */
  readonly name: string;
  /** Full path of the file with all that it printed. */
  readonly log: string;
}

const recordSchema = z.object({ name: z.string(), log: z.string(), pid: z.int().positive(), startTime: z.string() });

/** What to start, and where. */
export interface ComponentStart {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** The process whose namespaces it is started in; without one it is the machine's own. */
  readonly namespaces?: { readonly pid: number; readonly mount: boolean } | undefined;
  /** Added to a clean environment of PATH alone. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A component ended that should not have; the message has its last lines. */
export class ComponentFailedError extends Error {
  override readonly name = 'ComponentFailedError';
}

/** The last lines of a text file, none when there is no such file. */
export function lastLines(file: string, count = 15): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return '';
  }
}

/** Arguments that start a command in a process's network namespace, and in its mounts and host name if wanted. */
export function enterCommand(pid: number, mount: boolean, command: readonly string[]): string[] {
  const namespaces = mount ? ['--net', '--mount', '--uts', '--wd=/'] : ['--net'];
  return ['nsenter', '--target', String(pid), ...namespaces, '--', ...command];
}

/**
 * The processes of one cluster: starts them detached, records them in the state directory so that
 * other processes of the harness find them, and notices when one ends.
 */
export class Components {
  readonly #name: string;
  readonly #records: string;
  readonly #logs: string;
  /** Components that this process has started, and that nobody asked to end. */
  readonly #watched = new Map<string, ComponentRecord>();
  #closed = false;

  /**
   * @param name of the cluster
   * @param stateDirectory the cluster's
   */
  constructor(name: string, stateDirectory: string) {
    this.#name = name;
    this.#records = join(stateDirectory, 'components');
    this.#logs = join(stateDirectory, 'logs');
  }

  /** Starts a component as a member of the cluster's control group, in a session of its own. */
  async start({ name, command, namespaces, env }: ComponentStart): Promise<ComponentRecord> {
    this.#refuseWhenClosed();
    mkdirSync(this.#records, { recursive: true });
    mkdirSync(this.#logs, { recursive: true });
    const log = join(this.#logs, `${name}.log`);
    const output = openSync(log, 'a');
    const entering = namespaces ? enterCommand(namespaces.pid, namespaces.mount, command) : command;
    // The shell joins the control group before the component runs, so no child of it can ever be outside.
    const joining = ['-c', 'echo $$ > "$0" && exec "$@"', membershipFile(this.#name), ...entering];
    try {
      const child = spawn('/bin/sh', joining, {
        cwd: '/',
        detached: true,
        env: { PATH: fullPath(), ...env },
        stdio: ['ignore', output, output],
      });
      await once(child, 'spawn');
      child.unref();
      this.#refuseWhenClosed();
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (!identity) throw new ComponentFailedError(`${name} ended at once; its log is ${log}.`);
      const record = { name, log, ...identity };
      const file = join(this.#records, `${name}.json`);
      writeFileSync(`${file}.part`, JSON.stringify(record));
      renameSync(`${file}.part`, file);
      this.#watched.set(name, record);
      return record;
    } finally {
      closeSync(output);
    }
  }

  /** From now on nothing is started or waited for: the cluster is about to be removed. */
  close(): void {
    this.#closed = true;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new ComponentFailedError(`The cluster "${this.#name}" is being removed.`);
  }

  /** Records of all components that were started and not forgotten, dead ones included. */
  list(): ComponentRecord[] {
    let files: string[];
    try {
      files = readdirSync(this.#records);
    } catch {
      return [];
    }
    return files
      .filter((file) => file.endsWith('.json'))
      .flatMap((file) => {
        const record = this.find(file.slice(0, -'.json'.length));
        return record ? [record] : [];
      });
  }

  /** The record of one component, dead or alive, or undefined when it was never started or is forgotten. */
  find(name: string): ComponentRecord | undefined {
    let text: string;
    try {
      text = readFileSync(join(this.#records, `${name}.json`), 'utf8');
    } catch {
      return undefined;
    }
    return recordSchema.parse(JSON.parse(text));
  }

  /** From now on it is not a fault that the component ends. */
  forget(name: string): void {
    this.#watched.delete(name);
    rmSync(join(this.#records, `${name}.json`), { force: true });
  }

  /** @throws {ComponentFailedError} when a component that this process started has ended */
  check(): void {
    this.#refuseWhenClosed();
    for (const { name, log, ...identity } of this.#watched.values()) {
      if (isAlive(identity)) continue;
      throw new ComponentFailedError(
        `${name} of the cluster "${this.#name}" ended; the last lines of its log ${log} are:\n${lastLines(log)}`,
      );
    }
  }

  /**
   * Asks again and again until the answer is true, as long as all components run.
   * @param what ends the sentence "Waited N seconds for …"
   * @param ask an error of it counts as "not yet"
   * @param options `timeout` and `interval` are milliseconds; `blame` names the component whose log explains most
   * @throws {ComponentFailedError} when a component ends, or the time is over
   */
  async waitUntil(
    what: string,
    ask: () => Promise<boolean> | boolean,
    options: { timeout: number; signal?: AbortSignal | undefined; interval?: number; blame?: string | (() => string) },
  ): Promise<void> {
    const deadline = Date.now() + options.timeout;
    let last: unknown;
    for (;;) {
      options.signal?.throwIfAborted();
      this.check();
      try {
        if (await ask()) return;
      } catch (error) {
        last = error;
      }
      if (Date.now() > deadline) {
        const blamed = typeof options.blame === 'function' ? options.blame() : options.blame;
        const log = blamed === undefined ? undefined : this.find(blamed)?.log;
        const evidence = log === undefined ? '' : ` The last lines of ${log} are:\n${lastLines(log)}`;
        throw new ComponentFailedError(
          `Waited ${String(options.timeout / 1000)} seconds for ${what} of the cluster "${this.#name}", in vain.${evidence}`,
          { cause: last },
        );
      }
      await sleep(options.interval ?? 50, undefined, { signal: options.signal });
    }
  }
}
