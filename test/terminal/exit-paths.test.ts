/** However the live view ends, the terminal is as it was: on its own screen, with a cursor, with echo, without the wheel. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { openTerminal, type Terminal } from '../support/terminal.ts';
import { eventually } from '../support/eventually.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'svctrace-exit-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const bundle = `--bundle '${here('../fixtures/auth-service.svctrace')}'`;
let runs = 0;

interface Running {
  readonly terminal: Terminal;
  readonly pid: number;
  /** Everything that was written to the terminal. */
  readonly written: () => string;
}

/** The plugin on a terminal, once it shows what the test waits for. */
async function start(args: string, shown: RegExp, env: Readonly<Record<string, string>> = {}): Promise<Running> {
  runs += 1;
  const [pidFile, recording] = [join(folder, `pid-${String(runs)}`), join(folder, `written-${String(runs)}`)];
  const settings = Object.entries({ KUBECONFIG: '/nonexistent', ...env })
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ');
  const terminal = await openTerminal('', { columns: 100, rows: 30 });
  await terminal.record(recording);
  await terminal.type(
    `PS1='shell> '; clear; ${settings} sh -c 'echo $$ > ${pidFile}; exec "$0" "$@"' '${here('../../dist/kubectl-svctrace')}' ${args}; echo "status=$?"`,
  );
  await terminal.waitFor(shown);
  return { terminal, pid: Number(readFileSync(pidFile, 'utf8')), written: () => readFileSync(recording, 'utf8') };
}

/** The last of two escape sequences that was written. */
function last(written: string, ...sequences: readonly string[]): string | undefined {
  return [...sequences].sort((one, other) => written.lastIndexOf(other) - written.lastIndexOf(one))[0];
}

async function expectGivenBack({ terminal, written }: Running, status: number): Promise<void> {
  const screen = await terminal.waitFor(new RegExp(`status=${String(status)}\\nshell> *$`, 'm'));
  expect(screen).not.toContain('node-a');
  // What tmux knows is true now; what was written is in the file a little later.
  expect(await terminal.state('#{alternate_on} #{cursor_flag}')).toBe('0 1');
  await eventually(async () => {
    const all = written();
    expect(last(all, '\u001b[?1049h', '\u001b[?1049l')).toBe('\u001b[?1049l');
    expect(last(all, '\u001b[?25l', '\u001b[?25h')).toBe('\u001b[?25h');
    expect(last(all, '\u001b[?1007h', '\u001b[?1007l')).toBe('\u001b[?1007l');
    expect(all).toContain('\u001b[?1007h');
  });
  await terminal.type('stty -a');
  const settings = await terminal.waitFor(/iutf8[\s\S]*echoke|icanon[\s\S]*echo /);
  expect(settings).toMatch(/[^-]icanon/);
  expect(settings).toMatch(/[^-]echo /);
  expect(settings).toMatch(/[^-]isig/);
}

const live = /\[1 path\][\s\S]*node-c/;

const ends: [string, (running: Running) => Promise<void> | void, number][] = [
  ['q', ({ terminal }) => terminal.press('q'), 0],
  ['Esc', ({ terminal }) => terminal.press('Escape'), 0],
  ['Ctrl-C', ({ terminal }) => terminal.press('C-c'), 0],
  [
    'SIGINT',
    ({ pid }) => {
      process.kill(pid, 'SIGINT');
    },
    130,
  ],
  [
    'SIGTERM',
    ({ pid }) => {
      process.kill(pid, 'SIGTERM');
    },
    143,
  ],
  [
    'SIGHUP',
    ({ pid }) => {
      process.kill(pid, 'SIGHUP');
    },
    129,
  ],
];

it.each(ends)('%s', async (_name, end, status) => {
  const running = await start(bundle, live);
  try {
    expect(await running.terminal.state('#{alternate_on} #{cursor_flag}')).toBe('1 0');
    await end(running);
    await expectGivenBack(running, status);
  } finally {
    await running.terminal.close();
  }
});

it.each(['exception', 'rejection', 'rendering'])('a bug: %s', async (kind) => {
  const running = await start(bundle, live, {
    NODE_OPTIONS: `--import=${here('fail-on-signal.mjs')}`,
    SVCTRACE_TEST_ERROR: kind,
  });
  try {
    process.kill(running.pid, 'SIGUSR2');
    await running.terminal.waitFor(`This is a bug of kubectl svctrace: Error: ${kind} of a test`);
    await expectGivenBack(running, 70);
  } finally {
    await running.terminal.close();
  }
});

it('the choice of a Service', async () => {
  const running = await start('--server http://127.0.0.1:1', /Which Service\?/);
  try {
    await running.terminal.press('Escape');
    await expectGivenBack(running, 0);
  } finally {
    await running.terminal.close();
  }
});

it('what cannot be shown is printed on the terminal itself', async () => {
  const running = await start('auth-service --server http://127.0.0.1:1', /cannot be reached/);
  try {
    await running.terminal.waitFor(
      'The API server http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1.',
    );
    await running.terminal.waitFor(/status=3/);
    expect(await running.terminal.state('#{alternate_on} #{cursor_flag}')).toBe('0 1');
  } finally {
    await running.terminal.close();
  }
});

it('does not stay when its terminal is gone', async () => {
  const running = await start(bundle, live);
  await running.terminal.close();
  await eventually(async () => {
    expect(existsSync(`/proc/${String(running.pid)}`)).toBe(false);
  }, 20);
});
