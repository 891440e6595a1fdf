import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { startInformer, type Informer, type InformerOptions } from '../../operator/informer.ts';
import { startFakeCollections, type FakeCollections, type FakeObject } from '../support/fake-collections.ts';
import { logTo } from '../support/log-lines.ts';

const path = '/apis/svctrace.io/v1alpha1/servicetraces';
const schema = z.object({ metadata: z.object({ name: z.string() }), size: z.number() });

let api: FakeCollections;
let informer: Informer<number>;
let events: string[];
let logged: string[];
/** Of the events that may be of before a cut: the bound. */
let late: (number | undefined)[];

const thing = (name: string, size = 1): FakeObject => ({
  metadata: { name, namespace: 'shop' },
  size,
});
const kept = (): string[] =>
  [...informer.store.keys()].map((key) => `${key} ${informer.store.get(key)?.resourceVersion ?? ''}`).sort();
const watchesAsked = (): string[] =>
  api.requests.flatMap((request) => /^watch .*[?&]resourceVersion=([^&]*)/.exec(request)?.[1] ?? []);
const eventually = async (check: () => void): Promise<void> => {
  await vi.waitFor(check, { timeout: 8000, interval: 5 });
};

beforeEach(async () => {
  events = [];
  logged = [];
  late = [];
  api = await startFakeCollections();
});
afterEach(async () => {
  informer.stop();
  await api.close();
});

function start(options: Partial<InformerOptions<number>> = {}): void {
  informer = startInformer<number>({
    kubeConfig: api.kubeConfig,
    path,
    parse: (object) => schema.safeParse(object).data?.size,
    onEvent: ({ type, key, value, notBefore }) => {
      events.push(`${type} ${key} ${String(value)}`);
      late.push(notBefore);
    },
    log: logTo((line) => logged.push(line)),
    startAfter: (again) => {
      setImmediate(again);
      return undefined;
    },
    ...options,
  });
}

async function open(): Promise<void> {
  await eventually(() => {
    expect(informer.isCurrent()).toBe(true);
    expect(api.openWatches(path)).toBe(1);
  });
}

it('lists in pages of one moment, and watches from there', async () => {
  for (let index = 0; index < 7; index += 1) api.put(path, thing(`t${String(index)}`, index));
  let elapsed = 0;
  start({ pageSize: 3, elapsed: () => elapsed });
  expect(informer.isCurrent()).toBe(false);
  await open();
  expect(api.requests.filter((request) => request.startsWith('list'))).toHaveLength(3);
  expect(kept()).toEqual(api.state(path));
  expect(events).toHaveLength(7);
  expect(watchesAsked()).toEqual(['107']);
  elapsed += 10_000;
  api.put(path, thing('t3', 33));
  api.delete(path, 'shop/t4');
  await eventually(() => {
    expect(events.slice(7)).toEqual(['MODIFIED shop/t3 33', 'DELETED shop/t4 4']);
  });
  expect(informer.store.get('shop/t3')?.value).toBe(33);
  expect(late.slice(7), 'of a watch that was not cut').toEqual([undefined, undefined]);
});

it('lists all at once where the pages are forgotten in the middle', async () => {
  for (let index = 0; index < 5; index += 1) api.put(path, thing(`t${String(index)}`));
  let pages = 0;
  api.onPage = () => {
    pages += 1;
    if (pages === 2) api.compact();
  };
  start({ pageSize: 2 });
  await open();
  expect(kept()).toEqual(api.state(path));
  expect(events).toHaveLength(5);
  expect(api.requests.filter((request) => request.startsWith('list')).at(-1)).not.toContain('limit');
});

it.each(['end', 'break'] as const)('goes on from the last object or bookmark where its connections %s', async (how) => {
  api.put(path, thing('a'));
  start();
  await open();
  api.put('/api/v1/services', thing('elsewhere'));
  api.bookmark(path);
  await eventually(() => {
    expect(informer.resourceVersion()).toBe('102');
  });
  api.cut(how);
  api.delete(path, 'shop/a');
  await eventually(() => {
    expect(events).toEqual(['ADDED shop/a 1', 'DELETED shop/a 1']);
  });
  expect(watchesAsked().slice(0, 2)).toEqual(['101', '102']);
  expect(api.requests.filter((request) => request.startsWith('list'))).toHaveLength(1);
  expect(late.at(-1), 'a deletion says itself not when it was').toBeLessThanOrEqual(Date.now());
});

it('lists again where its place is forgotten, and reports what was deleted, changed and made meanwhile', async () => {
  for (const name of ['a', 'b', 'c']) api.put(path, thing(name));
  start();
  await open();
  const before = Date.now();
  api.refuse = () => 500;
  api.cut('end');
  await eventually(() => {
    expect(informer.isCurrent()).toBe(false);
  });
  api.delete(path, 'shop/a');
  api.put(path, thing('b', 2));
  api.put(path, thing('d'));
  api.compact();
  api.refuse = () => undefined;
  await open();
  expect(events.slice(3).sort()).toEqual(['ADDED shop/d 1', 'DELETED shop/a 1', 'MODIFIED shop/b 2']);
  expect(kept()).toEqual(api.state(path));
  expect(logged.filter((line) => line.includes('410'))).toEqual([
    `watch of ${path}: its place is no longer known (410); all is listed again`,
  ]);
  for (const bound of late.slice(3)) expect(bound).toBeLessThanOrEqual(before);
});

