/**
 * How long a key takes, from its arrival to the last byte of the frame that answers it, in every view of a large trace:
 * the live view as it is, on a terminal of 120x40 that is not a terminal. On a machine that does other work too, the best of
 * some rounds says what a key costs, and all of them what a user waits. Started by bench/live-view.ts.
 */
import { createElement } from 'react';
import { render } from 'ink';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { TraceEvent, TraceSource } from '../../cmd/sources/source.ts';
import { loadExplainers } from '../../cmd/views/state/explainers.ts';
import { LiveApp } from '../../cmd/views/live-app.tsx';
import { renderOptions } from '../../cmd/views/show.tsx';
import { createTheme } from '../../cmd/views/state/theme.ts';
import { fakeTerminal } from '../../test/support/fake-terminal.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { largeTrace } from './large-trace.ts';

const [up, down, pageDown, enter, escape, backspace] = ['\u001b[A', '\u001b[B', '\u001b[6~', '\r', '\u001b', '\u007f'];
const filtering = ['/', ...'auth', backspace, enter, 'j', escape];
const moving = [down, down, up, 'j', 'k', 'J', 'K', pageDown, 'f', 'b', 'G', 'k', 'g', ']', ']', '['];

/** By view: its digit, and the keys that are pressed in it. */
const views: readonly [string, string, readonly string[]][] = [
  ['path', '1', [...moving, ' ', ' ', ...filtering]],
  [
    'nodes',
    '2',
    [...moving, 'o', 'o', 'o', 'o', 'o', 'o', 'O', 'p', 'j', 'p', '/', ...'node-00', backspace, enter, escape],
  ],
  ['rules', '3', [...moving, 'g', down, enter, ' ', 'z', 'j', 'z', ...filtering]],
  ['conntrack', '4', [...moving, 'e', 'j', 'e', ...filtering]],
  ['findings', '5', [...moving, enter, 'j', enter, 'z', 'z', ...filtering]],
  ['timeline', '6', [...moving, ...filtering]],
  ['walk', '7', [...moving, ...filtering]],
  ['help and palette', '1', ['?', '?', ':', ...'node-09', down, enter, ':', ...'fold', backspace, escape]],
];

const rounds = 5;

let give: (event: TraceEvent) => void = () => undefined;
const source: TraceSource = {
  origin: { kind: 'operator' },
  follow: (onEvent) =>
    new Promise(() => {
      give = onEvent;
    }),
  close: async () => undefined,
};
const terminal = fakeTerminal(120, 40);
await loadExplainers();
render(createElement(LiveApp, { source, theme: createTheme(true), copy: () => undefined }), {
  ...renderOptions,
  stdin: terminal.stdin,
  stdout: terminal.stdout,
});
await sleep(100);

interface Latency {
  /** Milliseconds until the last write. */
  readonly wait: number;
  /** Milliseconds of CPU, of all threads, whatever else the machine does. */
  readonly cpu: number;
}

async function latency(cause: () => void): Promise<Latency> {
  // Longer than a frame: no key waits for the one before it.
  await sleep(25);
  const [started, before] = [performance.now(), process.cpuUsage()];
  cause();
  do await sleep(5);
  while (performance.now() - Math.max(started, terminal.lastWrite()) < 25);
  const { user, system } = process.cpuUsage(before);
  return { wait: Math.max(0, terminal.lastWrite() - started), cpu: (user + system) / 1000 };
}

/** So long after a result, in milliseconds, nothing is left to do of it, however busy the machine is. */
const arrived = 600;

/** Milliseconds until the frame that shows a result (undefined where nothing of it is seen), and the longest of them in which no key was taken. */
async function arrival(trace: ServiceTrace): Promise<{ readonly until: number | undefined; readonly longest: number }> {
  const started = performance.now();
  let [turn, longest] = [started, 0];
  give({ kind: 'trace', trace });
  while (turn - started < arrived) {
    await nextTurn();
    const now = performance.now();
    longest = Math.max(longest, now - turn);
    turn = now;
  }
  return { until: terminal.lastWrite() < started ? undefined : terminal.lastWrite() - started, longest };
}

interface Measured {
  readonly key: string;
  readonly taken: Latency[];
}

/** Of each view its keys in turn, with what each took in each round. */
const measured = views.map(([, digit, keys]) => [digit, ...keys].map((key): Measured => ({ key, taken: [] })));
const results: Awaited<ReturnType<typeof arrival>>[] = [];
for (let round = 0; round < rounds; round += 1) {
  for (const [index, ofView] of measured.entries()) {
    // Nothing that was worked out for the last result helps.
    const trace = largeTrace(round * measured.length + index);
    globalThis.gc?.();
    results.push(await arrival(trace));
    // What this bench throws away is not a part of a key.
    globalThis.gc?.();
    for (const { key, taken } of ofView) {
      const { wait, cpu } = await latency(() => {
        terminal.press(key);
      });
      // ink waits so long after Esc, whether more of a sequence comes.
      taken.push({ wait: key === escape ? wait - 20 : wait, cpu });
    }
  }
}

const titles = [
  'view',
  'keys',
  'wait, best of 5: median',
  'p99',
  'max',
  'wait, each time: median',
  'p99',
  'max',
  'CPU, best of 5: median',
  'p99',
  'max',
  'slowest keys',
];
process.stdout.write(`${titles.join(' | ')}\n`);
for (const [index, [view]] of views.entries()) writeRow(view, measured[index] ?? []);
writeRow('all', measured.flat());
writeResult(
  'is shown after',
  results.flatMap(({ until }) => until ?? []),
);
writeResult(
  'keeps keys waiting for at most',
  results.map(({ longest }) => longest),
);
process.exit(0);

function writeResult(what: string, milliseconds: readonly number[]): void {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  process.stdout.write(
    `a new result, with all its counters changed, ${what} ${quantile(sorted, 0.5)} ms (median), ${quantile(sorted, 1)} ms (most)\n`,
  );
}

function writeRow(view: string, keys: readonly Measured[]): void {
  const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((one, other) => one - other);
  const best = sorted(keys.map(({ taken }) => Math.min(...taken.map(({ wait }) => wait))));
  const all = sorted(keys.flatMap(({ taken }) => taken.map(({ wait }) => wait)));
  const cpuOf = ({ taken }: Measured): number => Math.min(...taken.map(({ cpu }) => cpu));
  const cpu = sorted(keys.map(cpuOf));
  const slowest = keys
    .toSorted((one, other) => cpuOf(other) - cpuOf(one))
    .slice(0, 3)
    .map((each) => `${JSON.stringify(each.key)} ${cpuOf(each).toFixed(0)}`);
  process.stdout.write(
    `${[view, String(keys.length), ...[best, all, cpu].flatMap((numbers) => [0.5, 0.99, 1].map((share) => quantile(numbers, share))), slowest.join(' ')].join(' | ')}\n`,
  );
}

function quantile(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN).toFixed(1);
}
