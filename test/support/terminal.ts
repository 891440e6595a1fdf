/** A real terminal for tests: tmux on a socket of its own, so that nobody's session is touched. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

export interface Terminal {
  /** The screen as text, one line for each row, without trailing blanks. */
  screen(): Promise<string>;
  /** The same with the escape sequences of its colours. */
  coloredScreen(): Promise<string>;
  /** The screen once it holds `text` and stays as it is for a moment. @throws after `seconds`, with the screen as it is */
  settled(text: string | RegExp, seconds?: number): Promise<string>;
  /** The screen once it holds `text`. @throws after `seconds`, with the screen as it is */
  waitFor(text: string | RegExp, seconds?: number): Promise<string>;
  /** A line, and Enter. */
  type(line: string): Promise<void>;
  /** tmux key names, such as Down, Enter, q. */
  press(...keys: readonly string[]): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** What tmux knows of the terminal, by its format: `#{alternate_on}`. */
  state(format: string): Promise<string>;
  /** From now on, all that the programs write to the terminal goes to the file as it is, too. */
  record(file: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts `command` (a shell line; empty for none) in a terminal of the given size; the shell stays when the command ends. */
export async function openTerminal(
  command: string,
  {
    columns = 120,
    rows = 40,
    env = {},
  }: { columns?: number; rows?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<Terminal> {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-terminal-'));
  const tmux = async (...args: readonly string[]): Promise<string> =>
    (await execa('tmux', ['-S', join(folder, 'socket'), '-f', '/dev/null', ...args], { env: { ...env } })).stdout;
  await tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), '-s', 'test', 'sh');
  await tmux('set-option', '-g', 'window-size', 'manual');
  const screen = (): Promise<string> => tmux('capture-pane', '-p', '-t', 'test');
  const type = async (line: string): Promise<void> => {
    await tmux('send-keys', '-t', 'test', '-l', line);
    await tmux('send-keys', '-t', 'test', 'Enter');
  };
  if (command !== '') await type(`PS1='shell> '; clear; ${command}`);
  const wait = async (text: string | RegExp, seconds: number, isSettled: boolean): Promise<string> => {
    const end = Date.now() + seconds * 1000;
    let before: string | undefined;
    for (;;) {
      const now = await screen();
      if ((typeof text === 'string' ? now.includes(text) : text.test(now)) && (!isSettled || now === before))
        return now;
      before = now;
      if (Date.now() > end)
        throw new Error(
          `${String(text)} did not come to the screen within ${String(seconds)} s; the screen is:\n${now}`,
        );
      await sleep(100);
    }
  };
  return {
    screen,
    coloredScreen: () => tmux('capture-pane', '-e', '-p', '-t', 'test'),
    waitFor: (text, seconds = 60) => wait(text, seconds, false),
    settled: (text, seconds = 30) => wait(text, seconds, true),
    type,
    async press(...keys) {
      for (const key of keys) await tmux('send-keys', '-t', 'test', key);
    },
    async resize(width, height) {
      await tmux('resize-window', '-t', 'test', '-x', String(width), '-y', String(height));
    },
    state: (format) => tmux('display-message', '-p', '-t', 'test', format),
    async record(file) {
      await tmux('pipe-pane', '-t', 'test', `cat > '${file}'`);
    },
    async close() {
      await tmux('kill-server').catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
