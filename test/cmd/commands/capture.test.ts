import { lstat, mkdtemp, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../cmd/cli/errors.ts';
import { openNewFile } from '../../../cmd/cli/write-new-file.ts';

const before = 'what was captured before';

async function place(): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'svctrace-capture-'));
  return { folder, file: join(folder, 'auth.pcapng') };
}

describe('a file that is written piece by piece, as that of a capture', () => {
  it('takes no place of another, unless that is asked for', async () => {
    const { file } = await place();
    await writeFile(file, before);
    await expect(openNewFile(file, false)).rejects.toThrow(
      new UsageError(`--to ${file} is there already; choose another name, or replace it with --overwrite.`),
    );
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('takes the place of another once it is whole, and leaves it as it was where it never is', async () => {
    const { folder, file } = await place();
    await writeFile(file, before);
    const given = await openNewFile(file, true);
    await given.write('half');
    expect(await readFile(file, 'utf8')).toBe(before);
    await given.close();
    expect(await readFile(file, 'utf8')).toBe(before);
    const whole = await openNewFile(file, true);
    await whole.write('one ');
    await whole.write(new TextEncoder().encode('two'));
    await whole.commit();
    await whole.close();
    expect(await readFile(file, 'utf8')).toBe('one two');
    expect(await readdir(folder)).toEqual(['auth.pcapng']);
  });

  it('is not there where nothing was captured', async () => {
    const { folder, file } = await place();
    await (await openNewFile(file, false)).close();
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not take the place of one that came meanwhile', async () => {
    const { folder, file } = await place();
    const opened = await openNewFile(file, false);
    await writeFile(file, before);
    await expect(opened.commit()).rejects.toThrow('is there already');
    await opened.close();
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(await readdir(folder)).toEqual(['auth.pcapng']);
  });

  it('is for its owner alone', async () => {
    const { file } = await place();
    const opened = await openNewFile(file, false, 0o600);
    await opened.commit();
    await opened.close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(openNewFile(join(file, 'below'), false)).rejects.toThrow(UsageError);
  });

  it('writes to a device, and does not replace it', async () => {
    const { file } = await place();
    await symlink('/dev/null', file);
    const opened = await openNewFile(file, true);
    await opened.write('packets');
    await opened.commit();
    await opened.close();
    expect((await lstat(file)).isSymbolicLink()).toBe(true);
    expect((await stat(file)).isCharacterDevice()).toBe(true);
  });
});
