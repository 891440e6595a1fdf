/** The operator's program, bundled and started as in its image, and what its process takes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { operatorOptions } from '../../scripts/bundle-options.ts';
import { operatorNodeFlags } from '../../scripts/operator-entrypoint.ts';
import { residentOf, ticks } from '../process-usage.ts';
import { leaseName, operatorNamespace } from './api-server.ts';

export interface OperatorProcess {
  /** Of the whole process, in seconds. */
  cpuSeconds(): number;
  /** MiB, now. */
  residentMiB(): number;
  /** MiB: the most since this was asked before. */
  peakMiB(): number;
  /** Milliseconds: the longest time for which its event loop was kept from other work since this was asked before. */
  heldMilliseconds(): Promise<number>;
  /** As a node does it that goes down. */
  kill(): Promise<void>;
}

export async function bundleOperator(folder: string): Promise<void> {
  await build({ ...operatorOptions, outdir: folder });
}

/** @param folder with the bundle; its log goes there too @param name of its pod */
export async function startOperator(folder: string, name: string, kubeConfig: KubeConfig): Promise<OperatorProcess> {
  const kubeConfigFile = join(folder, 'kubeconfig.json');
  writeFileSync(kubeConfigFile, kubeConfig.exportConfig());
  const child = spawn(
    process.execPath,
    [
      ...operatorNodeFlags(),
      '--disable-warning=DEP0040',
      `--import=${new URL('./event-loop.mjs', import.meta.url).href}`,
      join(folder, 'operator.mjs'),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        KUBECONFIG: kubeConfigFile,
        POD_NAMESPACE: operatorNamespace,
        POD_NAME: name,
        POD_UID: `${name}-uid`,
        LEASE_NAME: leaseName,
        PROBE_IMAGE: 'registry.example/svctrace/probe:v0.1.0',
        HEARTBEAT_FILE: join(folder, `${name}.heartbeat`),
        LOG_FORMAT: 'text',
      },
    },
  );
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  return {
    cpuSeconds: () => ticks(pid).own / 1000,
    residentMiB: () => residentOf(pid),
    peakMiB: () => {
      const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? [];
      // Resets the peak to what is resident now (proc_pid_clear_refs(5)).
      writeFileSync(`/proc/${String(pid)}/clear_refs`, '5');
      return Number(kibibytes) / 1024;
    },
    async heldMilliseconds() {
      const answered = once(child, 'message');
      child.send('held');
      const [message] = z.tuple([z.object({ heldMilliseconds: z.number() })], z.unknown()).parse(await answered);
      return message.heldMilliseconds;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
      log.end();
    },
  };
}