it('is not current while its connection is silent for too long, and is again when it speaks', async () => {
  let elapsed = 0;
  api.put(path, thing('a'));
  start({ elapsed: () => elapsed });
  await open();
  api.silence();
  elapsed += 44_000;
  expect(informer.isCurrent()).toBe(true);
  elapsed += 2000;
  expect(informer.isCurrent()).toBe(false);
  expect(informer.store.get('shop/a')?.value).toBe(1);
  api.put(path, thing('a', 2));
  api.cut('break');
  await open();
  await eventually(() => {
    expect(informer.store.get('shop/a')?.value).toBe(2);
  });
});

it('is not current while it cannot connect, says the same trouble once, and waits longer each time', async () => {
  const pauses: number[] = [];
  api.refuse = () => 500;
  start({
    startAfter: (again, milliseconds) => {
      pauses.push(milliseconds);
      setImmediate(again);
      return undefined;
    },
  });
  await eventually(() => {
    expect(pauses.length).toBeGreaterThanOrEqual(12);
  });
  expect(informer.isCurrent()).toBe(false);
  expect(logged).toEqual([`watch of ${path}: status 500 (500)`]);
  expect(pauses[0]).toBeLessThanOrEqual(400);
  expect(pauses[11]).toBeGreaterThanOrEqual(15_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
});

it('says once that it may not watch, keeps what it listed as not current, and tries again seldom', async () => {
  const pauses: number[] = [];
  api.put(path, thing('a'));
  api.refuse = (verb) => (verb === 'watch' ? 403 : undefined);
  start({
    startAfter: (again, milliseconds) => {
      pauses.push(milliseconds);
      setImmediate(again);
      return undefined;
    },
  });
  await eventually(() => {
    expect(pauses.length).toBeGreaterThanOrEqual(5);
  });
  expect(informer.isCurrent()).toBe(false);
  expect(logged).toEqual([`watch of ${path}: it is refused (403), done without, and tried again from time to time`]);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(30_000);
  expect(api.requests.filter((request) => request.startsWith('list'))).toHaveLength(1);
  api.refuse = () => undefined;
  await open();
});

it('finds a path again within 2 s of its return, and reports what went with it', async () => {
  const pauses: number[] = [];
  api.put(path, thing('a'));
  start({
    startAfter: (again, milliseconds) => {
      pauses.push(milliseconds);
      setImmediate(again);
      return undefined;
    },
  });
  await open();
  api.refuse = () => 404;
  api.cut('end');
  await eventually(() => {
    expect(pauses.length).toBeGreaterThanOrEqual(20);
  });
  expect(logged).toEqual([`watch of ${path}: there is no such path; it is looked for until there is (404)`]);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2000);
  api.delete(path, 'shop/a');
  api.put(path, thing('b'));
  api.refuse = () => undefined;
  await open();
  expect(events).toEqual(['ADDED shop/a 1', 'DELETED shop/a 1', 'ADDED shop/b 1']);
});

it('knows of an object that it cannot read that it is there, and says so', async () => {
  start();
  await open();
  api.put(path, { metadata: { name: 'odd', namespace: 'shop' } });
  api.sendLine(path, 'no JSON');
  api.sendLine(path, JSON.stringify({ type: 'ADDED', object: { metadata: 5 } }));
  api.put(path, thing('a'));
  await eventually(() => {
    expect(events).toEqual(['ADDED shop/odd undefined', 'ADDED shop/a 1']);
  });
  expect(informer.store.get('shop/odd')).toMatchObject({ value: undefined });
  expect(informer.store.unreadable).toBe(1);
  expect(informer.store.values()).toEqual([1]);
  expect(logged[0]).toBe(`watch of ${path}: shop/odd is not as this version knows its kind`);
  api.put(path, thing('odd', 7));
  await eventually(() => {
    expect(informer.store.unreadable).toBe(0);
  });
});

it('asks nothing more once it is stopped', async () => {
  start();
  await open();
  informer.stop();
  await eventually(() => {
    expect(api.openWatches(path)).toBe(0);
  });
  const before = api.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(api.requests).toHaveLength(before);
  expect(informer.isCurrent()).toBe(false);
});

type Step =
  | { readonly do: 'put'; readonly name: string; readonly size: number }
  | { readonly do: 'delete'; readonly name: string }
  | { readonly do: 'end' | 'break' | 'compact' | 'bookmark' | 'wait' };
const names = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), name: names, size: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), name: names }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('end', 'break', 'compact', 'bookmark', 'wait') }),
  },
);

it('has what the server has after any changes, cuts, bookmarks and forgotten places, and its events say the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (all) => {
      api.cut('break');
      await api.close();
      api = await startFakeCollections();
      events = [];
      start({ pageSize: 2 });
      for (const step of all) {
        if (step.do === 'put') api.put(path, thing(step.name, step.size));
        else if (step.do === 'delete') api.delete(path, `shop/${step.name}`);
        else if (step.do === 'compact') api.compact();
        else if (step.do === 'bookmark') api.bookmark(path);
        else if (step.do === 'wait') await new Promise((resolve) => setTimeout(resolve, 3));
        else api.cut(step.do);
      }
      await eventually(() => {
        expect(kept()).toEqual(api.state(path));
        expect(informer.isCurrent()).toBe(true);
      });
      const reported = new Map<string, string>();
      for (const event of events) {
        const [type, key = '', size = ''] = event.split(' ');
        expect(reported.has(key), event).toBe(type !== 'ADDED');
        if (type === 'DELETED') reported.delete(key);
        else reported.set(key, size);
      }
      expect(reported).toEqual(
        new Map([...informer.store.keys()].map((key) => [key, String(informer.store.get(key)?.value)])),
      );
      informer.stop();
    }),
    { numRuns: 60 },
  );
}, 60_000);
