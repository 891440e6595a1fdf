/** Whose connections come out of a watch, and that each is counted once. The kernel is the test's own here. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  bigEndianBytes,
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  netlinkMessage,
} from '../../../core/nftables/netlink/message.ts';
import { addressNumber } from '../../../core/net/address.ts';
import type { ProbeRequestService } from '../../../core/wire/probe-request.ts';
import type { ConnectionRecord, FollowRecord } from '../../../core/wire/watch-records.ts';
import { ConnectionWatch, type Followed } from '../../../probe/watch/connection-watch.ts';
import type { ConntrackEventHandlers } from '../../../probe/watch/conntrack-events.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_796_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const service: ProbeRequestService = {
  namespace: 'shop',
  name: 'auth',
  clusterIPs: ['10.96.0.7'],
  externalIPs: ['203.0.113.9', '198.51.100.1'],
  loadBalancerIPs: [],
  ownIPs: ['203.0.113.9'],
  ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
};
const other: ProbeRequestService = {
  namespace: 'bank',
  name: 'vault',
  clusterIPs: ['10.96.0.8'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
};

const number = (value: number, length: number): Uint8Array => bigEndianBytes(BigInt(value), length);
const bytesOf = (address: string): Uint8Array => bigEndianBytes(addressNumber(address)?.value ?? 0n, 4);

interface Sent {
  readonly to: string;
  readonly port: number;
  readonly endpoint?: string;
  readonly client?: number;
  readonly kind?: 'New' | 'Updated' | 'Destroyed';
  readonly state?: number;
  readonly protocol?: number;
}

function message({
  to,
  port,
  endpoint = '10.244.1.7',
  client = 1,
  kind = 'New',
  state = 1,
  protocol = 6,
}: Sent): Buffer {
  const tuple = (type: number, ends: readonly [string, number, string, number]): Uint8Array =>
    nestedAttribute(
      type,
      joinBytes([
        nestedAttribute(1, joinBytes([netlinkAttribute(1, bytesOf(ends[0])), netlinkAttribute(2, bytesOf(ends[2]))])),
        nestedAttribute(
          2,
          joinBytes([
            netlinkAttribute(1, number(protocol, 1)),
            netlinkAttribute(2, number(ends[1], 2)),
            netlinkAttribute(3, number(ends[3], 2)),
          ]),
        ),
      ]),
    );
  return Buffer.from(
    netlinkMessage(
      kind === 'Destroyed' ? 0x102 : 0x100,
      kind === 'New' ? 0x600 : 0,
      0,
      joinBytes([
        Uint8Array.of(2, 0, 0, 0),
        tuple(1, ['10.244.0.5', client, to, port]),
        tuple(2, [endpoint, 8080, '10.244.0.5', client]),
        netlinkAttribute(12, number(client, 4)),
        netlinkAttribute(3, number(state === 1 ? 8 : 10, 4)),
        nestedAttribute(4, nestedAttribute(1, netlinkAttribute(1, number(state, 1)))),
      ]),
    ),
  );
}

function watching(followed: readonly Followed[], problems: string[] = []) {
  const records: (ConnectionRecord | FollowRecord)[] = [];
  const kernels: { handlers: ConntrackEventHandlers; end: (problem: string) => void; filters: Uint8Array[] }[] = [];
  const watch = new ConnectionWatch({
    emit: (record) => records.push(structuredClone(record)),
    nodeAddresses: () => ['192.0.2.1'],
    kernelProblem: () => Promise.resolve(problems.shift()),
    start: (_commands, handlers) => {
      const { promise: ended, resolve: end } = Promise.withResolvers<string>();
      const kernel = { handlers, end, filters: [] as Uint8Array[] };
      kernels.push(kernel);
      return {
        ended,
        want: (filter) => {
          kernel.filters.push(filter);
          return Promise.resolve(Date.now());
        },
        end: () => undefined,
      };
    },
  });
  watch.set(followed);
  const says = (sent: readonly Sent[], latest = Date.now()): void =>
    kernels.at(-1)?.handlers.onMessages(sent.map(message), { latest, span: 2 });
  const settle = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
  const eventsOf = (name: string) =>
    records.flatMap((record) => (record.kind === 'connections' && record.service === name ? record.events : []));
  const gapsOf = (name: string) =>
    records.flatMap((record) => (record.kind === 'connections' && record.service === name ? record.gaps : []));
  return { watch, records, kernels, says, settle, eventsOf, gapsOf };
}

it("gives the Service's own connections with their times, and none of others", async () => {
  const { watch, records, says, settle, eventsOf } = watching([{ service, detail: 'Entries' }]);
  await settle();
  expect(records).toEqual([{ kind: 'connectionsFollowed', service: 'shop/auth', since: 1_796_000_000_000 }]);
  says([
    { to: '10.96.0.7', port: 80, client: 1 },
    // Of others: another Service, another port, another protocol, the node port of somebody's pod, and addresses of the world outside.
    { to: '10.96.0.8', port: 80, client: 2 },
    { to: '10.96.0.7', port: 81, client: 3 },
    { to: '10.96.0.7', port: 80, client: 4, protocol: 17 },
    { to: '10.244.9.9', port: 30080, client: 5 },
    { to: '198.51.100.1', port: 80, client: 6 },
    // An address of its own, that nothing was sent on from.
    { to: '203.0.113.9', port: 80, endpoint: '203.0.113.9', client: 7 },
    { to: '192.0.2.1', port: 30080, client: 8 },
    { to: '203.0.113.9', port: 80, client: 9 },
  ]);
  await settle(100);
  expect(eventsOf('shop/auth').map(({ id }) => id)).toEqual([1, 8, 9]);
  expect(eventsOf('shop/auth')[0]).toEqual({
    kind: 'New',
    earliest: 1_796_000_000_000 - 2,
    latest: 1_796_000_000_000,
    count: 1,
    protocol: 'TCP',
    original: { source: '10.244.0.5', sourcePort: 1, destination: '10.96.0.7', destinationPort: 80 },
    reply: { source: '10.244.1.7', sourcePort: 8080, destination: '10.244.0.5', destinationPort: 1 },
    tcpState: 'SYN_SENT',
    isAnswered: false,
    id: 1,
  });
  expect(records.every((record) => record.service === 'shop/auth')).toBe(true);
  watch.end();
});

it('gives answers, resets and ends, and no other updates', async () => {
  const { says, settle, eventsOf } = watching([{ service, detail: 'Entries' }]);
  await settle();
  const to = { to: '10.96.0.7', port: 80 };
  says([2, 3, 4, 5, 6, 7, 8].map((state) => ({ ...to, kind: 'Updated', state })));
  says([{ ...to, kind: 'Destroyed', state: 7 }]);
  await settle(100);
  expect(eventsOf('shop/auth').map(({ kind, tcpState }) => [kind, tcpState])).toEqual([
    ['Answered', 'SYN_RECV'],
    ['Reset', 'CLOSE'],
    ['Destroyed', 'TIME_WAIT'],
  ]);
});

it('counts alike ones together, without their clients, where only counts may be shown', async () => {
  const { says, settle, eventsOf } = watching([{ service, detail: 'Summary' }]);
  await settle();
  says(
    [1, 2, 3].map((client) => ({ to: '10.96.0.7', port: 80, client })),
    1_796_000_000_010,
  );
  says([{ to: '10.96.0.7', port: 80, client: 4, endpoint: '10.244.1.8' }], 1_796_000_000_020);
  says([{ to: '10.96.0.7', port: 80, client: 5 }], 1_796_000_000_030);
  await settle(100);
  expect(eventsOf('shop/auth').map(({ count, earliest, latest, reply }) => [count, earliest, latest, reply])).toEqual([
    [4, 1_796_000_000_008, 1_796_000_000_030, { source: '10.244.1.7', sourcePort: 8080 }],
    [1, 1_796_000_000_018, 1_796_000_000_020, { source: '10.244.1.8', sourcePort: 8080 }],
  ]);
  expect(JSON.stringify(eventsOf('shop/auth'))).not.toContain('10.244.0.5');
});

it('says a gap of all that are followed where the kernel dropped, and of the time without its program', async () => {
  const { kernels, records, settle, says, gapsOf } = watching([
    { service, detail: 'Summary' },
    { service: other, detail: 'Entries' },
  ]);
  await settle();
  kernels[0]?.handlers.onDropped(812, { latest: 1_796_000_000_500, span: 300 });
  kernels[0]?.handlers.onDropped(undefined, { latest: 1_796_000_000_600, span: 10 });
  await settle(100);
  for (const name of ['shop/auth', 'bank/vault'])
    expect(gapsOf(name)).toEqual([
      { earliest: 1_796_000_000_200, latest: 1_796_000_000_500, dropped: 812 },
      { earliest: 1_796_000_000_590, latest: 1_796_000_000_600 },
    ]);
  // It says now and then that nothing came.
  says([], 1_796_000_005_000);
  records.length = 0;
  kernels[0]?.end('it was killed');
  await settle();
  expect(records).toEqual(
    ['shop/auth', 'bank/vault'].map((name) => ({
      kind: 'connectionsFollowed',
      service: name,
      problem: 'what the kernel reports of connections cannot be read: it was killed',
    })),
  );
  await settle(1100);
  const since = records.at(-1);
  expect(kernels).toHaveLength(2);
  expect(gapsOf('shop/auth')).toEqual([
    { earliest: 1_796_000_005_000, latest: expect.closeTo(1_796_000_001_100, -3) as number },
  ]);
  expect(since?.service).toBe('bank/vault');
});

it('starts nothing where nothing is followed, or where the kernel reports no connection, and says why', async () => {
  const none = watching([]);
  await none.settle(1000);
  expect(none.kernels).toEqual([]);
  const { kernels, records, settle } = watching(
    [{ service, detail: 'Summary' }],
    ['its events are off', 'its events are off'],
  );
  await settle(1500);
  expect(kernels).toEqual([]);
  expect(records).toEqual([{ kind: 'connectionsFollowed', service: 'shop/auth', problem: 'its events are off' }]);
  await settle(2500);
  expect(kernels).toHaveLength(1);
  expect(records.at(-1)).toMatchObject({ kind: 'connectionsFollowed', since: expect.any(Number) as number });
});

it('asks the kernel anew where another Service is followed, and goes on with the first', async () => {
  const { watch, kernels, records, says, settle, eventsOf } = watching([{ service, detail: 'Summary' }]);
  await settle();
  says([{ to: '10.96.0.7', port: 80 }]);
  watch.set([
    { service, detail: 'Summary' },
    { service: other, detail: 'Summary' },
  ]);
  await settle(100);
  expect(kernels).toHaveLength(1);
  expect(kernels[0]?.filters).toHaveLength(2);
  expect(records.filter(({ kind }) => kind === 'connectionsFollowed').map((each) => each.service)).toEqual([
    'shop/auth',
    'bank/vault',
  ]);
  says([
    { to: '10.96.0.7', port: 80 },
    { to: '10.96.0.8', port: 80 },
  ]);
  await settle(100);
  expect(eventsOf('shop/auth').map(({ count }) => count)).toEqual([1, 1]);
  expect(eventsOf('bank/vault').map(({ count }) => count)).toEqual([1]);
});

it('counts every connection of its own once, in an event or as dropped, whoever reads slowly', async () => {
  const step = fc.oneof(
    fc.record({ sent: fc.integer({ min: 1, max: 1500 }), to: fc.constantFrom('10.96.0.7', '10.96.0.8', '10.96.0.9') }),
    fc.record({ hold: fc.boolean() }),
    fc.record({ wait: fc.integer({ min: 0, max: 150 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.constantFrom<Followed['detail'][]>('Summary', 'Entries'),
      async (steps, detail) => {
        const { watch, says, settle, eventsOf, gapsOf } = watching([{ service, detail }]);
        await settle();
        let [own, client] = [0, 0];
        for (const each of steps) {
          if ('hold' in each) watch.hold(each.hold);
          else if ('wait' in each) await settle(each.wait);
          else {
            says(Array.from({ length: each.sent }, () => ({ to: each.to, port: 80, client: (client += 1) % 65536 })));
            if (each.to === '10.96.0.7') own += each.sent;
          }
        }
        watch.hold(false);
        await settle(100);
        const counted = eventsOf('shop/auth').reduce((sum, { count }) => sum + count, 0);
        const dropped = gapsOf('shop/auth').reduce((sum, gap) => sum + (gap.dropped ?? NaN), 0);
        expect(counted + dropped).toBe(own);
        const ids = eventsOf('shop/auth').flatMap(({ id }) => id ?? []);
        expect(new Set(ids).size).toBe(ids.length);
        expect(eventsOf('bank/vault')).toEqual([]);
        watch.end();
      },
    ),
    { numRuns: 12 },
  );
});
