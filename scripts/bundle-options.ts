/** How the programs are bundled: `commonOptions` for all of them, `pluginOptions` for the plugin and what measures it. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, Plugin } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));

// CommonJS packages inside an ES module still call require for node's own modules.
const banner =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

export const commonOptions: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node22.19',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  outdir: 'dist',
  banner: { js: banner },
  define: { 'process.env.NODE_ENV': '"production"', SVCTRACE_BUNDLED: 'true' },
  loader: { '.yaml': 'text' },
  // ink asks for it in development only, and it is not installed.
  external: ['react-devtools-core'],
  logLevel: 'warning',
};

/**
 * The operator's program, one file for each of its threads. Short, with the names that stack traces show: node keeps the text of a
 * module twice, and most of it is the client's models with their comments.
 */
export const operatorOptions: BuildOptions = {
  ...commonOptions,
  entryPoints: { operator: 'operator/main.ts', 'status-worker': 'engine/status-worker.ts' },
  minifyWhitespace: true,
  minifySyntax: true,
};

/**
 * The layout engine of ink asks fetch for the bytes that it holds itself, if there is fetch: node would load its HTTP
 * client for that before the first frame.
 */
const yogaWithoutFetch: Plugin = {
  name: 'yoga without fetch',
  setup(bundling) {
    bundling.onLoad({ filter: /yoga-wasm-base64-esm\.js$/ }, async ({ path }) => ({
      contents: `const fetch = undefined;\n${await readFile(path, 'utf8')}`,
      loader: 'js',
    }));
  },
};

export const pluginOptions: BuildOptions = {
  ...commonOptions,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  jsx: 'automatic',
  banner: { js: `#!/usr/bin/env node\n${banner}` },
  // Each copy of it would make the same large regular expression of all emoji.
  alias: { 'string-width': `${root}node_modules/string-width/index.js` },
  plugins: [yogaWithoutFetch],
};
