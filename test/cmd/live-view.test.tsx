/** The live view as whole screens, and its keys. */
import { stripVTControlCharacters } from 'node:util';
import { cleanup, render } from 'ink-testing-library';
import stringWidth from 'string-width';
import { afterEach, describe, expect, it } from 'vitest';
import type { TraceEvent, TraceSource } from '../../cmd/source.ts';
import { headerLines } from '../../cmd/views/header-lines.ts';
import { LiveApp } from '../../cmd/views/live-app.tsx';
import { LiveView, useDetail } from '../../cmd/views/live-view.tsx';
import { initialState, reduceLive, type LiveAction, type LiveState } from '../../cmd/views/live-state.ts';
import type { Size } from '../../cmd/views/layout.ts';
import { createTheme } from '../../cmd/views/theme.ts';
import type { ServiceTrace } from '../../core/service-trace.ts';
import { exampleTrace, nodeA, withStatus } from './example-trace.ts';

afterEach(() => { cleanup(); });

const now = Date.parse('2026-11-24T11:00:03Z');
const traced = (trace: ServiceTrace = exampleTrace): LiveAction => ({ type: 'event', event: { kind: 'trace', trace }, at: now });
const state = (...actions: LiveAction[]): LiveState => actions.reduce(reduceLive, initialState('operator', now));

function Screen({ shown, size, useColor = false }: { readonly shown: LiveState; readonly size: Size; readonly useColor?: boolean }): React.ReactElement {
  const theme = createTheme(useColor);
  return <LiveView state={shown} size={size} theme={theme} header={headerLines(shown, theme, size.columns)} detail={useDetail(shown, size, theme)} />;
}

function screenOf(shown: LiveState, size: Size = { columns: 80, rows: 24 }, useColor = false): string {
  return render(<Screen shown={shown} size={size} useColor={useColor} />).lastFrame() ?? '';
}

const small = { columns: 80, rows: 24 };
const large = { columns: 100, rows: 40 };
const thousand = withStatus({ nodes: Array.from({ length: 1000 }, (_, index) => ({ ...nodeA, name: `worker-${String(index).padStart(4, '0')}` })) });
const notYet: ServiceTrace = { apiVersion: exampleTrace.apiVersion, kind: exampleTrace.kind, metadata: exampleTrace.metadata, spec: exampleTrace.spec };

const screens: [string, LiveState, Size][] = [
  ['live-connecting', state(), small],
  ['live-created', state(traced(notYet)), small],
  ['live-targets-80x24', state(traced()), small],
  ['live-targets-100x40', state(traced()), large],
  ['live-node-without-counters', state(traced(), { type: 'selectBy', nodes: 1 }), small],
  ['live-node-failed', state(traced(), { type: 'selectLast' }), small],
  ['live-rules', state(traced(), { type: 'showTab', tab: 'rules' }), small],
  ['live-conntrack', state(traced(), { type: 'showTab', tab: 'conntrack' }), small],
  ['live-findings', state(traced(), { type: 'showTab', tab: 'findings' }), small],
  ['live-help', state(traced(), { type: 'toggleHelp' }), small],
  ['live-lost', state(traced(), { type: 'event', event: { kind: 'lost', reason: 'the connection went silent' }, at: now }, { type: 'tick', at: now + 12_000 }), small],
  ['live-silent', state(traced(notYet), { type: 'event', event: { kind: 'silent', message: 'The svctrace operator does not run.' }, at: now }), small],
  ['live-stale', state(traced(), { type: 'tick', at: now + 60_000 }), small],
  ['live-1000-nodes', state(traced(thousand), { type: 'selectBy', nodes: 500 }), small],
];

describe('screen', () => {
  it.each(screens)('%s', async (name, shown, size) => {
    const frame = screenOf(shown, size);
    await expect(`${frame}\n`).toMatchFileSnapshot(`screens/${name}.txt`);
    const lines = frame.split('\n');
    expect(lines).toHaveLength(size.rows);
    for (const line of lines) expect(stringWidth(line), line).toBeLessThanOrEqual(size.columns);
  });

  it('says the same with colour', () => {
    const shown = state(traced());
    expect(stripVTControlCharacters(screenOf(shown, small, true))).toBe(screenOf(shown, small));
  });

  it('is drawn fast with 1,000 nodes', () => {
    const started = performance.now();
    for (let index = 0; index < 10; index += 1) screenOf(state(traced(thousand), { type: 'selectBy', nodes: index * 90 }));
    expect((performance.now() - started) / 10).toBeLessThan(200);
  });
});

/** A source whose events the test gives. */
function openSource(): { source: TraceSource; give: (event: TraceEvent) => void; isFollowed: () => boolean; fail: (error: Error) => void } {
  let listener: ((event: TraceEvent) => void) | undefined;
  let reject: (error: Error) => void = () => undefined;
  return {
    give: (event) => listener?.(event),
    fail: (error) => { reject(error); },
    isFollowed: () => listener !== undefined,
    source: {
      origin: 'operator',
      follow: (onEvent, signal) =>
        new Promise((resolve, fail) => {
          listener = onEvent;
          reject = fail;
          signal.addEventListener('abort', () => {
            listener = undefined;
            resolve();
          });
        }),
      close: async () => undefined,
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 40); });

describe('keys', () => {
  async function open(): Promise<{ screen: () => string; press: (keys: string) => Promise<void>; isFollowed: () => boolean }> {
    const { source, give, isFollowed } = openSource();
    const app = render(<LiveApp source={source} theme={createTheme(false)} />);
    await settle();
    give({ kind: 'trace', trace: exampleTrace });
    await settle();
    return {
      isFollowed,
      screen: () => app.lastFrame() ?? '',
      async press(keys) {
        app.stdin.write(keys);
        await settle();
      },
    };
  }

  it('arrows and j k choose a node', async () => {
    const { screen, press } = await open();
    expect(screen()).toContain('▸ node-a');
    await press('\u001b[B');
    expect(screen()).toContain('▸ node-b');
    await press('j');
    expect(screen()).toContain('▸ node-c');
    await press('k');
    expect(screen()).toContain('▸ node-b');
    await press('g');
    expect(screen()).toContain('▸ node-a');
    await press('G');
    expect(screen()).toContain('▸ node-c');
  });

  it('Tab and digits turn the tabs', async () => {
    const { screen, press } = await open();
    await press('\t');
    expect(screen()).toContain('[2 Rules]');
    expect(screen()).toContain('KUBE-SEP-3T4O2FVKB7IGYCTF');
    await press('4');
    expect(screen()).toContain('[4 Findings (2)]');
    expect(screen()).toContain('RULE-EP-MISSING');
    await press('\u001b[Z');
    expect(screen()).toContain('[3 Conntrack]');
  });

  it('? opens the help, Esc closes it, q ends the following', async () => {
    const { screen, press, isFollowed } = await open();
    await press('?');
    expect(screen()).toContain('quit');
    expect(screen()).not.toContain('[1 DNAT targets]');
    await press('\u001b');
    await settle();
    expect(screen()).toContain('[1 DNAT targets]');
    expect(isFollowed()).toBe(true);
    await press('q');
    expect(isFollowed()).toBe(false);
  });

  it.each([['Ctrl-C', '\u0003'], ['Esc', '\u001b'], ['Esc and q in one piece', '\u001bq']])('%s quits', async (_name, keys) => {
    const { press, isFollowed } = await open();
    await press(keys);
    await settle();
    expect(isFollowed()).toBe(false);
  });
});
