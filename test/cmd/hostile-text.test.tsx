/**
 * Text of others that attacks the terminal, through every command, format and view. A command, a format or a view that
 * is added is asked here too, or this file does not compile: the tables are those of the command line.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { cleanup, render } from 'ink-testing-library';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ApiError } from '../../cmd/cluster/api-error.ts';
import { connect } from '../../cmd/cluster/cluster-client.ts';
import { parseCommandLine } from '../../cmd/cli/command-line.ts';
import { commandNames, type CommandName } from '../../cmd/cli/flags.ts';
import { complete, runComplete, runCompletion } from '../../cmd/commands/completion.ts';
import { runDiagram } from '../../cmd/commands/diagram.ts';
import { runDns } from '../../cmd/commands/dns.ts';
import { runExplain } from '../../cmd/commands/explain.ts';
import { explainError } from '../../cmd/cluster/explain-error.ts';
import type { Io, OutputStream } from '../../cmd/cli/io.ts';
import { runLogs } from '../../cmd/commands/logs.ts';
import { jsonText, yamlText } from '../../cmd/cli/output.ts';
import { runFindings } from '../../cmd/commands/findings.ts';
import { runVersion } from '../../cmd/commands/version.ts';
import { printTrace } from '../../cmd/printers/print.ts';
import { ownText, visible, visibleText } from '../../core/lib/visible.ts';
import { createProgress } from '../../cmd/cli/progress.ts';
import { partialText, waitingText } from '../../cmd/sources/event-text.ts';
import { runRollout } from '../../cmd/commands/rollout.ts';
import { runReport } from '../../cmd/commands/report.ts';
import { outputFormats, rolloutFormats, viewNames, type OutputFormat, type Request } from '../../cmd/cli/request.ts';
import { runSimulate } from '../../cmd/commands/simulate.ts';
import type { TraceEvent } from '../../cmd/sources/source.ts';
import type { LogEvent } from '../../cmd/logs/event.ts';
import { runStatus } from '../../cmd/commands/status.ts';
import { eraseLine, messageStream, textStream } from '../../cmd/cli/streams.ts';
import { runTrace } from '../../cmd/commands/trace.ts';
import { loadExplainers } from '../../cmd/views/state/explainers.ts';
import { LiveApp } from '../../cmd/views/live-app.tsx';
import { Picker } from '../../cmd/views/picker.tsx';
import { createTheme } from '../../cmd/views/state/theme.ts';
import { serviceTraceSchema, type ServiceTrace } from '../../core/api/service-trace.ts';
import { flagsFor, sendJson, startApiServer, type ApiServer, allowAll } from '../support/api-server.ts';
import { fakeCluster } from '../support/fake-cluster.ts';
import { fixture } from '../support/drifted-bundle.ts';
import { arrived, change, pending, pod, serving } from '../support/rollout-changes.ts';
import { disagreeingTrace, exampleTrace } from '../support/example-trace.ts';
import fc from 'fast-check';

/** Each with what a terminal does with it. */
const attacks: Readonly<Record<string, string>> = {
  'OSC 52 writes the clipboard': '\u001b]52;c;cm0gLXJmIH4=\u0007',
  'OSC 8 hides an address behind a link': '\u001b]8;;http://evil.example\u001b\\kubernetes.io\u001b]8;;\u001b\\',
  'CSI 2J erases the screen': '\u001b[2J\u001b[H',
  'OSC 0 sets the title': '\u001b]0;owned\u0007',
  'DCS talks to the terminal': '\u001bP$q"p\u001b\\',
  'APC and PM': '\u001b_x\u001b\\\u001b^x\u001b\\',
  'colours that hide text': '\u001b[8m\u001b[30;40mhidden\u001b[0m',
  'a colour of our own': '\u001b[31mERROR\u001b[39m',
  'C1 CSI': '\u009b2J',
  'C1 OSC': '\u009d0;owned\u009c',
  'carriage return overwrites the line': 'bad\rgood',
  'backspace overwrites letters': 'bad\b\b\bgood',
  bell: '\u0007',
  DEL: '\u007f',
  'newline makes a line of its own': 'x\nNotice: all is well',
  'vertical tab and form feed': '\u000b\u000c',
  'shift out changes the letters': '\u000e',
  'NEL and NUL': '\u0085\u0000',
  'BOM and zero width': '\ufeff\u200b\u200d\u2060',
  'bidi override': 'safe\u202egnp.exe\u202c',
  'bidi isolate': '\u2066x\u2069',
  'line and paragraph separator': '\u2028\u2029',
  'tag characters': '\u{e0041}\u{e0042}',
  'half of a pair': '\ud800',
};
const all = Object.values(attacks).join('');
const withoutLines = all.replaceAll('\n', '');

