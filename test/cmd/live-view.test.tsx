/** The live view as whole screens, and its keys. */
import { stripVTControlCharacters } from 'node:util';
import { cleanup, render } from 'ink-testing-library';
import stringWidth from 'string-width';
import { afterEach, describe, expect, it } from 'vitest';
import type { TraceEvent, TraceSource } from '../../cmd/source.ts';
import { headerLines } from '../../cmd/views/header-lines.ts';
import { LiveApp } from '../../cmd/views/live-app.tsx';
import { LiveView, useBody } from '../../cmd/views/live-view.tsx';
import { initialState, reduceLive, type LiveAction, type LiveState, type View } from '../../cmd/views/live-state.ts';
import type { Size } from '../../cmd/views/layout.ts';
import { createTheme } from '../../cmd/views/theme.ts';
import type { ServiceTrace } from '../../core/service-trace.ts';
import { disagreeingTrace, exampleTrace, nodeA, withStatus } from './example-trace.ts';

afterEach(() => { cleanup(); });

const now = Date.parse('2026-11-24T11:00:03Z');
const traced = (trace: ServiceTrace = exampleTrace): LiveAction => ({ type: 'event', event: { kind: 'trace', trace }, at: now });
const state = (...actions: LiveAction[]): LiveState => actions.reduce(reduceLive, initialState('operator', now));

function Screen({ shown, size, useColor = false }: { readonly shown: LiveState; readonly size: Size; readonly useColor?: boolean }): React.ReactElement {
  const theme = createTheme(useColor);
  return <LiveView state={shown} size={size} theme={theme} header={headerLines(shown, theme, size.columns)} body={useBody(shown, size, theme)} />;
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
  ['live-path-80x24', state(traced()), small],
  ['live-path-100x40', state(traced()), large],
  ['live-node-without-counters', state(traced(), { type: 'selectBy', nodes: 1 }), small],
  ['live-node-failed', state(traced(), { type: 'selectLast' }), small],
  ['live-nodes', state(traced(), { type: 'show', view: 'nodes' }), small],
  ['live-nodes-grouped', state(traced(), { type: 'show', view: 'nodes' }, { type: 'toggleGrouping' }, { type: 'sortBy', column: 'health' }), small],
  ['live-rules', state(traced(), { type: 'show', view: 'rules' }), small],
  ['live-rules-filtered', state(traced(), { type: 'show', view: 'rules' }, { type: 'openInput', kind: 'filter' }, { type: 'type', text: 'dnat' }), small],
  ['live-conntrack', state(traced(), { type: 'show', view: 'conntrack' }), small],
  ['live-findings', state(traced(), { type: 'show', view: 'findings' }), small],
  ['live-timeline', state(traced(), traced(withStatus({ collectedAt: '2026-11-24T11:00:05Z', findings: [] })), { type: 'show', view: 'timeline' }), small],
  ['live-walk-without-client', state(traced(), { type: 'show', view: 'walk' }), small],
  ['live-palette', state(traced(), { type: 'openInput', kind: 'command' }, { type: 'type', text: 'nb', chosen: 1 }), small],
  ['live-help', state(traced(), { type: 'toggleHelp' }), small],
  ['live-lost', state(traced(), { type: 'event', event: { kind: 'lost', reason: 'the connection went silent' }, at: now }, { type: 'tick', at: now + 12_000 }), small],
  ['live-silent', state(traced(notYet), { type: 'event', event: { kind: 'silent', message: 'The svctrace operator does not run.' }, at: now }), small],
  ['live-stale', state(traced(), { type: 'tick', at: now + 60_000 }), small],
  ['live-1000-nodes', state(traced(thousand), { type: 'selectBy', nodes: 500 }), small],
  ['live-1000-nodes-table', state(traced(thousand), { type: 'show', view: 'nodes' }, { type: 'setCursor', row: 500 }), small],
];

