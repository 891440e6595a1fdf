/**
 * Bundles what runs elsewhere: `node config/build.ts` writes dist/probe.mjs (one file, for the probe's image),
 * dist/operator.mjs (one file, for the operator's image) and dist/kubectl-svctrace.mjs, whose TUI, client and engine
 * are chunks beside it that are loaded when they are needed.
 */
import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';
import * as z from 'zod';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(`${root}package.json`, 'utf8')));

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node22.19',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  outdir: 'dist',
  // CommonJS packages inside an ES module still call require for node's own modules.
  banner: { js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);" },
  define: { 'process.env.NODE_ENV': '"production"', SVCTRACE_VERSION: JSON.stringify(version) },
  loader: { '.yaml': 'text' },
  // ink asks for it in development only, and it is not installed.
  external: ['react-devtools-core'],
  logLevel: 'warning',
};

await rm(`${root}dist`, { recursive: true, force: true });
await Promise.all([
  build({ ...common, entryPoints: { probe: 'probe/main.ts' }, minifySyntax: true }),
  build({ ...common, entryPoints: { operator: 'operator/main.ts' } }),
  build({
    ...common,
    entryPoints: { 'kubectl-svctrace': 'cmd/main.ts' },
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    jsx: 'automatic',
    banner: { js: `#!/usr/bin/env node\n${common.banner?.['js'] ?? ''}` },
  }),
]);
await chmod(`${root}dist/kubectl-svctrace.mjs`, 0o755);
await writeFile(
  `${root}dist/kubectl-svctrace`,
  [
    '#!/bin/sh',
    '# kubectl finds plugins by this name. A checkout brings its own node, for machines whose node is older.',
    'here=$(dirname "$(readlink -f "$0")")',
    'node="$here/../node_modules/.bin/node"',
    '[ -x "$node" ] || node=node',
    'exec "$node" "$here/kubectl-svctrace.mjs" "$@"',
    '',
  ].join('\n'),
  { mode: 0o755 },
);
// kubectl asks this program for completions, by this name.
await copyFile(`${root}cmd/kubectl_complete-svctrace`, `${root}dist/kubectl_complete-svctrace`);
await chmod(`${root}dist/kubectl_complete-svctrace`, 0o755);
