import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const file = fileURLToPath(new URL('../../operator/end-on-fault.ts', import.meta.url));

it.each([
  ['a rejection', "void Promise.reject(new Error('no\\nway'));", 'a rejection that nobody handles: no way'],
  ['an exception', "setTimeout(() => { throw new Error('no'); });", 'an exception that nobody handles: no'],
])('ends the process with one line for %s that nobody handles', (_what, code, words) => {
  const program = `const { endOnFault } = await import(${JSON.stringify(file)}); endOnFault((line) => process.stderr.write(line + '\\n'), (status) => process.exit(status)); ${code} setInterval(() => undefined, 1000);`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
    { encoding: 'utf8', timeout: 25_000 },
  );
  expect(status).toBe(1);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).toContain(words);
});