describe('screen', () => {
  it('says of the selected node alone that it differs from its peers', () => {
    expect(screenOf(state(traced(disagreeingTrace)), large)).toContain('differs from its peers: packets of clients outside keep their source');
    expect(screenOf(state(traced(disagreeingTrace), { type: 'selectBy', nodes: 1 }), large)).not.toContain('differs from its peers');
  });

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
  interface Opened {
    readonly screen: () => string;
    readonly press: (...keys: string[]) => Promise<void>;
    readonly give: (event: TraceEvent) => Promise<void>;
    readonly isFollowed: () => boolean;
    readonly copied: readonly string[];
  }

  async function open(more: Partial<TraceSource> = {}, start: { view?: View; node?: string } = {}): Promise<Opened> {
    const { source, give, isFollowed } = openSource();
    const copied: string[] = [];
    const app = render(<LiveApp source={{ ...source, ...more }} theme={createTheme(false)} copy={(text) => { copied.push(text); }} start={start} />);
    await settle();
    give({ kind: 'trace', trace: exampleTrace });
    await settle();
    return {
      isFollowed,
      copied,
      screen: () => app.lastFrame() ?? '',
      async give(event) {
        give(event);
        await settle();
      },
      async press(...keys) {
        for (const key of keys) {
          app.stdin.write(key);
          await settle();
        }
      },
    };
  }

  const [down, enter, escape] = ['\u001b[B', '\r', '\u001b'];

  it('arrows and j k choose a node in the path', async () => {
    const { screen, press } = await open();
    expect(screen()).toContain('▸ node-a');
    await press(down);
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

  it('Tab and digits turn the views, Esc goes back through them, and quits at last', async () => {
    const { screen, press, isFollowed } = await open();
    await press('\t', '3');
    expect(screen()).toContain('[3 rules]');
    expect(screen()).toContain('KUBE-SEP-3T4O2FVKB7IGYCTF');
    await press('5');
    expect(screen()).toContain('[5 findings (2)]');
    expect(screen()).toContain('RULE-EP-MISSING');
    await press('\u001b[Z');
    expect(screen()).toContain('[4 conntrack]');
    await press(escape);
    expect(screen()).toContain('[5 findings (2)]');
    await press(escape, escape);
    expect(screen()).toContain('[2 nodes]');
    await press(escape);
    expect(screen()).toContain('[1 path]');
    expect(isFollowed()).toBe(true);
    await press(escape);
    expect(isFollowed()).toBe(false);
  });

  it('begins where a deep link says', async () => {
    const { screen } = await open({}, { view: 'rules', node: 'node-b' });
    expect(screen()).toContain('[3 rules]');
    expect(screen()).toContain('of node-b');
  });

  it('/ filters while it is typed, Enter keeps it, Esc takes it away', async () => {
    const { screen, press } = await open({}, { view: 'nodes' });
    await press('/', 'nftables');
    expect(screen()).toContain('/nftables');
    expect(screen()).toContain('node-b');
    expect(screen()).not.toContain('node-a');
    await press(enter);
    expect(screen()).not.toContain('node-a');
    expect(screen()).toContain('1 of 3 nodes');
    await press(escape);
    expect(screen()).toContain('node-a');
    await press('/', 'zzz', '\u007f', escape);
    expect(screen()).toContain('3 nodes');
  });

  it('o sorts, p groups, Enter opens the node', async () => {
    const { screen, press } = await open({}, { view: 'nodes' });
    await press('o');
    expect(screen()).toContain('sorted by health');
    await press('O');
    expect(screen()).toContain('sorted by health, reversed');
    await press('p');
    expect(screen()).toMatch(/program [0-9a-z]+: \d node/);
    await press('p', 'G', enter);
    expect(screen()).toContain('[1 path]');
  });

  it('rules are folded, and Enter follows a jump', async () => {
    const { screen, press, give } = await open({}, { view: 'rules' });
    const [program] = exampleTrace.status?.programs ?? [];
    const [services, endpoint] = program?.chains ?? [];
    if (program === undefined || services === undefined || endpoint === undefined) throw new Error('the example has no chains');
    const middle = { ...services, name: 'KUBE-SVC-MUEJEZ6DR7OLMVAV', rules: [{ text: `-A KUBE-SVC-MUEJEZ6DR7OLMVAV -j ${endpoint.name}`, packets: 4, bytes: 240 }] };
    await give({ kind: 'trace', trace: withStatus({ programs: [{ ...program, chains: [services, middle, endpoint] }] }) });
    const jump = services.rules[0]?.text ?? '';
    expect(screen()).toContain(jump.slice(0, 40));
    await press(' ');
    expect(screen()).not.toContain(jump.slice(0, 40));
    await press('z', 'z', down);
    await press(enter);
    expect(screen()).toMatch(/▸ +- IPv4 nat KUBE-SVC-MUEJEZ6DR7OLMVAV/);
  });

  it(': finds a command by its letters', async () => {
    const { screen, press } = await open();
    await press(':', 'timel');
    expect(screen()).toContain('what changed since this view was opened');
    await press(enter);
    expect(screen()).toContain('[6 timeline]');
    await press(':', 'zzzz');
    expect(screen()).toContain('no command has these letters');
    await press(escape);
    await press(':', 'node-c', enter, '1');
    expect(screen()).toContain('▸ node-c');
  });

  it('y copies what the row advises, and says so until the next key', async () => {
    const { screen, press, copied } = await open({}, { view: 'findings' });
    await press('y');
    expect(copied).toEqual([exampleTrace.status?.findings?.[0]?.advice]);
    expect(screen()).toContain('copied: ');
    await press(down);
    expect(screen()).not.toContain('copied: ');
  });

  it('s saves where it can, and says what became of it', async () => {
    const saving = await open({ save: async () => 'auth-service-1.svctrace' });
    await saving.press('s');
    expect(saving.screen()).toContain('saved to auth-service-1.svctrace');
    const failing = await open({ save: async () => { throw new Error('you may not create pods'); } });
    await failing.press('s');
    expect(failing.screen()).toContain('you may not create pods');
    const without = await open();
    await without.press('s');
    expect(without.screen()).toContain('nothing to save');
  });

  it('c asks for a client, and walks its packet', async () => {
    const clients: string[] = [];
    const { screen, press, give } = await open({ walkFrom: async (client) => { clients.push(client); } });
    await press('c', '10.244.0.7', enter);
    expect(clients).toEqual(['10.244.0.7']);
    expect(screen()).toContain('[7 walk]');
    const walk = { node: 'node-a', source: '10.244.0.7', destination: '10.96.0.7', destinationPort: 80, protocol: 'TCP' as const, verdict: 'DNAT' as const, masquerade: false, destinations: [{ address: '10.244.1.2', port: 8080, probability: 1 }], path: [{ table: 'nat', chain: 'KUBE-SERVICES', rule: '-A KUBE-SERVICES -j KUBE-SVC-X', effect: 'jumps to KUBE-SVC-X' }], unknown: [] };
    await give({ kind: 'trace', trace: withStatus({ walks: [walk] }) });
    expect(screen()).toContain('1  nat KUBE-SERVICES: jumps to KUBE-SVC-X');
    expect(screen()).toContain('DNAT to 10.244.1.2:8080 (100.0%), its source stays');
  });

  it('the timeline tells what changed', async () => {
    const { screen, press, give } = await open({}, { view: 'timeline' });
    expect(screen()).toContain('Nothing changed');
    await give({ kind: 'trace', trace: withStatus({ findings: [] }) });
    expect(screen()).toContain('RULE-EP-MISSING of node/node-b is gone');
    await press('/', 'endpoint');
    expect(screen()).toContain('No change has these words');
  });

  it('? opens the help, Esc closes it, q ends the following', async () => {
    const { screen, press, isFollowed } = await open();
    await press('?');
    expect(screen()).toContain('command palette');
    expect(screen()).not.toContain('[1 path]');
    await press(escape);
    await settle();
    expect(screen()).toContain('[1 path]');
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
