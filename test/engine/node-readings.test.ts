/** One reading at a time for a node, for all who ask. */
import { describe, expect, it } from 'vitest';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { NodeReadings, type Reading } from '../../engine/node-readings.ts';

function request(namespace: string, name: string, collect: Partial<ProbeRequest['collect']> = {}): ProbeRequest {
  return {
    version: 1,
    node: 'node-a',
    services: [{ namespace, name, clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] }],
    collect: { rules: true, conntrack: 'Summary', kubeProxy: true, ...collect },
    maxConntrackEntries: 200,
  };
}
const namesOf = ({ services }: ProbeRequest): string =>
  services.map(({ namespace, name }) => `${namespace}/${name}`).join(' ');
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
class RequestError extends Error {}

/** Readings whose end the test decides. */
function world(): {
  readings: NodeReadings;
  running: { request: ProbeRequest; signal: AbortSignal; end: () => void; fail: (error: Error) => void }[];
  most: () => number;
} {
  const running: ReturnType<typeof world>['running'] = [];
  let now = 0;
  let most = 0;
  const readings = new NodeReadings({
    isOfRequest: (error) => error instanceof RequestError,
    read: async (asked, signal) => {
      now += 1;
      most = Math.max(most, now);
      const { promise, resolve, reject } = Promise.withResolvers<Reading>();
      const done: Reading = {
        report: {
          node: 'node-a',
          complete: true,
          records: asked.services.map(({ namespace, name }) => ({
            kind: 'conntrack',
            service: `${namespace}/${name}`,
            matched: 1,
            groups: [],
            lines: [],
          })),
        },
        askedAt: '',
        collectedAt: '',
      };
      running.push({
        request: asked,
        signal,
        end: () => {
          resolve(done);
        },
        fail: reject,
      });
      signal.addEventListener('abort', () => {
        reject(signal.reason);
      });
      try {
        return await promise;
      } finally {
        now -= 1;
      }
    },
  });
  return { readings, running, most: () => most };
}
const answerOf = async (asked: Promise<Reading>): Promise<string> =>
  asked.then(
    ({ report }) => report.records.map((each) => ('service' in each ? each.service : '')).join(' '),
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe('readings of one node', () => {
  it('are one at a time; what comes while one runs is the next one, together', async () => {
    const { readings, running, most } = world();
    const answers = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => answerOf(readings.ask(request('shop', name))));
    expect(running.map(({ request: each }) => namesOf(each))).toEqual(['shop/a']);
    running[0]?.end();
    await turn();
    expect(running.map(({ request: each }) => namesOf(each))).toEqual(['shop/a', 'shop/b shop/c shop/d shop/e shop/f']);
    running[1]?.end();
    expect(await Promise.all(answers)).toEqual(['shop/a', 'shop/b', 'shop/c', 'shop/d', 'shop/e', 'shop/f']);
    expect(most()).toBe(1);
  });

  it('that cannot be one are apart, one after the other', async () => {
    const { readings, running, most } = world();
    const answers = [
      request('shop', 'a'),
      request('shop', 'b'),
      request('shop', 'c', { rules: false }),
      request('shop', 'd'),
    ].map((each) => answerOf(readings.ask(each)));
    for (let index = 0; index < 3; index += 1) {
      running[index]?.end();
      await turn();
    }
    expect(running.map(({ request: each }) => namesOf(each))).toEqual(['shop/a', 'shop/b shop/d', 'shop/c']);
    expect(await Promise.all(answers)).toEqual(['shop/a', 'shop/b', 'shop/c', 'shop/d']);
    expect(most()).toBe(1);
  });

  it('have room for every namespace, however many traces one of them has', async () => {
    const { readings, running } = world();
    void answerOf(readings.ask(request('shop', 'first')));
    for (let index = 0; index < 100; index += 1) void answerOf(readings.ask(request('greedy', `g${String(index)}`)));
    void answerOf(readings.ask(request('small', 'once')));
    running[0]?.end();
    await turn();
    expect(running[1]?.request.services).toHaveLength(32);
    expect(namesOf(running[1]?.request ?? request('', ''))).toContain('small/once');
  });

  it('give each its own failure: halves are read again until the one is found', async () => {
    const { readings, running } = world();
    const answers = ['first', 'a', 'b', 'bad', 'c', 'd'].map((name) => answerOf(readings.ask(request('shop', name))));
    for (let index = 0; index < running.length; index += 1) {
      const each = running[index];
      if (each !== undefined && namesOf(each.request).includes('bad')) each.fail(new RequestError('out of memory'));
      else each?.end();
      await turn();
    }
    expect(await Promise.all(answers)).toEqual(['shop/first', 'shop/a', 'shop/b', 'out of memory', 'shop/c', 'shop/d']);
  });

  it('fail for all at once where the node does not answer', async () => {
    const { readings, running } = world();
    const answers = ['first', 'a', 'b'].map((name) => answerOf(readings.ask(request('shop', name))));
    running[0]?.end();
    await turn();
    running[1]?.fail(new Error('silent'));
    expect(await Promise.all(answers)).toEqual(['shop/first', 'silent', 'silent']);
    expect(running).toHaveLength(2);
  });

  it('go on for the others where one goes, and end where all have gone', async () => {
    const { readings, running } = world();
    const goes = new AbortController();
    const asked = [
      answerOf(readings.ask(request('shop', 'first'))),
      answerOf(readings.ask(request('shop', 'a'), goes.signal)),
      answerOf(readings.ask(request('shop', 'b'))),
    ];
    running[0]?.end();
    await turn();
    goes.abort(new Error('gone'));
    expect(await asked[1]).toBe('gone');
    expect(running[1]?.signal.aborted).toBe(false);
    running[1]?.end();
    expect(await asked[2]).toBe('shop/b');

    const alone = new AbortController();
    const last = answerOf(readings.ask(request('shop', 'c'), alone.signal));
    await turn();
    alone.abort(new Error('gone'));
    expect(await last).toBe('gone');
    expect(running[2]?.signal.aborted).toBe(true);
    // The lane is free again.
    await turn();
    void answerOf(readings.ask(request('shop', 'd')));
    expect(running).toHaveLength(4);
  });

  it('leave out who went while waiting', async () => {
    const { readings, running } = world();
    const goes = new AbortController();
    void answerOf(readings.ask(request('shop', 'first')));
    void answerOf(readings.ask(request('shop', 'a'), goes.signal));
    void answerOf(readings.ask(request('shop', 'b')));
    goes.abort(new Error('gone'));
    running[0]?.end();
    await turn();
    expect(running.slice(1).map(({ request: each }) => namesOf(each))).toEqual(['shop/b']);
  });
});