/** What a text holds that a terminal would obey or hide, past our own colours. */
function obeyed(text: string, allowed: RegExp = /\n/g): string[] {
  const own = /\u001b\[(?:1|2|22|3[1-6]|39|38;5;\d{1,3})m/g;
  return (
    text
      .replace(own, '')
      .replace(allowed, '')
      .match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu) ?? []
  );
}

/** Every colour that is opened is closed: none of an attack stays. */
function expectSafe(text: string, allowed?: RegExp): void {
  expect(obeyed(text, allowed)).toEqual([]);
}

const enumValues = new Set<string>();
JSON.stringify(serviceTraceSchema, (key, value: unknown) => {
  if (key === 'enum' && Array.isArray(value)) for (const each of value) enumValues.add(String(each));
  return value;
});
const isTime = /^\d{4}-\d\d-\d\dT/;

/** Every text of the value with the attack behind it, but those that its schema fixes. */
function poisoned<Value>(
  value: Value,
  attack: string,
  isFixed: (text: string, key: string) => boolean,
  key = '',
): Value {
  const into = (each: unknown, name: string): unknown => {
    if (typeof each === 'string') return isFixed(each, name) ? each : each + attack;
    if (Array.isArray(each)) return each.map((one) => into(one, name));
    if (typeof each === 'object' && each !== null)
      return Object.fromEntries(Object.entries(each).map(([own, one]) => [own, into(one, own)]));
    return each;
  };
  return into(value, key) as Value;
}

const isFixedInTrace = (text: string): boolean => enumValues.has(text) || isTime.test(text);
const traces: readonly ServiceTrace[] = [exampleTrace, disagreeingTrace].map((trace) =>
  poisoned(trace, all, isFixedInTrace),
);

interface Captured extends Io {
  readonly out: () => string;
  readonly err: () => string;
}

/** As testIo, on a terminal with colours; the streams do not mend what a printer lets through. */
function captured(): Captured {
  let out = '';
  let err = '';
  const stream = (add: (text: string) => void): OutputStream => ({
    isTTY: false,
    columns: 100,
    write: (text) => {
      add(text);
      return true;
    },
  });
  return {
    stdout: stream((text) => {
      out += text;
    }),
    stderr: stream((text) => {
      err += text;
    }),
    stdin: {},
    env: {},
    signal: new AbortController().signal,
    out: () => out,
    err: () => err,
  };
}

