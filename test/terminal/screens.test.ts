/**
 * The whole screen of each view, in tmux, of a bundle that was recorded on a real cluster. A result is judged by the
 * time of its recording, so that these screens stay as they are; `vitest run --project terminal --update` writes them
 * again where they should not.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readBundle } from '../../cmd/sources/bundle.ts';
import { viewNames, type ViewName } from '../../cmd/cli/request.ts';
import { findExecutable } from '../cluster/requirements.ts';
import type { Terminal } from '../support/terminal.ts';
import { needTmux, openPlugin } from '../support/plugin-in-terminal.ts';

const bundle = fileURLToPath(new URL('../fixtures/auth-service.svctrace', import.meta.url));
const withFindings = fileURLToPath(new URL('../fixtures/nobody-home.svctrace', import.meta.url));
const small = { columns: 80, rows: 24 };
const large = { columns: 120, rows: 40 };
const huge = { columns: 300, rows: 100 };
type Size = typeof small;

beforeEach((context) => {
  needTmux(context);
});

const sizeText = ({ columns, rows }: Size): string => `${String(columns)}x${String(rows)}`;
const digit = (view: ViewName): string => String(viewNames.indexOf(view) + 1);
/** The bar of the views, with this one in brackets. */
const barOf = (view: ViewName): RegExp => new RegExp(`\\[(${digit(view)} )?${view}[^\\]]*\\]`);

async function expectGolden(screen: string, name: string, size: Size): Promise<void> {
  const lines = screen.split('\n');
  expect(lines.length).toBeLessThanOrEqual(size.rows);
  await expect(`${screen}\n`).toMatchFileSnapshot(`screens/${name}-${sizeText(size)}.txt`);
}

describe.each([small, large])('at $columns x $rows', (size) => {
  let terminal: Terminal;
  beforeAll(async () => {
    if (findExecutable('tmux') !== undefined) terminal = await openPlugin(`--bundle ${bundle}`, size);
  });
  afterAll(async () => {
    await (terminal as Terminal | undefined)?.close();
  });

  it.each(viewNames.filter((view) => view !== 'walk'))('%s', async (view) => {
    await terminal.press(digit(view));
    await expectGolden(await terminal.settled(barOf(view)), view, size);
  });

  it('walk', async () => {
    const { desired } = await readBundle(bundle);
    const client =
      desired.endpointSlices.find(({ addressType }) => addressType === 'IPv4')?.endpoints[0]?.addresses[0] ?? '';
    await terminal.press('c', ...client, 'Enter');
    await expectGolden(await terminal.settled(new RegExp(`From ${client} on`)), 'walk', size);
  });

  it('help', async () => {
    await terminal.press('1', '?');
    await expectGolden(await terminal.settled('this help'), 'help', size);
    await terminal.press('Escape');
    await terminal.settled(barOf('path'));
  });

  it('palette', async () => {
    await terminal.press(':', ...'node');
    await expectGolden(await terminal.settled(/^:node█/m), 'palette', size);
    await terminal.press('Escape');
    await terminal.settled(/: commands/);
  });

  it('filter', async () => {
    await terminal.press(digit('nodes'), '/', ...'nftables');
    await expectGolden(await terminal.settled(/^\/nftables█/m), 'filter', size);
    await terminal.press('Escape');
    await terminal.settled(/: commands/);
  });
});

async function inTerminal(
  args: string,
  size: Size,
  look: (terminal: Terminal) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const terminal = await openPlugin(args, size, env);
  try {
    await look(terminal);
  } finally {
    await terminal.close();
  }
}

it.each([small, large])('findings at $columns x $rows', async (size) => {
  await inTerminal(`--bundle ${withFindings} --view findings`, size, async (terminal) => {
    await expectGolden(await terminal.settled(/ERROR|WARNING/), 'nobody-home-findings', size);
  });
});

it('fills 300x100', async () => {
  await inTerminal(`--bundle ${bundle}`, huge, async (terminal) => {
    await expectGolden(await terminal.settled(barOf('path')), 'path', huge);
  });
});

it('a deep link opens the view of the node', async () => {
  await inTerminal(`--bundle ${bundle} --view rules --node node-c`, small, async (terminal) => {
    const screen = await terminal.settled(barOf('rules'));
    expect(screen.split('\n').find((line) => line.includes('[rules]'))).toContain('node-c');
    expect(screen).toMatch(/KUBE-/);
    await terminal.press('1');
    expect(await terminal.settled(barOf('path'))).toContain('▸ node-c');
  });
});

describe('resized while it is shown', () => {
  it.each(['path', 'rules'] as const)('%s is the screen of that size, without a rest of the other', async (view) => {
    await inTerminal(`--bundle ${bundle} --view ${view}`, small, async (terminal) => {
      await terminal.settled(barOf(view));
      for (const size of [large, small, huge, small]) {
        await terminal.resize(size.columns, size.rows);
        await terminal.settled(
          size === small ? barOf(view) : new RegExp(`\\[${digit(view)} ${view}\\][\\s\\S]*q quit`),
        );
        if (size === huge && view !== 'path') continue;
        await expectGolden(await settledAt(terminal, size), view, size);
      }
    });
  });

  it('many times at once ends with the last size', async () => {
    await inTerminal(`--bundle ${bundle}`, small, async (terminal) => {
      await terminal.settled(barOf('path'));
      for (const columns of [140, 90, 60, 200, 81]) await terminal.resize(columns, 20 + (columns % 7));
      await terminal.resize(large.columns, large.rows);
      await expectGolden(await settledAt(terminal, large), 'path', large);
    });
  });
});

/** The screen with its last line where the size puts it. */
async function settledAt(terminal: Terminal, { rows }: Size): Promise<string> {
  return terminal.settled(new RegExp(`^(?:.*\\n){${String(rows - 1)}}.*q quit`));
}

const sgrColor = /\u001b\[(?:\d+;)*(?:3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])(?:;\d+)*m/;

it('paints without any colour where NO_COLOR is set, and says the same', async () => {
  await inTerminal(
    `--bundle ${bundle}`,
    small,
    async (terminal) => {
      await expectGolden(await terminal.settled(barOf('path')), 'path', small);
      expect(await terminal.coloredScreen()).not.toMatch(sgrColor);
    },
    { NO_COLOR: '1' },
  );
  await inTerminal(`--bundle ${bundle}`, small, async (terminal) => {
    await expectGolden(await terminal.settled(barOf('path')), 'path', small);
    expect(await terminal.coloredScreen()).toMatch(sgrColor);
  });
});
