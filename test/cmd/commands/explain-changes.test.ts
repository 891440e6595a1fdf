import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runExplain } from '../../../cmd/commands/explain.ts';
import { exampleTrace, followedTrace } from '../../support/example-trace.ts';
import { fakeCluster, testIo, type FakeCluster } from '../../support/fake-cluster.ts';

async function explain(cluster: FakeCluster, ...words: string[]): Promise<{ output: string; status: number }> {
  const parsed = await parseCommandLine(['explain', 'auth-service', '--changes', ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'explain') throw new Error('no explain request');
  const io = testIo({ COLUMNS: '100' });
  const status = await runExplain(parsed.request, io, () => cluster.client);
  return { output: io.out(), status };
}

describe('kubectl svctrace explain --changes', () => {
  it('shows what a trace of the Service knows already, and that a node has not got it', async () => {
    const cluster = fakeCluster();
    cluster.traces.push(exampleTrace, { ...followedTrace, metadata: { ...followedTrace.metadata, name: 'kept' } });
    const { output, status } = await explain(cluster);
    await expect(output).toMatchFileSnapshot('screens/explain-changes.txt');
    expect(status).toBe(5);
    expect(cluster.log).toEqual([]);
  });

  it('waits with a trace of its own for a change, and deletes it', async () => {
    const convergence = followedTrace.status?.convergence;
    const complete = (convergence?.changes ?? []).map((change) => ({
      ...change,
      lag: { ...change.lag, arrived: 3, pending: 0 },
    }));
    const cluster = fakeCluster({
      onCreated: (name, { writeStatus }) => {
        setImmediate(() => {
          writeStatus(name, { ...exampleTrace.status });
          writeStatus(name, { ...followedTrace.status });
          writeStatus(name, { ...followedTrace.status, convergence: { ...convergence, changes: complete } });
        });
      },
    });
    const { output, status } = await explain(cluster, '-o', 'json');
    expect(JSON.parse(output)).toMatchObject({
      service: 'default/auth-service',
      change: { resourceVersion: '4711', lag: { pending: 0 } },
      explanation: { title: expect.stringContaining('left the EndpointSlices') },
    });
    expect(status).toBe(0);
    expect(cluster.log).toEqual(['create auth-service-1', 'delete auth-service-1 uid-auth-service-1']);
  });

  it('says what to do where no change came in time', async () => {
    const cluster = fakeCluster({
      onCreated: (name, { writeStatus }) => {
        setImmediate(() => {
          writeStatus(name, { ...exampleTrace.status });
        });
      },
    });
    await expect(explain(cluster, '--timeout', '1s')).rejects.toThrow(
      'No EndpointSlice of auth-service changed within 1 s, and no trace has seen a change before. Wait longer with --timeout',
    );
    expect(cluster.log).toEqual(['create auth-service-1', 'delete auth-service-1 uid-auth-service-1']);
  });

  it('is not of a recorded trace, nor of one client', async () => {
    await expect(parseCommandLine(['explain', '--changes', '--bundle', 'a.svctrace'], 100)).rejects.toThrow(
      '--changes has no meaning with --bundle: a recorded trace is of one moment.',
    );
    await expect(parseCommandLine(['explain', 'auth-service', '--changes', '--from', '10.0.0.1'], 100)).rejects.toThrow(
      '--changes has no meaning with --from',
    );
  });
});
