import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import sax from 'sax';
import { describe, expect, it } from 'vitest';
import type { ServiceTraceStatus, SliceChangeStatus } from '../../../core/api/service-trace.ts';
import type { RolloutResult } from '../../../core/rollout/result.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { InterruptedError } from '../../../cmd/cli/errors.ts';
import type { CommandEnd } from '../../../cmd/cli/run-command.ts';
import type { ClusterClient } from '../../../cmd/cluster/cluster-client.ts';
import type { OwnedPod } from '../../../cmd/cluster/rollout-pods.ts';
import { runRollout } from '../../../cmd/commands/rollout.ts';
import { exampleTrace } from '../../support/example-trace.ts';
import { fakeCluster, testIo, type FakeCluster, type TestIo } from '../../support/fake-cluster.ts';
import { parseRolloutResult } from '../../support/rollout-result.ts';
import { arrived, at, change, pending, pod, serving, terminating } from '../../support/rollout-changes.ts';

const address = '10.244.1.7';
const old = { address, pod: 'auth-service-5995955cd8-4tml7' } as const;

const nodesOf = (names: readonly string[], hasAnswered = true): ServiceTraceStatus['nodes'] =>
  (exampleTrace.status?.nodes ?? []).slice(0, 1).flatMap((node) =>
    names.map((name) => ({
      ...node,
      name,
      probe: hasAnswered ? node.probe : { state: 'Failed' as const, reason: 'NoAnswer' },
    })),
  );

/** The status of an operator that follows the Service, with these changes. */
function statusOf(changes: readonly SliceChangeStatus[], more: Partial<ServiceTraceStatus> = {}): ServiceTraceStatus {
  const { conditions = [], ...status } = exampleTrace.status ?? {};
  return {
    ...status,
    conditions: conditions.map((each) =>
      each.type === 'Ready' || each.type === 'Collected' ? { ...each, status: 'True', reason: 'Collected' } : each,
    ),
    endpointSlices: [],
    nodes: nodesOf(['node-a', 'node-b']) ?? [],
    convergence: {
      convergedNodes: 2,
      totalNodes: 2,
      resourceVersion: changes.at(-1)?.resourceVersion ?? '100',
      changes: [...changes],
    },
    ...more,
  };
}

interface Scene {
  /** What the EndpointSlices show once the command has begun. */
  readonly changes: readonly SliceChangeStatus[];
  readonly pods?: readonly OwnedPod[];
  readonly more?: Partial<ServiceTraceStatus>;
  /** Connections are not followed. */
  readonly isUnfollowed?: true;
  readonly own?: Partial<ClusterClient>;
  readonly run?: (words: readonly string[], signal: AbortSignal, io: TestIo) => Promise<CommandEnd>;
  readonly columns?: number;
}

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  readonly cluster: FakeCluster;
  readonly ran: readonly (readonly string[])[];
}

