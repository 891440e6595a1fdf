import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createLogger, type LoggerOptions } from '../../operator/logger.ts';

function lines(
  options: Pick<LoggerOptions, 'level' | 'format'>,
  log: (logger: ReturnType<typeof createLogger>) => void,
): string[] {
  const written: string[] = [];
  log(createLogger({ ...options, write: (line) => written.push(line) }));
  return written;
}

const trace = { namespace: 'shop', name: 'auth' };

it('writes one JSON object a line, with what it is about', () => {
  const [line = '', ...rest] = lines({ level: 'info', format: 'json' }, ({ warn }) => {
    warn('it waits', { trace, node: 'node-a' });
  });
  expect(rest).toEqual([]);
  expect(line.endsWith('\n')).toBe(true);
  const entry = JSON.parse(line) as { time: string };
  expect(entry).toEqual({ level: 'warn', time: entry.time, trace, node: 'node-a', msg: 'it waits' });
  expect(new Date(entry.time).toISOString()).toBe(entry.time);
});

it('writes text where it is asked to', () => {
  const written = lines({ level: 'info', format: 'text' }, ({ error, info }) => {
    error('no answer; again in 1 s', { trace });
    info('it starts', { node: 'node-a' });
  });
  expect(written.map((line) => line.slice(25))).toEqual([
    'error no answer; again in 1 s trace=shop/auth\n',
    'info  it starts node=node-a\n',
  ]);
});

it.each([
  ['debug', 4],
  ['info', 3],
  ['warn', 2],
  ['error', 1],
] as const)('of level %s and above alone', (level, count) => {
  const written = lines({ level, format: 'text' }, ({ debug, info, warn, error }) => {
    debug('a');
    info('b');
    warn('c');
    error('d');
  });
  expect(written).toHaveLength(count);
});

it.each(['json', 'text'] as const)(
  'escapes what others wrote, as %s, so that it makes no line and moves no cursor',
  (format) => {
    const evil = 'a\n2026-11-30T00:00:00.000Z error forged\u001b[2J\u202e\u009b1m';
    const [line = '', ...rest] = lines({ level: 'info', format }, ({ info }) => {
      info(evil, { trace: { namespace: 'a\rb', name: evil }, node: evil });
    });
    expect(rest).toEqual([]);
    expect(line.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const shown = format === 'json' ? (JSON.parse(line) as { msg: string }).msg : line;
    expect(shown).toContain(String.raw`a\n2026-11-30T00:00:00.000Z error forged\x1b[2J\u202e\x9b1m`);
  },
);

it.each(['json', 'text'] as const)('shows no token, as %s', (format) => {
  const token = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-_x';
  const [line = ''] = lines({ level: 'info', format }, ({ info }) => {
    info(`refused: ${token}; Authorization: Bearer abc.def`);
  });
  expect(line).toContain('refused: (token); Authorization: Bearer (token)');
  expect(line).not.toMatch(/eyJ|abc\.def|c2ln/);
});

it('has written the last line when the process ends', () => {
  const file = fileURLToPath(new URL('../../operator/logger.ts', import.meta.url));
  const program = `const { createLogger } = await import(${JSON.stringify(file)}); createLogger({ level: 'info', format: 'json' }).error('the last'); process.exit(1);`;
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
    { encoding: 'utf8', timeout: 25_000 },
  );
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ level: 'error', msg: 'the last' });
});
