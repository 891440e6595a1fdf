/** Bundles the plugin for a test run, as `npm run build` does, into a folder that goes with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { pluginOptions } from '../../scripts/bundle-options.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of the bundled plugin; kubectl-svctrace.mjs is in it. */
    readonly plugin: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-plugin-'));
  await build({ ...pluginOptions, entryPoints: { 'kubectl-svctrace': 'cmd/start.ts' }, outdir: folder });
  project.provide('plugin', folder);
  return () => {
    rmSync(folder, { recursive: true, force: true });
  };
}