async function requestOf<Command extends Request['command']>(
  command: Command,
  ...words: string[]
): Promise<Extract<Request, { command: Command }>> {
  const parsed = await parseCommandLine([command, ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== command) throw new Error(`no request for ${command}`);
  return parsed.request as Extract<Request, { command: Command }>;
}

/** Of records, what decides how the others are read. */
const fixedKeys = new Set([
  'apiVersion',
  'kind',
  'scope',
  'mode',
  'outcome',
  'use',
  'family',
  'protocol',
  'type',
  'addressType',
  'role',
  'hop',
  'state',
  'phase',
  'backend',
  'version',
  'format',
  'trafficPolicy',
  'internalTrafficPolicy',
  'externalTrafficPolicy',
  'sessionAffinity',
  'ipFamilies',
  'ipFamilyPolicy',
  'clusterIPs',
  'addresses',
  'name',
  'node',
  'namespace',
  'service',
  'chain',
  'table',
  'proxyMode',
]);

const folder = await mkdtemp(join(tmpdir(), 'svctrace-hostile-'));

/** A bundle whose texts hold the attack; of the second kind, its names do too, and it may be refused. */
async function hostileBundle(name: string, attack: string, isWhole: boolean): Promise<string> {
  const file = join(folder, `${name}-${String(attack.length)}-${String(isWhole)}.svctrace`);
  const lines = (await readFile(fixture(name), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) =>
      JSON.stringify(
        poisoned(
          JSON.parse(line) as unknown,
          attack,
          (text, key) =>
            isTime.test(text) ||
            enumValues.has(text) ||
            (isWhole ? ['kind', 'family', 'format'].includes(key) : fixedKeys.has(key)),
        ),
      ),
    );
  await writeFile(file, `${listingItsNodes(lines).join('\n')}\n`);
  return file;
}

/** With the nodes that are in it named by its header, as a recording has it: without them, those of the endpoints are missed. */
function listingItsNodes(lines: readonly string[]): string[] {
  const [header = '{}', ...others] = lines;
  const nodes = others.flatMap((line) => {
    const { kind, node } = JSON.parse(line) as { kind?: unknown; node?: unknown };
    return (kind === 'answer' || kind === 'noAnswer') && typeof node === 'string' ? [node] : [];
  });
  return [JSON.stringify({ ...(JSON.parse(header) as object), nodes }), ...others];
}

/** The output of the command, whether it succeeds or not: its error is printed as main.ts prints it. */
async function outputOf(run: (io: Captured) => Promise<unknown>): Promise<Captured> {
  const io = captured();
  await run(io).catch((error: unknown) => {
    messageStream(io.stderr).write(`${error instanceof Error ? error.message : String(error)}\n`);
  });
  return io;
}

type Run = (file: string, output: string, io: Captured) => Promise<unknown>;

/** Of commands that show a bundle: their formats, and how they are run. */
const ofBundle: Readonly<Partial<Record<CommandName, { readonly formats: readonly string[]; readonly run: Run }>>> = {
  trace: {
    formats: outputFormats,
    run: async (file, output, io) => runTrace(await requestOf('trace', '--bundle', file, '-o', output), io),
  },
  explain: {
    formats: ['text', 'json', 'yaml'],
    run: async (file, output, io) => runExplain(await requestOf('explain', '--bundle', file, '-o', output), io),
  },
  diagram: {
    formats: ['text', 'mermaid', 'dot', 'svg'],
    run: async (file, output, io) => runDiagram(await requestOf('diagram', '--bundle', file, '-o', output), io),
  },
  dns: {
    formats: ['table', 'json', 'yaml'],
    run: async (file, output, io) => runDns(await requestOf('dns', '--bundle', file, '-o', output), io),
  },
  simulate: {
    formats: ['text', 'json', 'yaml'],
    run: async (file, output, io) =>
      runSimulate(
        await requestOf(
          'simulate',
          '--bundle',
          file,
          '--from',
          '10.244.1.3',
          '--to',
          await frontendOf(file),
          '-o',
          output,
        ),
        io,
      ),
  },
  report: {
    formats: ['html'],
    run: async (file, _output, io) => {
      const page = `${file}.html`;
      await runReport(await requestOf('report', '--bundle', file, '--to', page, '--overwrite'), io);
      io.stdout.write(await readFile(page, 'utf8'));
    },
  },
};

async function frontendOf(file: string): Promise<string> {
  const address = /"clusterIPs":\["([\d.]+)/.exec(await readFile(file, 'utf8'))?.[1] ?? '10.0.0.1';
  return `${address}:80`;
}

const servers: ApiServer[] = [];
afterEach(async () => {
  cleanup();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** An API server with one Service and one pod, whose log is the attacks, and whose names are no better. */
async function hostileServer(): Promise<ApiServer> {
  const server = await startApiServer((request, response) => {
    if (allowAll(request, response)) return;
    const { pathname } = new URL(request.url, 'http://api');
    const pod = {
      metadata: { name: `auth-1${all.replace('\ud800', '')}`, uid: 'u', resourceVersion: '1' },
      spec: { nodeName: 'node-a', containers: [{ name: 'app' }] },
      status: { containerStatuses: [{ name: 'app', restartCount: 0, state: { running: {} } }] },
    };
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `auth-service${pathname.endsWith('/auth-service') ? '' : all}`, namespace: 'default' },
      spec: {
        clusterIP: '10.96.0.7',
        clusterIPs: ['10.96.0.7'],
        selector: { app: 'auth' },
        ports: [{ port: 80, protocol: 'TCP' }],
      },
    };
    if (pathname.endsWith('/log'))
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end(`2026-11-24T10:00:00Z one\ttwo ${withoutLines}\n`);
    else if (pathname.endsWith('/services/auth-service')) sendJson(response, 200, service);
    else if (pathname.endsWith('/services'))
      sendJson(response, 200, { kind: 'ServiceList', apiVersion: 'v1', metadata: {}, items: [service] });
    else if (pathname.endsWith('/pods'))
      sendJson(response, 200, { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [pod] });
    else sendJson(response, 200, { kind: 'List', apiVersion: 'v1', metadata: {}, items: [] });
  });
  servers.push(server);
  return server;
}

async function logsOf(...words: string[]): Promise<Captured> {
  const server = await hostileServer();
  return outputOf(async (io) =>
    runLogs({ ...(await requestOf('logs', 'auth-service', ...words)), flags: flagsFor(server.address) }, io, connect),
  );
}

/** Of a Service whose endpoints, pods and nodes have such names, which the trace shows once the command has run. */
async function rolloutOf(format: (typeof rolloutFormats)[number], io: Captured): Promise<void> {
  const { status = {} } = exampleTrace;
  const nodes = (status.nodes ?? []).map((node) => ({ ...node, name: `node${all}` }));
  const convergence = { convergedNodes: 1, totalNodes: 3, resourceVersion: '100' };
  const changes = [
    change({
      version: 101,
      earliest: 1000,
      address: `10.0.0.1${all}`,
      pod: `pod${all}`,
      was: serving,
      present: false,
      nodes: [arrived(`node${all}`, 100), pending(`node-b${all}`)],
    }),
    change({
      version: 102,
      earliest: 2000,
      address: `10.0.0.2${all}`,
      pod: `new${all}`,
      is: serving,
      present: true,
      nodes: [arrived(`node${all}`, 100)],
    }),
  ];
  const cluster = fakeCluster({
    readWorkload: async () => ({ name: `deployment/${all}`, state: { kind: 'failed', reason: all } }),
    listOwnedPods: async () => ({
      pods: [{ ...pod('auth-1', '10.0.0.1'), uid: '1', owner: { kind: `Kind${all}`, name: `owner${all}` } }],
      resourceVersion: '1',
    }),
    onCreated: (name, { writeStatus }) => {
      setImmediate(() => {
        writeStatus(name, { ...status, convergence });
      });
    },
  });
  await runRollout(
    await requestOf('rollout', 'auth-service', '--settle', '0', '--timeout', '1ms', '-o', format, '--', 'run', all),
    io,
    {
      connectTo: () => cluster.client,
      run: async () => {
        const [{ metadata } = exampleTrace] = cluster.traces;
        cluster.writeStatus(metadata.name ?? '', { ...status, nodes, convergence: { ...convergence, changes } });
        return { exitCode: 3 };
      },
    },
  );
}

/** The others: what each can show of others' texts. */
const others = {
  logs: async () => logsOf(),
  status: async () =>
    outputOf(async (io) => {
      const { client } = fakeCluster({
        server: `https://api${all}`,
        namespace: `default${all}`,
        readOperator: async () => ({ image: `image${all}`, availableReplicas: 0, message: `message${all}` }),
      });
      await runStatus(await requestOf('status'), io, client);
    }),
  rollout: async () =>
    outputOf(async (io) => {
      for (const format of rolloutFormats) await rolloutOf(format, io);
    }),
  findings: async () => outputOf(async (io) => runFindings(await requestOf('findings'), io)),
  version: async () => outputOf(async (io) => runVersion(await requestOf('version'), io)),
  completion: async () =>
    outputOf(async (io) => {
      runCompletion(await requestOf('completion', 'fish'), io);
      const server = await hostileServer();
      await runComplete(
        {
          ...(await parseCommandLine(['__complete', '--server', server.address, 'trace', ''], 100).then((parsed) => {
            if (parsed.kind !== 'request' || parsed.request.command !== '__complete') throw new Error('no completion');
            return parsed.request;
          })),
        },
        io,
      );
    }),
  // They write bundles, packets and manifests as they are; what they say goes through the progress, and their errors as others do.
  record: async () => progressOf(),
  capture: async () => progressOf(),
  install: async () => progressOf(),
  uninstall: async () => progressOf(),
} satisfies Record<Exclude<CommandName, keyof typeof ofBundleNames>, () => Promise<Captured>>;

/** The names alone, for the compiler: with `others`, they are all commands. */
const ofBundleNames = { trace: 0, explain: 0, diagram: 0, dns: 0, simulate: 0, report: 0 } as const;

async function progressOf(): Promise<Captured> {
  const io = captured();
  const progress = createProgress(
    io.stderr,
    (() => {
      let time = 0;
      return () => (time += 5000);
    })(),
  );
  progress.say(`Notice: ${all}`);
  progress.update(`waiting for ${all}`);
  progress.say(waitingText(traces[0] ?? exampleTrace));
  progress.say(partialText(traces[0] ?? exampleTrace) ?? '');
  return io;
}

describe('what a trace holds', () => {
  it.each(
    outputFormats
      .filter(
        (format): format is Exclude<OutputFormat, 'mermaid' | 'dot' | 'svg'> =>
          !['mermaid', 'dot', 'svg'].includes(format),
      )
      .flatMap((format) => [true, false].map((useColor) => [format, useColor] as const)),
  )('is shown, not obeyed, as %s (colour %s)', (format, useColor) => {
    for (const trace of traces) {
      const text = printTrace(trace, format, { width: 100, useColor });
      expectSafe(text);
      if (format === 'table' || format === 'wide') {
        expect(text).toContain(String.raw`\x1b]52;c;`);
        // A line of an attack's own would begin at the left.
        expect(text).not.toMatch(/^Notice: all is well/m);
        if (useColor) expect(text).toContain('\u001b[31m');
      }
    }
  });

  it('is whole for programs', () => {
    for (const trace of traces) {
      expect(JSON.parse(printTrace(trace, 'json', { width: 100, useColor: false }))).toEqual(
        JSON.parse(JSON.stringify(trace)),
      );
      const yaml: unknown = parse(printTrace(trace, 'yaml', { width: 100, useColor: false }));
      expect(yaml).toMatchObject({ metadata: trace.metadata });
    }
  });
});

describe('what a bundle holds', () => {
  it('is asked of every command that shows one', () => {
    expect(Object.keys(ofBundle).sort()).toEqual(Object.keys(ofBundleNames).sort());
    expect([...Object.keys(ofBundle), ...Object.keys(others)].sort()).toEqual([...commandNames].sort());
  });

  it.each(
    Object.entries(ofBundle).flatMap(([command, { formats, run }]) =>
      formats.map((format) => [command, format, run] as const),
    ),
  )(
    'is shown, not obeyed, by %s -o %s',
    async (_command, format, run) => {
      for (const bundle of ['auth-service', 'sticky']) {
        for (const isWhole of [false, true]) {
          const io = await outputOf(async (own) =>
            run(await hostileBundle(bundle, isWhole ? all : withoutLines, isWhole), format, own),
          );
          expectSafe(io.out());
          // What the commands themselves write to stderr, main.ts passes through the stream of messages.
          let messages = '';
          const stream = messageStream({
            write: (text) => {
              messages += text;
            },
          });
          for (const line of io.err().split('\n')) stream.write(`${line}\n`);
          expectSafe(messages);
          if (!isWhole) expect(`${io.out() === '' ? io.err() : ''}`).toBe('');
        }
      }
    },
    120_000,
  );
});

describe('what a cluster says', () => {
  it.each(Object.entries(others))('is shown, not obeyed, by %s', async (name, run) => {
    const io = await run();
    expectSafe(io.out(), name === 'logs' ? /[\n\t]/g : /\n/g);
    expectSafe(io.err());
  });

  it('is shown of a log with the pod before it, and with --raw as the pod wrote it', async () => {
    const io = await logsOf();
    expect(io.err()).toBe('');
    expect(io.out()).toMatch(/^auth-1\\x1b\]52;c;.*\/app one\ttwo \\x1b\]52;c;/);
    const raw = await logsOf('--raw');
    expect(raw.out()).toContain(`one\ttwo ${withoutLines.replace('\ud800', '\ufffd')}\n`);
    expect(raw.out()).toMatch(/^auth-1\\x1b\]52;c;/);
  });

  it('is shown of an error in one line', async () => {
    let written = '';
    const stream = messageStream({
      write: (text) => {
        written += text;
      },
    });
    for (const code of [400, 403, 404, 500])
      stream.write(`${(explainError(new ApiError(code, 'Reason', `message ${all}`, 'pods')) as Error).message}\n`);
    expectSafe(written);
    expect(written.trimEnd().split('\n')).toHaveLength(4);
  });

  it('adds no candidate to a completion', async () => {
    const { candidates } = await complete(['trace', ''], async () => [`auth${all}`]);
    expect(candidates.map(visibleText).join('\n').split('\n')).toHaveLength(candidates.length);
  });
});

