/**
 * Bundles what runs elsewhere: `node scripts/build.ts` writes dist/probe.mjs (one file, for the probe's image),
 * dist/operator.mjs and dist/status-worker.mjs (the operator's image, one file for each of its threads) and dist/kubectl-svctrace.mjs, whose TUI, client and engine
 * are chunks beside it that are loaded when they are needed.
 */
import { chmod, copyFile, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { commonOptions, operatorOptions, pluginOptions, root } from './bundle-options.ts';

await rm(`${root}dist`, { recursive: true, force: true });
await Promise.all([
  build({ ...commonOptions, entryPoints: { probe: 'probe/main.ts' }, minify: true, keepNames: true }),
  build(operatorOptions),
  build({ ...pluginOptions, entryPoints: { 'kubectl-svctrace': 'cmd/start.ts' } }),
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
