/** What a node says that is too old for the rest of the program. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const start = fileURLToPath(new URL('../../cmd/start.ts', import.meta.url));
const { engines } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8')) as {
  engines: { node: string };
};
const oldest = engines.node.replace('>=', '');

/** The program's start, in a node that says that it is of this version. */
async function startedBy(version: string): Promise<{ readonly status: number; readonly stderr: string }> {
  const disguise = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', disguise, start, '__complete', ''], (error, _stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, stderr });
    });
  });
}

it.each(['20.20.2', '22.18.0'])('%s is refused in one sentence, with status 2', async (version) => {
  expect(await startedBy(version)).toEqual({
    status: 2,
    stderr: `kubectl svctrace needs Node.js ${oldest} or newer, and ${process.execPath} is ${version}: put a newer one first on the PATH.\n`,
  });
});

it.each([`${oldest}.0`, '24.0.0', '100.0.0'])('%s is not refused', async (version) => {
  expect((await startedBy(version)).stderr).not.toContain('needs Node.js');
});
