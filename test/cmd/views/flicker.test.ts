/** What is written to the terminal: nothing where nothing changed, only the lines that did, and the whole screen again for another size alone. */
import { createElement } from 'react';
import { render } from 'ink';
import { afterEach, describe, expect, it } from 'vitest';
import type { TraceEvent, TraceSource } from '../../../cmd/sources/source.ts';
import { loadExplainers } from '../../../cmd/views/state/explainers.ts';
import { LiveApp } from '../../../cmd/views/live-app.tsx';
import { renderOptions } from '../../../cmd/views/show.tsx';
import { createTheme } from '../../../cmd/views/state/theme.ts';
import { eventually } from '../../support/eventually.ts';
import { exampleTrace, nodeA, withStatus } from '../../support/example-trace.ts';
import { fakeTerminal, type FakeTerminal } from '../../support/fake-terminal.ts';

const [eraseDown, eraseScreen, synchronized] = ['\u001b[J', '\u001b[2J', '\u001b[?2026h'];
const clears = (written: string): number => written.split(eraseDown).length + written.split(eraseScreen).length - 2;

interface Running {
  readonly terminal: FakeTerminal;
  /** Gives an event, and what is written of it. */
  give(event: TraceEvent): Promise<string>;
  press(keys: string): Promise<string>;
  resize(columns: number, rows: number): Promise<string>;
}

let stop: () => void = () => undefined;
afterEach(() => {
  stop();
});

async function open(): Promise<Running> {
  await loadExplainers();
  let listener: ((event: TraceEvent) => void) | undefined;
  const source: TraceSource = {
    origin: { kind: 'trace', name: 'x' },
    follow: (onEvent) =>
      new Promise(() => {
        listener = onEvent;
      }),
    close: async () => undefined,
  };
  const terminal = fakeTerminal(80, 24);
  const app = render(createElement(LiveApp, { source, theme: createTheme(true), copy: () => undefined }), {
    ...renderOptions,
    stdin: terminal.stdin,
    stdout: terminal.stdout,
    patchConsole: false,
  });
  stop = () => {
    app.unmount();
  };
  const written = async (cause: () => void): Promise<string> => {
    cause();
    // Input comes by the stream, an update by React's scheduler: both are over after some turns, and then it is flushed.
    for (let turn = 0; turn < 20; turn += 1)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    await app.waitUntilRenderFlush();
    return terminal.taken();
  };
  await eventually(async () => {
    expect(listener).toBeDefined();
  });
  await written(() => {
    listener?.({ kind: 'trace', trace: exampleTrace });
  });
  return {
    terminal,
    give: (event) =>
      written(() => {
        listener?.(event);
      }),
    press: (keys) =>
      written(() => {
        terminal.press(keys);
      }),
    resize: (columns, rows) =>
      written(() => {
        terminal.resize(columns, rows);
      }),
  };
}

/** The same result, collected later: only counters may differ. */
const counted = (packets: number): TraceEvent => {
  const [port] = nodeA.ports;
  if (port === undefined) throw new Error('the example has no port');
  return {
    kind: 'trace',
    trace: withStatus({
      nodes: [{ ...nodeA, ports: [{ ...port, packets }] }, ...(exampleTrace.status?.nodes ?? []).slice(1)],
    }),
  };
};

describe('an update', () => {
  it('that changes nothing that is seen writes nothing', async () => {
    const { give } = await open();
    await give(counted(12));
    for (let round = 0; round < 3; round += 1) expect(await give(counted(12))).toBe('');
  });

  it('that changes one counter writes one line, at once, and clears nothing', async () => {
    const { give } = await open();
    await give(counted(12));
    const written = await give(counted(13));
    expect(written).toContain('3 packets');
    expect(clears(written)).toBe(0);
    expect(written.match(/\u001b\[\?2026h/g)).toHaveLength(1);
    expect(written).not.toContain('node-b');
    expect(Buffer.byteLength(written)).toBeLessThan(400);
  });
});

describe('a key', () => {
  it.each([
    ['the next row', 'j'],
    ['another view', '2'],
    ['the help', '?'],
    ['the palette', ':'],
    ['a filter', '/'],
  ])('for %s clears nothing, and is one synchronized write', async (_name, key) => {
    const { press } = await open();
    const written = await press(key);
    expect(clears(written)).toBe(0);
    expect(written.split(synchronized)).toHaveLength(2);
  });

  it('that means nothing writes nothing', async () => {
    const { press } = await open();
    expect(await press('%')).toBe('');
  });
});

describe('another size', () => {
  it.each([
    ['larger', 120, 40],
    ['smaller', 60, 20],
    ['narrower', 60, 24],
    ['lower', 80, 15],
  ])('%s is painted whole', async (_name, columns, rows) => {
    const { resize, give } = await open();
    const written = await resize(columns, rows);
    expect(written).toContain('node-a');
    expect(written).toContain('q quit');
    expect(clears(await give(counted(13)))).toBe(0);
  });
});
