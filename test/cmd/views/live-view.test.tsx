/** The live view as whole screens, and its keys. */
import { readFileSync } from 'node:fs';
import { WriteStream } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { cleanup, render } from 'ink-testing-library';
import stringWidth from 'string-width';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openBundle } from '../../../cmd/sources/bundle.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import type { LogLine } from '../../../cmd/logs/merge.ts';
import { paletteOf, type Palette } from '../../../cmd/tables/paint.ts';
import type { TraceEvent, TraceSource } from '../../../cmd/sources/source.ts';
import type { LogEvent } from '../../../cmd/logs/event.ts';
import { headerLines } from '../../../cmd/views/header-lines.ts';
import { loadExplainers } from '../../../cmd/views/state/explainers.ts';
import { LiveApp } from '../../../cmd/views/live-app.tsx';
import { LiveView, useBody } from '../../../cmd/views/live-view.tsx';
import {
  initialState,
  reduceLive,
  type LiveAction,
  type LiveState,
  type View,
} from '../../../cmd/views/state/live-state.ts';
import type { Size } from '../../../cmd/views/layout.ts';
import { createTheme } from '../../../cmd/views/state/theme.ts';
import { parseBundle } from '../../../core/wire/bundle.ts';
import type { NodeAnswer } from '../../../core/wire/node-report.ts';
import type { ConnectionEventsStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';
import {
  disagreeingTrace,
  exampleTrace,
  followedTrace,
  nodeA,
  unfollowedTrace,
  withStatus,
} from '../../support/example-trace.ts';

await loadExplainers();
// On a busy machine, the first screen may take long.
afterEach(() => {
  cleanup();
}, 60_000);

const now = Date.parse('2026-11-24T11:00:03Z');
const traced = (trace: ServiceTrace = exampleTrace): LiveAction => ({
  type: 'event',
  event: { kind: 'trace', trace },
  at: now,
});
/** Of node-a, a new connection, its answer, and one that was refused; of another node, one that does not show there. */
const connectionEvents: ConnectionEventsStatus = {
  followedNodes: 2,
  notFollowed: [{ reason: 'its probe is older', count: 1, nodes: ['node-c'] }],
  gaps: [{ node: 'node-b', from: '2026-11-24T11:00:00.000Z', to: '2026-11-24T11:00:01.000Z', dropped: 12 }],
  recent: (
    [
      { node: 'node-a', kind: 'New', tcpState: 'SYN_SENT', isAnswered: false },
      { node: 'node-b', kind: 'New', tcpState: 'SYN_SENT', isAnswered: false },
      { node: 'node-a', kind: 'Answered', tcpState: 'SYN_RECV', isAnswered: true },
      { node: 'node-a', kind: 'Destroyed', tcpState: 'CLOSE', isAnswered: false },
    ] as const
  ).map((event) => ({
    ...event,
    earliest: '2026-11-24T11:00:01.100Z',
    latest: '2026-11-24T11:00:01.102Z',
    count: 1,
    protocol: 'TCP',
    client: '10.244.1.9',
    clientPort: 40_112,
    address: '10.96.216.123',
    port: 80,
    endpoint: '10.244.1.3',
    endpointPort: 8080,
  })),
};
const state = (...actions: LiveAction[]): LiveState =>
  actions.reduce(reduceLive, initialState({ kind: 'operator' }, now));

function Screen({
  shown,
  size,
  palette,
}: {
  readonly shown: LiveState;
  readonly size: Size;
  readonly palette?: Palette | undefined;
}): React.ReactElement {
  const theme = createTheme(palette !== undefined, palette);
  return (
    <LiveView
      state={shown}
      size={size}
      theme={theme}
      header={headerLines(shown, theme, size.columns)}
      body={useBody(shown, size, theme)}
    />
  );
}

function screenOf(shown: LiveState, size: Size = { columns: 80, rows: 24 }, palette?: Palette): string {
  return render(<Screen shown={shown} size={size} palette={palette} />).lastFrame() ?? '';
}

const small = { columns: 80, rows: 24 };
const large = { columns: 100, rows: 40 };
const thousand = withStatus({
  nodes: Array.from({ length: 1000 }, (_, index) => ({ ...nodeA, name: `worker-${String(index).padStart(4, '0')}` })),
});
const notYet: ServiceTrace = {
  apiVersion: exampleTrace.apiVersion,
  kind: exampleTrace.kind,
  metadata: exampleTrace.metadata,
  spec: exampleTrace.spec,
};

/** The trace of a bundle, as the live view gets it. */
async function traceOfBundle(name: string): Promise<ServiceTrace> {
  const source = await openBundle(fileURLToPath(new URL(`../../fixtures/${name}.svctrace`, import.meta.url)), {
    service: undefined,
    namespace: undefined,
  });
  let found: ServiceTrace | undefined;
  await source.follow((event) => {
    if (event.kind === 'trace') found = event.trace;
  }, new AbortController().signal);
  if (found === undefined) throw new Error(`${name} gave no trace`);
  return found;
}
const recorded = await traceOfBundle('auth-service');

/** The status of a trace whose nodes are waited for, or did not answer, as the engine makes it. */
function traceWith(answers: readonly NodeAnswer[]): ServiceTrace {
  const bundle = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
  const given = new Map(answers.map((answer) => [answer.node, answer]));
  const { spec, desired, recordedAt } = bundle;
  const status = buildStatus({
    spec,
    generation: undefined,
    desired,
    answers: bundle.answers.map((answer) => given.get(answer.node) ?? answer),
    previous: undefined,
    now: recordedAt,
  });
  return { ...recorded, status: { ...status, collectedAt: '2026-11-24T11:00:00Z' } };
}
const pulling: NodeAnswer = {
  node: 'node-a',
  state: 'Waiting',
  reason: 'ImagePullBackOff',
  message: "its probe's image svctrace/probe:v0.1.0 cannot be pulled there: Back-off pulling image",
};
const tainted: NodeAnswer = {
  node: 'node-b',
  state: 'Waiting',
  reason: 'Unschedulable',
  message: 'its probe cannot run there: 0/3 nodes are available: 1 node(s) had untolerated taint(s)',
};
const refused: NodeAnswer = {
  node: 'node-c',
  state: 'Failed',
  reason: 'PodSecurity',
  message:
    'PodSecurity refuses probes in namespace svctrace-system; label it: kubectl label namespace svctrace-system pod-security.kubernetes.io/enforce=privileged',
};
const overQuota: NodeAnswer = {
  node: 'node-c',
  state: 'Failed',
  reason: 'QuotaExceeded',
  message: 'a quota of namespace svctrace-system refuses its probe: exceeded quota: pods',
};
const mayNot =
  'User "jane" may not get pods/log in namespace "default" (kubectl auth can-i get pods --subresource=log -n default); an administrator gives it with: kubectl create role svctrace-get-pods-log --verb=get --resource=pods/log -n default && kubectl create rolebinding svctrace-get-pods-log --role=svctrace-get-pods-log --user=jane -n default.';

const logLines = [
  { from: 'auth-service-5995955cd8-4tml7/app', time: '2026-11-24T11:00:01.1Z', text: 'GET /login 200 in 12 ms' },
  { from: 'auth-service-5995955cd8-kbz6c/app', time: '2026-11-24T11:00:01.2Z', text: 'GET /login 200 in 9 ms' },
  {
    from: 'auth-service-5995955cd8-kbz6c/proxy',
    time: '2026-11-24T11:00:02Z',
    text: 'upstream connect error or disconnect before headers; reset reason: connection failure; transport failure reason: delayed connect error: 111',
  },
  { from: 'auth-service-5995955cd8-4tml7/app', time: '', text: '    at main (server.js:12)' },
];
/** A pod that crashes, and one that comes. */
const restarting: readonly LogLine[] = [
  {
    from: 'auth-service-5995955cd8-4tml7/app',
    node: 'node-a',
    time: '2026-11-24T11:00:01.1Z',
    text: 'panic: no connection to the database',
  },
  {
    from: 'auth-service-5995955cd8-4tml7/app',
    node: 'node-a',
    time: '2026-11-24T11:00:01Z',
    text: 'ended with exit code 2',
    news: 'bad',
  },
  {
    from: 'auth-service-5995955cd8-kbz6c',
    node: 'ip-10-0-12-34.eu-west-1.compute.internal',
    time: '2026-11-24T11:00:02Z',
    text: 'a new pod',
    news: 'good',
  },
  {
    from: 'auth-service-5995955cd8-kbz6c/app',
    node: 'ip-10-0-12-34.eu-west-1.compute.internal',
    time: '2026-11-24T11:00:04Z',
    text: 'listening on 8080',
  },
];

const screens: [string, LiveState, Size][] = [
  ['live-connecting', state(), small],
  ['live-created', state(traced(notYet)), small],
  ['live-path-80x24', state(traced()), small],
  ['live-path-100x40', state(traced()), large],
  ['live-node-without-counters', state(traced(), { type: 'selectBy', nodes: 1 }), small],
  ['live-node-failed', state(traced(), { type: 'selectLast' }), small],
  ['live-nodes', state(traced(), { type: 'show', view: 'nodes' }), small],
  [
    'live-nodes-grouped',
    state(traced(), { type: 'show', view: 'nodes' }, { type: 'toggleGrouping' }, { type: 'sortBy', column: 'health' }),
    small,
  ],
  ['live-rules', state(traced(), { type: 'show', view: 'rules' }), small],
  [
    'live-rules-filtered',
    state(
      traced(),
      { type: 'show', view: 'rules' },
      { type: 'openInput', kind: 'filter' },
      { type: 'type', text: 'dnat' },
    ),
    small,
  ],
  [
    'live-rules-explained',
    state(traced(recorded), { type: 'show', view: 'rules' }, { type: 'setCursor', row: 9 }),
    small,
  ],
  [
    'live-rules-explained-nftables',
    state(
      traced(recorded),
      { type: 'selectNode', node: 'node-b' },
      { type: 'show', view: 'rules' },
      { type: 'setCursor', row: 9 },
    ),
    { columns: 120, rows: 40 },
  ],
  [
    'live-rules-without-pane',
    state(traced(recorded), { type: 'show', view: 'rules' }, { type: 'toggleExplanation' }),
    small,
  ],
  ['live-conntrack', state(traced(), { type: 'show', view: 'conntrack' }), small],
  [
    'live-conntrack-events',
    state(traced(withStatus({ connectionEvents })), { type: 'show', view: 'conntrack' }),
    { columns: 140, rows: 24 },
  ],
  ['live-findings', state(traced(), { type: 'show', view: 'findings' }), small],
  [
    'live-timeline',
    state(traced(), traced(withStatus({ collectedAt: '2026-11-24T11:00:05Z', findings: [] })), {
      type: 'show',
      view: 'timeline',
    }),
    small,
  ],
  [
    'live-timeline-lag',
    state(traced(unfollowedTrace), traced(followedTrace), {
      type: 'show',
      view: 'timeline',
    }),
    small,
  ],
  ['live-nodes-lag', state(traced(followedTrace), { type: 'show', view: 'nodes' }), small],
  ['live-walk-without-client', state(traced(), { type: 'show', view: 'walk' }), small],
  [
    'live-walk-awaited',
    state(traced({ ...exampleTrace, spec: { ...exampleTrace.spec, from: { pod: 'client-c' } } }), {
      type: 'show',
      view: 'walk',
    }),
    small,
  ],
  [
    'live-logs',
    state(
      traced(),
      { type: 'show', view: 'logs' },
      { type: 'logs', event: { kind: 'pods', pods: 2, waiting: [], none: '' } },
      { type: 'logs', event: { kind: 'lines', lines: logLines } },
      { type: 'moveCursor', by: -1, last: 3 },
      { type: 'fold', key: 'log 2' },
    ),
    small,
  ],
  [
    'live-logs-restart',
    state(
      traced(),
      { type: 'show', view: 'logs' },
      {
        type: 'logs',
        event: { kind: 'pods', pods: 3, waiting: ['auth-service-5995955cd8-4tml7 (CrashLoopBackOff)'], none: '' },
      },
      { type: 'logs', event: { kind: 'lines', lines: restarting } },
    ),
    small,
  ],
  [
    'live-logs-none',
    state(
      traced(),
      { type: 'show', view: 'logs' },
      {
        type: 'logs',
        event: {
          kind: 'pods',
          pods: 0,
          waiting: [],
          none: 'Service "auth-service" has no pod (app=auth) in namespace "default".',
        },
      },
    ),
    small,
  ],
  [
    'live-palette',
    state(traced(), { type: 'openInput', kind: 'command' }, { type: 'type', text: 'nb', chosen: 1 }),
    small,
  ],
  ['live-help', state(traced(), { type: 'toggleHelp' }), small],
  [
    'live-lost',
    state(
      traced(),
      { type: 'event', event: { kind: 'lost', reason: 'the connection went silent' }, at: now },
      { type: 'tick', at: now + 12_000 },
    ),
    small,
  ],
  [
    'live-lost-before-an-answer',
    state(
      { type: 'event', event: { kind: 'lost', reason: 'https://10.0.0.1:6443: no answer within 30 s' }, at: now },
      { type: 'tick', at: now + 12_000 },
    ),
    small,
  ],
  [
    'live-resumed',
    state(
      traced(),
      { type: 'event', event: { kind: 'lost', reason: 'https://10.0.0.1:6443: read ECONNRESET' }, at: now },
      { type: 'event', event: { kind: 'resumed' }, at: now + 12_000 },
      { type: 'show', view: 'timeline' },
    ),
    small,
  ],
  ['live-waiting-for-probes', state(traced(traceWith([pulling, tainted, refused]))), small],
  [
    'live-waiting-for-probes-nodes',
    state(traced(traceWith([pulling, tainted, refused])), { type: 'show', view: 'nodes' }),
    small,
  ],
  ['live-partial', state(traced(traceWith([overQuota])), { type: 'selectNode', node: 'node-c' }), small],
  [
    'live-logs-forbidden',
    state(traced(), { type: 'show', view: 'logs' }, { type: 'logs', event: { kind: 'failed', reason: mayNot } }),
    small,
  ],
  [
    'live-logs-broken',
    state(
      traced(),
      { type: 'show', view: 'logs' },
      {
        type: 'logs',
        event: { kind: 'pods', pods: 3, waiting: ['auth-service-5995955cd8-4tml7 (CrashLoopBackOff)'], none: '' },
      },
      { type: 'logs', event: { kind: 'lines', lines: logLines.slice(0, 1) } },
      { type: 'logs', event: { kind: 'failed', reason: mayNot } },
    ),
    small,
  ],
  ['live-action-forbidden', state(traced(), { type: 'say', text: mayNot }), small],
  [
    'live-silent',
    state(traced(notYet), {
      type: 'event',
      event: { kind: 'silent', message: 'The svctrace operator does not run.' },
      at: now,
    }),
    small,
  ],
  ['live-stale', state(traced(), { type: 'tick', at: now + 60_000 }), small],
  ['live-1000-nodes', state(traced(thousand), { type: 'selectBy', nodes: 500 }), small],
  [
    'live-1000-nodes-table',
    state(traced(thousand), { type: 'show', view: 'nodes' }, { type: 'setCursor', row: 500 }),
    small,
  ],
];

describe('screen', () => {
  it.each(screens)('%s', async (name, shown, size) => {
    const frame = screenOf(shown, size);
    await expect(`${frame}\n`).toMatchFileSnapshot(`screens/${name}.txt`);
    const lines = frame.split('\n');
    expect(lines).toHaveLength(size.rows);
    for (const line of lines) expect(stringWidth(line), line).toBeLessThanOrEqual(size.columns);
  });

  it('says of the selected node alone that it differs from its peers', () => {
    expect(screenOf(state(traced(disagreeingTrace)), large)).toContain(
      'differs from its peers: packets of clients outside keep their source',
    );
    expect(screenOf(state(traced(disagreeingTrace), { type: 'selectBy', nodes: 1 }), large)).not.toContain(
      'differs from its peers',
    );
  });
});

describe('colour', () => {
  let frames: { name: string; palette: Palette; frame: string; plain: string }[] = [];
  beforeAll(() => {
    frames = ([16, 256] as const).flatMap((palette) =>
      screens.map(([name, shown, size]) => {
        const frame = { name, palette, frame: screenOf(shown, size, palette), plain: screenOf(shown, size) };
        // One after the other: each goes on painting until it is ended.
        cleanup();
        return frame;
      }),
    );
  }, 60_000);
  const codesOf = (frame: string): string[] => [...frame.matchAll(/\u001b\[([\d;]*)m/g)].map(([, code = '']) => code);

  it('changes no letter of any screen', () => {
    for (const { name, frame, plain } of frames) expect(stripVTControlCharacters(frame), name).toBe(plain);
  });

  it('is none without colour', () => {
    for (const { name, plain } of frames) expect(plain, name).not.toContain('\u001b');
  });

  it('is one that can be read on a dark and on a light terminal', () => {
    const codes = (palette: Palette): Set<string> =>
      new Set(frames.filter((each) => each.palette === palette).flatMap(({ frame }) => codesOf(frame)));
    // Bold, dim and their ends; no black, no white, none of the bright ones (90 to 97), no background.
    const styles = ['0', '1', '2', '22', '39'];
    expect([...codes(16)].filter((code) => !styles.includes(code) && !/^3[1-6]$/.test(code))).toEqual([]);
    const indexed = [...codes(256)].filter((code) => !styles.includes(code));
    expect(indexed.length).toBeGreaterThanOrEqual(4);
    for (const code of indexed) {
      const index = Number(/^38;5;(\d+)$/.exec(code)?.[1]);
      const light = luminance(index);
      expect(1.05 / (light + 0.05), `${code} on white`).toBeGreaterThanOrEqual(3.9);
      expect((light + 0.05) / 0.05, `${code} on black`).toBeGreaterThanOrEqual(3.9);
    }
  });

  it('says nothing that the words beside it do not say: one text has one colour, on every screen', () => {
    const colors = new Map<string, Set<string>>();
    for (const { frame, palette, name } of frames) {
      // Logs have a colour for each pod, whose name is what is painted.
      if (palette !== 16 || name === 'live-logs') continue;
      for (const [, color = '', text = ''] of frame.matchAll(/\u001b\[(3[1-6])m([^\u001b]*)/g)) {
        expect(text.trim(), `${name}: a colour without a word`).not.toBe('');
        colors.set(text, (colors.get(text) ?? new Set()).add(color));
      }
    }
    expect(colors.size).toBeGreaterThan(20);
    for (const [text, seen] of colors) expect([...seen], text).toHaveLength(1);
  });
});

/** Of one of the 216 colours past the first 16, as WCAG 2 defines it. */
function luminance(index: number): number {
  const levels = [0, 95, 135, 175, 215, 255];
  const place = index - 16;
  const [red = 0, green = 0, blue = 0] = [Math.floor(place / 36), Math.floor(place / 6) % 6, place % 6].map((each) => {
    const part = (levels[each] ?? 0) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** A source whose events the test gives. */
function openSource(): {
  source: TraceSource;
  give: (event: TraceEvent) => void;
  isFollowed: () => boolean;
  fail: (error: Error) => void;
} {
  let listener: ((event: TraceEvent) => void) | undefined;
  let reject: (error: Error) => void = () => undefined;
  return {
    give: (event) => listener?.(event),
    fail: (error) => {
      reject(error);
    },
    isFollowed: () => listener !== undefined,
    source: {
      origin: { kind: 'operator' },
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

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 40);
  });

it.each([
  [{ TERM: 'xterm' }, 16],
  [{ TERM: 'xterm-256color' }, 256],
  [{ TERM: 'screen', TMUX: '/tmp/socket' }, 256],
  [{ TERM: 'vt100' }, 16],
  [{ TERM: 'xterm', COLORTERM: 'truecolor' }, 256],
])('finds the colours of %j', (env, palette) => {
  expect(paletteOf(Object.create(WriteStream.prototype) as WriteStream, env)).toBe(palette);
});

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
    const app = render(
      <LiveApp
        source={{ ...source, ...more }}
        theme={createTheme(false)}
        copy={(text) => {
          copied.push(text);
        }}
        start={start}
      />,
    );
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

  it('means each of the keys that come in one piece', async () => {
    const clients: string[] = [];
    const { screen, press } = await open({
      walkFrom: async (client) => {
        clients.push(client);
      },
    });
    await press('jj');
    expect(screen()).toContain('▸ node-c');
    await press('c10.244.0.7\r');
    expect(clients).toEqual(['10.244.0.7']);
    await press('2/nftx\u007f');
    expect(screen()).toContain('/nft█');
    await press('ables\r');
    expect(screen()).toContain('1 of 3 nodes');
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
    if (program === undefined || services === undefined || endpoint === undefined)
      throw new Error('the example has no chains');
    const middle = {
      ...services,
      name: 'KUBE-SVC-MUEJEZ6DR7OLMVAV',
      rules: [{ text: `-A KUBE-SVC-MUEJEZ6DR7OLMVAV -j ${endpoint.name}`, packets: 4, bytes: 240 }],
    };
    await give({
      kind: 'trace',
      trace: withStatus({ programs: [{ ...program, chains: [services, middle, endpoint] }] }),
    });
    const jump = '-d 10.96.216.123/32 -p tcp';
    expect(services.rules[0]?.text).toContain(jump);
    expect(screen()).toContain(jump);
    await press(' ');
    expect(screen()).not.toContain(jump);
    await press('z', 'z', down);
    await press(enter);
    expect(screen()).toMatch(/▸ +- IPv4 nat KUBE-SVC-MUEJEZ6DR7OLMVAV/);
  });

  it('says what the chosen rule does, and opens the chain that it jumps to', async () => {
    const { screen, press, give } = await open({}, { view: 'rules' });
    await give({ kind: 'trace', trace: recorded });
    await press('g', down, down, down);
    expect(screen()).toContain(
      'TCP connections to 10.96.2.60 port 80 go to chain KUBE-SVC-FCQA5OQTFYIPVXUO, which chooses',
    );
    expect(screen()).toContain('100.0% of the connections end at endpoints behind it');
    expect(screen()).toContain('Enter: KUBE-SVC-FCQA5OQTFYIPVXUO');
    expect(screen()).toContain('written by syncProxyRules in pkg/proxy/iptables/proxier.go (Kubernetes 1.37)');
    await press('x');
    expect(screen()).not.toContain('written by');
    await press('x', enter);
    expect(screen()).toMatch(/▸ +- IPv4 nat KUBE-SVC-FCQA5OQTFYIPVXUO/);
    await press(':', 'explain', enter);
    expect(screen()).not.toContain(': 4 rules');
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

  it('y copies the command of the row alone, and says so until the next key', async () => {
    const { screen, press, copied } = await open({}, { view: 'findings' });
    await press('y');
    expect(copied).toEqual(['kubectl -n kube-system logs pod/kube-proxy-b']);
    expect(screen()).toContain('copied: ');
    await press(down);
    expect(screen()).not.toContain('copied: ');
  });

  it('s saves where it can, and shows the result', async () => {
    const saving = await open({ save: async () => 'auth-service-1.svctrace' });
    await saving.press('s');
    expect(saving.screen()).toContain('saved to auth-service-1.svctrace');
    const failing = await open({
      save: async () => {
        throw new Error('you may not create pods');
      },
    });
    await failing.press('s');
    await vi.waitFor(() => {
      expect(failing.screen()).not.toContain('saving a bundle');
    });
    expect(failing.screen()).toContain('you may not create pods');
    const without = await open();
    await without.press('s');
    expect(without.screen()).toContain('nothing to save');
  });

  it('c asks for a client, and walks its packet', async () => {
    const clients: string[] = [];
    const { screen, press, give } = await open({
      walkFrom: async (client) => {
        clients.push(client);
      },
    });
    await press('c', '10.244.0.7', enter);
    expect(clients).toEqual(['10.244.0.7']);
    expect(screen()).toContain('[7 walk]');
    const walk = {
      node: 'node-a',
      source: '10.244.0.7',
      destination: '10.96.0.7',
      destinationPort: 80,
      protocol: 'TCP' as const,
      verdict: 'DNAT' as const,
      masquerade: false,
      destinations: [{ address: '10.244.1.2', port: 8080, probability: 1 }],
      path: [
        { table: 'nat', chain: 'KUBE-SERVICES', rule: '-A KUBE-SERVICES -j KUBE-SVC-X', effect: 'jumps to KUBE-SVC-X' },
      ],
      unknown: [],
    };
    await give({ kind: 'trace', trace: withStatus({ walks: [walk] }) });
    expect(screen()).toContain('1  nat KUBE-SERVICES: jumps to KUBE-SVC-X');
    expect(screen()).toContain('DNAT to 10.244.1.2:8080 (100.0%), its source stays');
  });

  it('each step of a walk is explained in plain words', async () => {
    const bundle = await openBundle(fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url)), {
      service: undefined,
      namespace: undefined,
    });
    const { screen, press, give, copied } = await open({}, { view: 'walk' });
    let walked: ServiceTrace | undefined;
    await bundle.follow((event) => {
      if (event.kind === 'trace') walked = event.trace;
    }, new AbortController().signal);
    await bundle.walkFrom?.('10.244.1.77');
    if (walked === undefined) throw new Error('the bundle gave no trace');
    await give({ kind: 'trace', trace: walked });
    await press('g', 'y');
    const command = copied.at(-1) ?? '';
    expect(command).toBe('kubectl svctrace simulate auth-service -n default --from 10.244.1.77 --to 10.96.2.60:80/tcp');
    expect(await parseCommandLine(command.split(' ').slice(2), 100)).toMatchObject({
      kind: 'request',
      request: { command: 'simulate', origin: { kind: 'service', service: 'auth-service' } },
    });
    await press('g', down, down, down);
    expect(screen()).toContain('▸ 2  nat KUBE-SERVICES');
    // What explains rules is loaded with the first walk.
    await expect
      .poll(screen, { timeout: 20_000 })
      .toMatch(/TCP connections to 10\.96\.2\.60 port 80 go to chain KUBE-SVC-FCQA5OQTFYIPVXUO/);
    await press('x');
    expect(screen()).not.toContain('TCP connections to');
  });

  it('the logs are opened when they are first shown, and followed from then on', async () => {
    let give: (event: LogEvent) => void = () => undefined;
    let signal: AbortSignal | undefined;
    const { screen, press, copied } = await open({
      logs: async (onEvent, end) => {
        give = onEvent;
        signal = end;
      },
    });
    expect(signal).toBeUndefined();
    await press('8');
    expect(screen()).toContain('asking for the pods of the Service');
    give({ kind: 'pods', pods: 2, waiting: [], none: 'none' });
    give({
      kind: 'lines',
      lines: Array.from({ length: 60 }, (_, index) => ({
        from: `auth-${String(index % 2)}/app`,
        time: '2026-11-24T10:00:01Z',
        text: `line ${String(index)}`,
      })),
    });
    await settle();
    expect(screen()).toContain('2 pods, 60 lines, times in UTC; the newest is followed');
    expect(screen()).toMatch(/▸ 10:00:01 auth-1 line 59/);
    await press('k', 'y');
    expect(copied).toEqual(['line 58']);
    expect(screen()).toContain('stays here');
    await press('/', 'auth-0 line 2', enter);
    expect(screen()).toContain('10 of 60 lines');
    expect(screen()).not.toContain('line 59');
    await press(escape, 'f');
    expect(screen()).toMatch(/▸ 10:00:01 auth-1 line 59/);
    await press('1');
    expect(signal?.aborted).toBe(false);
    await press('q');
    expect(signal?.aborted).toBe(true);
  });

  it('r asks for the logs again where they were refused', async () => {
    let times = 0;
    const { screen, press } = await open(
      {
        logs: async () => {
          times += 1;
          throw new Error('User "jane" may not get pods/log');
        },
      },
      { view: 'logs' },
    );
    expect(screen()).toContain('✖ no logs: User "jane" may not get pods/log (r tries again)');
    await press('r');
    expect(times).toBe(2);
  });

  it('says where there are no logs', async () => {
    const { screen } = await open({ origin: { kind: 'recorded', at: '2026-11-24T11:00:00Z' } }, { view: 'logs' });
    expect(screen()).toContain('▲ no logs here: this is recorded 2026-11-24 11:00 UTC');
  });

  it('the timeline shows what changed', async () => {
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

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Esc', '\u001b'],
    ['Esc and q in one piece', '\u001bq'],
  ])('%s quits', async (_name, keys) => {
    const { press, isFollowed } = await open();
    await press(keys);
    await settle();
    expect(isFollowed()).toBe(false);
  });
});