/** An operator that answers every 20 ms: before the command the slices as they were, then the changes. */
async function rollout(words: readonly string[], scene: Scene): Promise<Result> {
  const parsed = await parseCommandLine(['rollout', 'auth-service', '--settle', '100ms', ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'rollout') throw new Error('no rollout request');
  const { request } = parsed;
  const io = testIo({ COLUMNS: String(scene.columns ?? 100) });
  const followed =
    scene.isUnfollowed === true
      ? {}
      : { connectionEvents: { followedNodes: 2, notFollowed: [], gaps: [], recent: [] } };
  let hasBegun = request.run.length === 0;
  let timer: NodeJS.Timeout | undefined;
  const cluster = fakeCluster({
    listOwnedPods: async () => ({ pods: scene.pods ?? [], resourceVersion: '1' }),
    ...scene.own,
    onCreated: (name, { writeStatus, traces }) => {
      timer = setInterval(() => {
        if (traces.some(({ metadata }) => metadata.name === name))
          writeStatus(
            name,
            hasBegun
              ? statusOf(scene.changes, { ...followed, ...scene.more })
              : statusOf([], { ...followed, nodes: scene.more?.nodes ?? statusOf([]).nodes ?? [] }),
          );
      }, 20);
    },
  });
  const ran: (readonly string[])[] = [];
  try {
    const status = await runRollout(request, io, {
      connectTo: () => cluster.client,
      run: async (command, signal) => {
        ran.push(command);
        hasBegun = true;
        return scene.run === undefined ? { exitCode: 0 } : scene.run(command, signal, io);
      },
    });
    return { status, out: io.out(), err: io.err(), cluster, ran };
  } finally {
    clearInterval(timer);
  }
}

const reportOf = ({ out }: Result): RolloutResult => parseRolloutResult(out);

function owned(own: ReturnType<typeof pod>): OwnedPod {
  return { ...own, uid: own.name };
}

const restart = ['--', 'kubectl', 'rollout', 'restart', 'deploy/auth'] as const;
const row = { protocol: 'TCP', port: 8080, address, isComplete: true } as const;
const behind: readonly SliceChangeStatus[] = [
  change({
    version: 101,
    earliest: 700,
    address: '10.244.3.9',
    pod: 'auth-service-7d8c6c9f4-zz9k2',
    is: serving,
    present: true,
    nodes: [arrived('node-a', 120, 130), arrived('node-b', 6600, 6620)],
  }),
  {
    ...change({
      version: 102,
      earliest: 1200,
      ...old,
      was: serving,
      is: terminating,
      present: false,
      nodes: [arrived('node-a', 100, 120), arrived('node-b', 6100, 6120)],
    }),
    connections: [
      { node: 'node-b', ...row, opened: 12, unanswered: 3, reset: 6, lastOpened: at(7280), kept: 4 },
      { node: 'node-a', ...row, opened: 2, unanswered: 0, reset: 0, lastOpened: at(1290), kept: 0 },
    ],
  },
  change({ version: 103, earliest: 2600, ...old, was: terminating }),
];
const oldPod = owned(pod(old.pod, address, { deletedAt: 1000 }));

describe('kubectl svctrace rollout', () => {
  it.each([80, 160])(
    'shows in %i columns what was at risk, on which node, and what would have been enough',
    async (columns) => {
      const { status, out, cluster, ran } = await rollout(restart, { changes: behind, pods: [oldPod], columns });
      expect(status).toBe(1);
      expect(ran).toEqual([['kubectl', 'rollout', 'restart', 'deploy/auth']]);
      expect(cluster.log).toEqual(['create auth-service-1', 'delete auth-service-1 uid-auth-service-1']);
      await expect(out.replace(/ in \d+ s$/m, ' in 9 s')).toMatchFileSnapshot(`screens/rollout-${String(columns)}.txt`);
      for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(columns);
    },
  );

  it('shows every endpoint on every node with -o wide', async () => {
    const { out } = await rollout(['-o', 'wide', ...restart], { changes: behind, pods: [oldPod] });
    await expect(out.replace(/ in \d+ s$/m, ' in 9 s')).toMatchFileSnapshot('screens/rollout-wide.txt');
  });

  it('prints JSON and nothing else on stdout', async () => {
    const result = await rollout(['-o', 'json', ...restart], { changes: behind, pods: [oldPod] });
    expect(reportOf(result)).toMatchObject({
      verdict: 'someAtRisk',
      command: { words: ['kubectl', 'rollout', 'restart', 'deploy/auth'], exitCode: 0 },
      preStopSleep: { seconds: 7, node: 'node-b' },
      goneEndpoints: [{ address, lastNode: 'node-b', risk: 'atRisk' }],
      newEndpoints: [{ address: '10.244.3.9', lastNode: 'node-b' }],
    });
  });

  it('ends with 5 where connections are not followed by the probes', async () => {
    const safe = owned(pod(old.pod, address, { deletedAt: 1000, sleep: 9 }));
    const [added, withdrawn] = behind.map(({ connections: _connections, ...each }) => each);
    const gone = change({ version: 103, earliest: 11_000, ...old, was: terminating });
    const changes = [added, withdrawn, gone].flatMap((each) => each ?? []);
    const result = await rollout(['-o', 'json', ...restart], { changes, pods: [safe], isUnfollowed: true });
    expect(result.status).toBe(5);
    expect(reportOf(result)).toMatchObject({ verdict: 'partial', gaps: [{ kind: 'connectionsNotFollowed' }] });
  });

  it('ends with 0 where every node sent no more in time, and all of it is known', async () => {
    const safe = owned(pod(old.pod, address, { deletedAt: 1000, sleep: 9 }));
    const changes = behind.map((each, index) => ({
      ...each,
      ...(index === 1 ? { connections: [] } : {}),
      ...(index === 2 ? { earliest: at(11_000), latest: at(11_000) } : {}),
    }));
    const { status, out } = await rollout(restart, { changes, pods: [safe] });
    expect(status).toBe(0);
    await expect(out.replace(/ in \d+ s$/m, ' in 9 s')).toMatchFileSnapshot('screens/rollout-healthy.txt');
  });

  it('ends with 0 and says so where nothing changed', async () => {
    const { status, out } = await rollout(restart, { changes: [] });
    expect(status).toBe(0);
    expect(out).toContain('none at risk: no EndpointSlice of the Service changed');
  });

  it('shows that the command failed, and claims nothing', async () => {
    const result = await rollout(['-o', 'json', '--', 'helm', 'upgrade'], {
      changes: [],
      run: async () => ({ exitCode: 3 }),
    });
    expect(result.status).toBe(5);
    expect(result.err).toContain('Notice: the command ended with status 3');
    expect(reportOf(result)).toMatchObject({
      verdict: 'partial',
      command: { words: ['helm', 'upgrade'], exitCode: 3 },
      gaps: [{ kind: 'commandFailed', exitCode: 3 }],
    });
  });

  it('waits for the workload, and gives up at --timeout', async () => {
    let looks = 0;
    const own: Partial<ClusterClient> = {
      listOwnedPods: async () => ({
        pods: [{ ...oldPod, owner: { kind: 'ReplicaSet', name: 'auth-service-5995955cd8' } }],
        resourceVersion: '1',
      }),
      readWorkload: async () => {
        looks += 1;
        return {
          name: 'deployment/auth-service',
          state: looks < 3 ? { kind: 'waiting', reason: '1 of 3 new replicas are there' } : { kind: 'done' },
        };
      },
    };
    expect((await rollout(restart, { changes: [], own })).status).toBe(0);
    expect(looks).toBeGreaterThanOrEqual(3);
    looks = -1e9;
    const result = await rollout(['-o', 'json', '--timeout', '1s', ...restart], { changes: [], own });
    expect(result.status).toBe(5);
    expect(reportOf(result).gaps).toEqual([
      { kind: 'timedOut', timeoutSeconds: 1 },
      {
        kind: 'workloadUnfinished',
        workload: 'deployment/auth-service',
        reason: '1 of 3 new replicas are there',
      },
    ]);
  });

  it('does not wait for a node that does not answer, and says that it did not', async () => {
    const changes = behind.map((each, index) =>
      index === 1 ? { ...each, nodes: [arrived('node-a', 100), pending('node-c')] } : each,
    );
    const more = { nodes: [...(nodesOf(['node-a', 'node-b']) ?? []), ...(nodesOf(['node-c'], false) ?? [])] };
    const result = await rollout(['-o', 'json', ...restart], { changes, pods: [oldPod], more });
    expect(reportOf(result).gaps).toContainEqual({ kind: 'nodeUnanswered', node: 'node-c' });
    expect(reportOf(result).gaps).toContainEqual({ kind: 'nodeBehind', node: 'node-c', changes: 1 });
  });

  it('gives the partial result of what it saw where it is interrupted', async () => {
    const result = await rollout(['-o', 'json', ...restart], {
      changes: behind.slice(0, 1),
      run: async (_words, _signal, io) => {
        io.interrupt(new InterruptedError('SIGINT'));
        return { signal: 'SIGINT' };
      },
    });
    expect(result.status).toBe(5);
    expect(reportOf(result)).toMatchObject({
      verdict: 'partial',
      gaps: [{ kind: 'commandFailed', signal: 'SIGINT' }, { kind: 'interrupted' }],
    });
  });

  it('follows a rollout that runs already, where no command is given', async () => {
    const result = await rollout(['-o', 'json'], { changes: behind, pods: [oldPod] });
    expect(result.ran).toEqual([]);
    expect(reportOf(result).command).toBeUndefined();
  });

  it('says that pods may not be read', async () => {
    const { ApiError } = await import('../../../cmd/cluster/api.ts');
    const result = await rollout(['-o', 'json', ...restart], {
      changes: behind,
      own: {
        listOwnedPods: async () => {
          throw new ApiError(403, 'Forbidden', 'pods is forbidden', undefined);
        },
      },
    });
    expect(reportOf(result).gaps).toContainEqual({ kind: 'podsUnreadable' });
  });

  it('refuses what it cannot mean', async () => {
    const parse = async (...words: string[]): Promise<unknown> => parseCommandLine(words, 100);
    await expect(parse('rollout', 'auth-service', '--')).rejects.toThrow('Which command?');
    await expect(parse('rollout', '--', 'true')).rejects.toThrow('Which Service?');
    await expect(parse('explain', 'auth-service', '--', 'true')).rejects.toThrow(
      'a command is run by kubectl svctrace rollout SERVICE -- COMMAND alone',
    );
    // Flags behind -- are the command's own.
    await expect(
      parse('rollout', 'auth-service', '-o', 'json', '--', 'kubectl', '-o', 'name', '--', 'x'),
    ).resolves.toMatchObject({
      request: { output: 'json', run: ['kubectl', '-o', 'name', '--', 'x'] },
    });
  });
});

describe('the JUnit report', () => {
  it('has the shape of junit-10.xsd, with a failure for what was at risk and an error for what is not known', async () => {
    const { out, status } = await rollout(['-o', 'junit', ...restart], {
      changes: behind,
      pods: [oldPod],
      isUnfollowed: true,
    });
    expect(status).toBe(1);
    const elements = elementsOf(out);
    expectJunit(elements);
    const [suite] = elements.filter(({ name }) => name === 'testsuite');
    expect(suite?.attributes).toMatchObject({ tests: '3', failures: '1', errors: '1' });
    const failure = elements.find(({ name }) => name === 'failure');
    expect(failure?.attributes).toMatchObject({ type: 'atRisk', message: expect.stringContaining('node-b') });
    expect(elements.find(({ name }) => name === 'error')?.attributes['type']).toBe('connectionsNotFollowed');
    expect(elements.filter(({ name }) => name === 'property').map(({ attributes }) => attributes)).toContainEqual({
      name: 'preStopSleepSeconds',
      value: '7',
    });
  });

  it('is well-formed whatever names and commands hold', async () => {
    const { out } = await rollout(['-o', 'junit', '--', 'echo', '<&">\'\u0000\u001b[31m]]>\n'], {
      changes: behind.map((each) => ({
        ...each,
        endpoints: each.endpoints.map((endpoint) => ({ ...endpoint, pod: 'a<b>&"\u0007' })),
      })),
      run: async () => ({ exitCode: 1 }),
    });
    expectJunit(elementsOf(out));
  });
});

interface Element {
  readonly name: string;
  readonly parent: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: string[];
}

function elementsOf(text: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  const parser = sax.parser(true);
  parser.onerror = (error) => {
    throw error;
  };
  parser.onopentag = ({ name, attributes }) => {
    const parent = open.at(-1);
    parent?.children.push(name);
    const element = {
      name,
      parent: parent?.name,
      attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)])),
      children: [],
    };
    elements.push(element);
    open.push(element);
  };
  parser.onclosetag = () => {
    open.pop();
  };
  parser.write(text).close();
  return elements;
}

