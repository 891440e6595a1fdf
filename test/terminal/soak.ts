/**
 * The plugin with an API server whose trace changes many times a second, on a terminal, while keys are pressed: its heap
 * after a collection of all garbage must not grow, nor what it listens to, and in the end the screen must be right.
 */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeStatus, ServiceTrace } from '../../core/api/service-trace.ts';
import { exampleTrace, nodeA, targets, withStatus } from '../support/example-trace.ts';
import { openTerminal } from '../support/terminal.ts';
import { startTraceServer } from './trace-server.ts';

export interface SoakSample {
  readonly atSeconds: number;
  readonly heapMegabytes: number;
  /** Listeners of the process, its streams and its signals. */
  readonly listeners: number;
  /** Results that were sent until then. */
  readonly results: number;
}

export interface SoakResult {
  /** At least one each ten seconds. */
  readonly samples: readonly SoakSample[];
  /** The whole screen after the last result. */
  readonly screen: string;
  /** Packets of the last result, which the screen shows. */
  readonly packets: number;
}

const nodeCount = 120;
const resultsPerSecond = 10;
const keys = [
  'Down',
  'Down',
  '2',
  'o',
  'p',
  'j',
  '3',
  'j',
  'Space',
  'Space',
  '4',
  '5',
  'Enter',
  '6',
  'j',
  '7',
  '8',
  '?',
  'Escape',
  ':',
  'Escape',
  '1',
  ']',
  '[',
];

/** @param plugin the bundled plugin @param onSample called with each sample */
export async function soak(
  plugin: string,
  seconds: number,
  onSample: (sample: SoakSample) => void = () => undefined,
): Promise<SoakResult> {
  const folder = mkdtempSync(join(tmpdir(), 'svctrace-soak-'));
  const measurements = join(folder, 'measurements');
  const server = await startTraceServer(resultOf(0));
  const command = `${process.execPath} --expose-gc --import=${fileURLToPath(new URL('measure-on-signal.mjs', import.meta.url))} ${plugin} auth-service -n default --server ${server.address}`;
  const terminal = await openTerminal('', {
    columns: 120,
    rows: 40,
    env: { HOME: folder, KUBECONFIG: '', NO_COLOR: '', SVCTRACE_MEASUREMENTS: measurements },
  });
  try {
    await terminal.type(`PS1='shell> '; clear; sh -c 'echo $$ > ${folder}/pid; exec ${command}'`);
    await terminal.waitFor(/node-000[\s\S]*node-001/);
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
    const samples: SoakSample[] = [];
    const started = performance.now();
    const elapsed = (): number => (performance.now() - started) / 1000;
    let results = 0;
    let pressed = 0;
    while (elapsed() < seconds) {
      results += 1;
      server.write(resultOf(results));
      await sleep(1000 / resultsPerSecond);
      if (results % 5 === 0) {
        await terminal.press(keys[pressed % keys.length] ?? '1');
        pressed += 1;
      }
      if (elapsed() < (samples.length + 1) * Math.min(10, seconds / 12)) continue;
      process.kill(pid, 'SIGUSR2');
      const measured = await lineOf(measurements, samples.length);
      const sample = { atSeconds: elapsed(), ...measured, results };
      samples.push(sample);
      onSample(sample);
    }
    await terminal.press('Escape', '1', 'g');
    server.write(resultOf(results + 1));
    const packets = packetsOf(results + 1);
    const screen = await terminal.settled(new RegExp(` ${String(packets)} packets`), 30);
    await terminal.press('q');
    await terminal.waitFor(/shell> *$/m);
    if (server.isTraced()) throw new Error('the trace that was made for the view is still there');
    return { samples, screen, packets };
  } finally {
    await terminal.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function lineOf(file: string, index: number): Promise<Pick<SoakSample, 'heapMegabytes' | 'listeners'>> {
  for (let turn = 0; turn < 200; turn += 1) {
    await sleep(50);
    let text = '';
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      continue;
    }
    // The last piece is not a whole line yet.
    const line = text.split('\n').slice(0, -1)[index];
    if (line === undefined) continue;
    const [heap = NaN, listeners = NaN] = line.split(' ').map(Number);
    return { heapMegabytes: heap / 1024 / 1024, listeners };
  }
  throw new Error('the plugin does not say how much memory it uses');
}

function packetsOf(round: number): number {
  return 1000 + 7 * round;
}

/** Counters grow with each round, nodes fail and come back, endpoints become ready and unready, findings come and go. */
function resultOf(round: number): ServiceTrace {
  const [port] = nodeA.ports;
  const [slice] = exampleTrace.status?.endpointSlices ?? [];
  const [finding] = exampleTrace.status?.findings ?? [];
  const [program] = exampleTrace.status?.programs ?? [];
  if (port === undefined || slice === undefined || finding === undefined || program === undefined)
    throw new Error('the example has not what is needed');
  const at = new Date(Date.now()).toISOString();
  const name = (index: number): string => `node-${String(index).padStart(3, '0')}`;
  return withStatus({
    collectedAt: at,
    endpointSlices: [
      {
        ...slice,
        endpoints: slice.endpoints.map((endpoint, index) => ({ ...endpoint, ready: (round + index) % 5 !== 0 })),
      },
    ],
    programs: [
      {
        ...program,
        nodes: Array.from({ length: nodeCount }, (_, index) => name(index)),
        chains: program.chains.map((chain) => ({
          ...chain,
          rules: chain.rules.map((rule) => ({ ...rule, packets: packetsOf(round) })),
        })),
      },
    ],
    nodes: Array.from({ length: nodeCount }, (_, index): NodeStatus =>
      index > 0 && (index + round) % 31 === 0
        ? {
            name: name(index),
            probe: { state: 'Failed', reason: 'Evicted', message: 'the node has no memory left' },
            proxyMode: 'unknown',
            ports: [],
          }
        : {
            ...nodeA,
            name: name(index),
            probe: { state: 'Collected', collectedAt: at, durationMilliseconds: 41 },
            ports: [
              {
                ...port,
                packets: packetsOf(round),
                dnatTargets: targets([round, 2 * round, 3 * round], [4, 1, round % 9]),
              },
            ],
          },
    ),
    findings: Array.from({ length: nodeCount }, (_, index) => ({
      ...finding,
      where: `node/${name(index)}`,
      node: name(index),
      message: `${name(index)} sends no packet to an endpoint.`,
    })).filter((_, index) => (index + round) % 7 === 0),
  });
}