describe('the live view', () => {
  const settle = (): Promise<void> =>
    new Promise((resolve) => {
      setTimeout(resolve, 30);
    });

  it.each(viewNames.flatMap((view) => traces.map((trace, index) => [view, index, trace] as const)))(
    'shows, and does not obey, in %s (trace %i)',
    async (view, _index, trace) => {
      await loadExplainers();
      const frames: string[] = [];
      let give: (event: TraceEvent) => void = () => undefined;
      const source = {
        origin: { kind: 'trace', name: `operator${all}` } as const,
        follow: async (onEvent: (event: TraceEvent) => void, signal: AbortSignal) => {
          give = onEvent;
          await new Promise((resolve) => {
            signal.addEventListener('abort', resolve);
          });
        },
        logs: async (onEvent: (event: LogEvent) => void, signal: AbortSignal) => {
          onEvent({ kind: 'pods', pods: 1, waiting: [`auth${all}`], none: '' });
          onEvent({
            kind: 'lines',
            lines: [
              { from: `auth${all}/app`, time: '2026-11-24T11:00:01.1Z', text: `line ${all}`, node: `node${all}` },
            ],
          });
          onEvent({ kind: 'notice', message: `notice ${all}` });
          await new Promise((resolve) => {
            signal.addEventListener('abort', resolve);
          });
        },
        walkFrom: async () => {
          throw new Error(`no way ${all}`);
        },
        save: async () => `file${all}`,
        close: async () => undefined,
      };
      const copied: string[] = [];
      const app = render(
        <LiveApp
          source={source}
          theme={createTheme(true)}
          copy={(text) => {
            copied.push(text);
          }}
          start={{ view }}
        />,
      );
      await settle();
      give({ kind: 'trace', trace });
      await settle();
      give({ kind: 'notice', message: `notice ${all}` });
      give({ kind: 'lost', reason: `lost ${all}` });
      give({ kind: 'resumed' });
      for (const key of ['\r', 'e', 'y', 's', 'x', '\u001b[B', '\u001b[B', 'y', '?', '?']) {
        app.stdin.write(key);
        await settle();
      }
      give({
        kind: 'trace',
        trace: { ...trace, status: { ...trace.status, collectedAt: '2026-11-24T11:00:05Z', findings: [] } },
      });
      await settle();
      frames.push(...app.frames);
      expect(frames.length).toBeGreaterThan(2);
      for (const frame of frames) {
        expectSafe(frame);
        expect(frame.split('\n').length).toBeLessThanOrEqual(100);
      }
      // What is copied is pasted into a shell.
      for (const text of copied) expectSafe(text, /(?!)/g);
    },
    60_000,
  );

  it('shows, and does not obey, where Services are chosen', async () => {
    const list = async () => ({
      namespace: `default${all}`,
      services: [{ namespace: `default${all}`, name: `auth${all}`, type: `ClusterIP${all}`, ports: [`80${all}`] }],
    });
    const app = render(
      <Picker isEverywhere={false} list={list as never} theme={createTheme(true)} onChoice={() => undefined} />,
    );
    await settle();
    await settle();
    expect(stripVTControlCharacters(app.lastFrame() ?? '')).toContain(String.raw`auth\x`);
    for (const frame of app.frames) expectSafe(frame);
    const failing = render(
      <Picker
        isEverywhere={false}
        list={async () => {
          throw new Error(`no ${all}`);
        }}
        theme={createTheme(true)}
        onChoice={() => undefined}
      />,
    );
    await settle();
    for (const frame of failing.frames) expectSafe(frame);
  });
});