/** junit-10.xsd of Jenkins' xunit plugin: what each element may have, its attributes with the required ones marked, its children in order. */
const junit: Readonly<
  Record<string, { readonly attributes: readonly string[]; readonly children: readonly string[] }>
> = {
  testsuites: {
    attributes: ['name', 'time', 'tests', 'failures', 'disabled', 'errors'],
    children: ['testsuite'],
  },
  testsuite: {
    attributes: [
      'name!',
      'tests!',
      'failures',
      'errors',
      'time',
      'disabled',
      'skipped',
      'timestamp',
      'hostname',
      'id',
      'package',
    ],
    children: ['properties', 'testcase', 'system-out', 'system-err'],
  },
  properties: { attributes: [], children: ['property'] },
  property: { attributes: ['name!', 'value!'], children: [] },
  testcase: {
    attributes: ['name!', 'assertions', 'time', 'classname', 'status', 'class', 'file', 'line'],
    children: ['skipped', 'error', 'failure', 'system-out', 'system-err'],
  },
  error: { attributes: ['type', 'message'], children: [] },
  failure: { attributes: ['type', 'message'], children: [] },
  'system-out': { attributes: [], children: [] },
};

function expectJunit(elements: readonly Element[]): void {
  expect(elements[0]?.name).toBe('testsuites');
  for (const { name, attributes, children } of elements) {
    const shape = junit[name];
    if (shape === undefined) throw new Error(`${name} is not an element of a JUnit report`);
    const names = shape.attributes.map((attribute) => attribute.replace('!', ''));
    expect(Object.keys(attributes).filter((attribute) => !names.includes(attribute))).toEqual([]);
    for (const attribute of shape.attributes.filter((each) => each.endsWith('!')))
      expect(attributes, name).toHaveProperty([attribute.slice(0, -1)]);
    const places = children.map((child) => shape.children.indexOf(child));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((one, other) => one - other));
  }
  for (const { attributes } of elements.filter(({ name }) => name === 'testsuite')) {
    const count = (kind: string): string => String(elements.filter(({ name }) => name === kind).length);
    expect(attributes).toMatchObject({ tests: count('testcase'), failures: count('failure'), errors: count('error') });
    expect(attributes['timestamp']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  }
}

