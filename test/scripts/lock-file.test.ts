import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { packagesWithoutIntegrity } from '../../scripts/lock-file.ts';

const script = fileURLToPath(new URL('../../scripts/check-lock-file.ts', import.meta.url));
const own = await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8');

interface Lock {
  packages: Record<string, Record<string, unknown>>;
}

async function checked(change: (lock: Lock) => void): Promise<{ status: number; problems: string }> {
  const lock = JSON.parse(own) as Lock;
  change(lock);
  const file = join(await mkdtemp(join(tmpdir(), 'svctrace-lock-')), 'package-lock.json');
  await writeFile(file, JSON.stringify(lock));
  return new Promise((resolve) => {
    execFile(process.execPath, [script, file], (error, _out, problems) => {
      resolve({ status: error === null ? 0 : Number(error.code), problems });
    });
  });
}

describe('the lock file', () => {
  it('fixes the content of every package', () => {
    expect(packagesWithoutIntegrity(own)).toEqual([]);
  });

  it('passes as it is', async () => {
    expect(await checked(() => undefined)).toEqual({ status: 0, problems: '' });
  });

  it('is refused where one package has no integrity, with its name and what to do', async () => {
    const { status, problems } = await checked(({ packages }) => {
      delete packages['node_modules/zod']?.['integrity'];
    });
    expect(status).toBe(1);
    expect(problems).toMatch(
      /^package-lock.json: node_modules\/zod [\d.]+: no integrity\n.*npm view NAME@VERSION dist\.integrity/,
    );
  });

  it.each([
    ['a weaker hash', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
    ['half of a hash', 'sha512-abc'],
    ['an empty text', ''],
  ])('is refused with %s', async (_name, integrity) => {
    const { status, problems } = await checked(({ packages }) => {
      Object.assign(packages['node_modules/zod'] ?? {}, { integrity });
    });
    expect([status, problems.split('\n')[0]]).toEqual([1, expect.stringContaining('node_modules/zod')]);
  });

  it('needs none of links and of what comes within another package', () => {
    expect(
      packagesWithoutIntegrity(
        JSON.stringify({
          lockfileVersion: 3,
          packages: {
            '': { version: '1.0.0' },
            'node_modules/a': { link: true },
            'node_modules/b/node_modules/c': { version: '1.0.0', inBundle: true },
            'node_modules/d': { version: '1.0.0' },
          },
        }),
      ),
    ).toEqual(['node_modules/d 1.0.0: no integrity']);
  });

  it('stands in the check and in the tests', async () => {
    expect(await readFile(new URL('../../scripts/check.sh', import.meta.url), 'utf8')).toMatch(
      /^ {2}node scripts\/check-lock-file\.ts &&$/m,
    );
    expect(await readFile(new URL('../setup/all.sh', import.meta.url), 'utf8')).toMatch(
      /^sh scripts\/check\.sh --whole$/m,
    );
  });
});
