import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../cmd/capture.ts';
import { UsageError } from '../../cmd/errors.ts';

describe('the file of a capture', () => {
  it('takes no place of another, unless that is asked for', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-capture-')), 'auth.pcapng');
    await writeFile(file, 'what was captured before');
    await expect(openFile({ file, overwrite: false })).rejects.toThrow(
      new UsageError(`--to ${file} is there already; choose another name, or replace it with --overwrite.`),
    );
    expect(await readFile(file, 'utf8')).toBe('what was captured before');
    await (await openFile({ file, overwrite: true })).close();
    expect(await readFile(file, 'utf8')).toBe('');
  });

  it('is for its owner alone', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-capture-')), 'auth.pcapng');
    await (await openFile({ file, overwrite: false })).close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(openFile({ file: join(file, 'below'), overwrite: false })).rejects.toThrow(UsageError);
  });
});
