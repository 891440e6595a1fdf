/** Help, version and completion load neither a client nor a TUI; a table loads no TUI, and the first frame of a TUI no client. */
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';

let outputs: Metafile['outputs'];

beforeAll(async () => {
  const { metafile } = await build({
    absWorkingDir: fileURLToPath(new URL('../..', import.meta.url)),
    entryPoints: ['cmd/main.ts'],
    outdir: 'dist',
    bundle: true,
    write: false,
    metafile: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    jsx: 'automatic',
    loader: { '.yaml': 'text' },
    external: ['react-devtools-core'],
    logLevel: 'silent',
  });
  outputs = metafile.outputs;
}, 60_000);

/** The packages, and node's own modules, that are loaded before the module of `source` has run. */
function packagesOf(source: string): Set<string> {
  const entry = Object.keys(outputs).find((path) => outputs[path]?.entryPoint === source);
  if (entry === undefined) throw new Error(`no chunk for ${source}`);
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [input, { bytesInOutput }] of Object.entries(outputs[path]?.inputs ?? {})) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1];
      if (name !== undefined && bytesInOutput > 0) packages.add(name);
    }
    for (const { path: imported, kind } of outputs[path]?.imports ?? []) {
      if (imported.startsWith('node:')) packages.add(imported);
      else if (kind === 'import-statement') visit(imported);
    }
  };
  visit(entry);
  return packages;
}

describe('loaded before it runs', () => {
  it('the command line needs yargs alone', () => {
    const packages = packagesOf('cmd/main.ts');
    expect(packages).toContain('yargs');
    for (const heavy of ['ink', 'react', '@kubernetes/client-node', 'react-dom', 'zod', 'ajv', 'yaml'])
      expect(packages).not.toContain(heavy);
  });

  it.each(['cmd/commands/explain.ts', 'cmd/commands/diagram.ts'])(
    '%s needs no client for a recorded trace, no ink, and the layout of SVG for SVG alone',
    (source) => {
      const packages = packagesOf(source);
      expect(packages).toContain('zod');
      for (const heavy of ['ink', 'react', 'yoga-layout', '@kubernetes/client-node', '@dagrejs/dagre', 'react-dom'])
        expect(packages).not.toContain(heavy);
    },
  );

  it('a report needs no client for a recorded trace, no ink, and React for the page alone', () => {
    for (const heavy of ['ink', 'react', 'react-dom', 'yoga-layout', '@kubernetes/client-node', '@dagrejs/dagre'])
      expect(packagesOf('cmd/commands/report.ts')).not.toContain(heavy);
    const page = packagesOf('cmd/pages/report-page.tsx');
    expect(page).toContain('react-dom');
    for (const heavy of ['ink', 'yoga-layout', '@kubernetes/client-node']) expect(page).not.toContain(heavy);
  });

  it('a table needs no ink and no React', () => {
    const packages = packagesOf('cmd/commands/trace.ts');
    expect(packages).toContain('@kubernetes/client-node');
    for (const heavy of ['ink', 'react', 'yoga-layout']) expect(packages).not.toContain(heavy);
  });

  it.each(['cmd/commands/live.ts', 'cmd/views/show.tsx'])(
    '%s, which the first frame waits for, needs no client',
    (source) => {
      const packages = packagesOf(source);
      // Importing node:http makes node load its whole HTTP client.
      for (const heavy of ['@kubernetes/client-node', 'ajv', 'zod', 'yaml', 'undici', 'node:http', 'node:https'])
        expect(packages).not.toContain(heavy);
    },
  );
});