describe('the command', () => {
  /** run-command.ts in a process of its own, whose streams are those that a shell would see. */
  function run(...words: readonly string[]): { stdout: string; stderr: string } {
    const module = fileURLToPath(new URL('../../../cmd/cli/run-command.ts', import.meta.url));
    const script = `const { runCommand } = await import(${JSON.stringify(module)});
      const end = await runCommand(${JSON.stringify(words)}, new AbortController().signal).catch((error) => ({ error: error.name + ': ' + error.message }));
      process.stdout.write(JSON.stringify(end));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    return { stdout, stderr };
  }

  it('is run without a shell, with its output on stderr and its own status', () => {
    const script = 'console.log(process.argv.slice(1).join("|")); process.exitCode = 3;';
    const { stdout, stderr } = run(process.execPath, '--eval', script, '--', '$HOME *', ';');
    expect(JSON.parse(stdout)).toEqual({ exitCode: 3 });
    expect(stderr).toBe('$HOME *|;\n');
  });

  it('shows the signal that ended it, and that it cannot be started', () => {
    expect(JSON.parse(run('sh', '-c', 'kill -KILL $$').stdout)).toEqual({ signal: 'SIGKILL' });
    expect(JSON.parse(run('no-such-program').stdout)).toEqual({
      error: 'UsageError: The command "no-such-program" cannot be started: there is no such program on the PATH.',
    });
  });
});