describe('visible text', () => {
  it.each(Object.entries(attacks))('holds nothing of: %s', (_name, attack) => {
    expectSafe(visibleText(attack), /(?!)/g);
    expectSafe(ownText(attack));
    expectSafe(jsonText({ [attack]: attack }));
    expectSafe(yamlText({ [attack.replace('\ud800', 'x')]: attack.replace('\ud800', 'x') }));
  });

  it('says what was there', () => {
    expect(visibleText('a\u001b[2J\u009b\u007f\r\n\t\u202e\u{e0041}z')).toBe(
      String.raw`a\x1b[2J\x9b\x7f\r\n\t\u202e\u{e0041}z`,
    );
    expect(visibleText('żółw 日本語 é 👍')).toBe('żółw 日本語 é 👍');
  });

  it('is the very same value where nothing has to be escaped', () => {
    const clean = { name: 'auth', list: ['a', { b: 1 }], nothing: undefined };
    expect(visible(clean)).toBe(clean);
    const dirty = { 'key\u0007': ['a', 'b\n'], map: new Map([['x', '\u0007']]) };
    expect(visible(dirty)).toEqual({ [String.raw`key\x07`]: ['a', String.raw`b\n`], map: dirty.map });
    expect(visible(dirty).map).toBe(dirty.map);
  });

  it('leaves our own colours in lines, and none in messages', () => {
    const painted = '\u001b[1mService\u001b[22m \u001b[38;5;196mbad\u001b[39m\n';
    expect(ownText(painted)).toBe(painted);
    let text = '';
    const stream = textStream({
      write: (piece) => {
        text += piece;
      },
    });
    stream.write(`${painted}\u001b[5mblink`);
    stream.writeRaw?.('\u001b[5m');
    expect(text).toBe(`${painted}${String.raw`\x1b[5m`}blink\u001b[5m`);
    let messages = '';
    const refusals = messageStream({
      write: (piece) => {
        messages += piece;
      },
    });
    refusals.write(eraseLine);
    refusals.write('one\ntwo\n');
    refusals.write(`${eraseLine}three\n`);
    // What a message quotes may look like ours: a rule, a name of a file.
    refusals.write('line 3: \u001b[31mfour\u001b[39m\n');
    expect(messages).toBe(
      `${eraseLine}${String.raw`one\ntwo`}\n${String.raw`\r\x1b[K`}three\n${String.raw`line 3: \x1b[31mfour\x1b[39m`}\n`,
    );
  });

  it('is safe, whatever the text, and for programs the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expectSafe(visibleText(text), /(?!)/g);
        expectSafe(ownText(text), /[\n\t]/g);
        const json = jsonText({ text });
        expectSafe(json);
        expect(JSON.parse(json)).toEqual({ text });
        const yaml = yamlText({ text, [`key${text}`]: [text] });
        expectSafe(yaml, /[\n\t]/g);
        expect(parse(yaml)).toEqual({ text, [`key${text}`]: [text] });
      }),
      { numRuns: 300 },
    );
  });
});
