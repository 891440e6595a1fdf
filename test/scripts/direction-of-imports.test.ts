/** The guard of `npm run check` (.dependency-cruiser.mjs) refuses what is made on purpose here: an arrow back up, a circle, a folder without a place. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'svctrace-imports-'));
  for (const file of ['.dependency-cruiser.mjs', 'tsconfig.json', 'package.json'])
    copyFileSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** The names of the rules that files of these contents break. */
async function broken(files: Readonly<Record<string, string>>): Promise<string[]> {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  const rooms = [...new Set(Object.keys(files).map((file) => file.split('/')[0] ?? ''))];
  const printed = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'node_modules/.bin/depcruise'), ...rooms, '--output-type', 'err'],
      { cwd: folder },
      (_error, stdout, stderr) => {
        resolve(stdout + stderr);
      },
    );
  });
  // One that could not look at anything breaks nothing.
  expect(printed).toMatch(/dependencies cruised/);
  return [...printed.matchAll(/^ +error ([\w-]+): /gm)].map(([, name = '']) => name).sort();
}

const one = 'export const one = 1;\n';
const importing = (path: string): string => `import { one } from '${path}';\nexport const two = one;\n`;

it.each<[string, readonly string[], Record<string, string>]>([
  ['what goes down', [], { 'core/net/a.ts': importing('../lib/b.ts'), 'core/lib/b.ts': one }],
  [
    'an arrow back up within core',
    ['only-before-core-lib'],
    { 'core/lib/a.ts': importing('../net/b.ts'), 'core/net/b.ts': one },
  ],
  [
    'core that imports the command line',
    ['only-before-core-net'],
    { 'core/net/a.ts': importing('../../cmd/cli/b.ts'), 'cmd/cli/b.ts': one },
  ],
  [
    'a circle in one folder',
    ['no-circular'],
    {
      'core/lib/a.ts': "import { b } from './b.ts';\nexport const a = (): number => b();\n",
      'core/lib/b.ts': "import { a } from './a.ts';\nexport const b = (): number => a();\n",
    },
  ],
  [
    'a probe that imports the engine',
    ['not-from-probe'],
    { 'probe/a.ts': importing('../engine/b.ts'), 'engine/b.ts': one },
  ],
  [
    'a folder that is not in the list',
    ['room-in-order'],
    { 'core/misc/a.ts': importing('../lib/b.ts'), 'core/lib/b.ts': one },
  ],
  [
    'a program that imports a test',
    ['no-test-in-a-program'],
    { 'core/lib/a.ts': importing('../../test/support/b.ts'), 'test/support/b.ts': one },
  ],
  [
    'a test that imports a test',
    ['tests-in-their-room'],
    { 'test/core/a.test.ts': importing('./b.test.ts'), 'test/core/b.test.ts': one },
  ],
])('%s', async (_name, expected, files) => {
  expect(await broken(files)).toEqual(expected);
});
