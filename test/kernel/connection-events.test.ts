/** Connections that are followed on a real conntrack: each entry made, answered, reset and destroyed once, and none of others. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseConntrack } from '../../core/conntrack/parse-dump.ts';
import type { WireConnectionEvent } from '../../core/wire/watch-records.ts';
import { service, stepsSchema } from './follow-connections.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['conntrack', 'nft', 'perl', 'ip', 'setpriv']);
const withoutNetAdmin = fileURLToPath(new URL('hear-connections.ts', import.meta.url));
const program = `${process.execPath} ${fileURLToPath(new URL('follow-connections.ts', import.meta.url))}`;

/** kube-proxy's DNAT of two Services and of a node port; no route but the loopback. */
const network = `
ip link set lo up
ip addr add 192.0.2.1/32 dev lo
ip route add default dev lo
ip -6 route add default dev lo
nft -f - <<'RULES'
table ip nat {
  chain output {
    type nat hook output priority -100
    ip daddr { 10.96.0.7, 10.96.0.8 } tcp dport 80 dnat to 127.0.0.1:8080
    ip daddr 10.96.0.7 tcp dport 81 dnat to 127.0.0.1:8081
    ip daddr 192.0.2.1 tcp dport 30080 dnat to 127.0.0.1:8080
  }
}
table ip6 nat {
  chain output {
    type nat hook output priority -100
    ip6 daddr fd00:10:96::7 tcp dport 80 dnat to [::1]:8080
  }
}
RULES`;

it("reports each connection of a Service once, with the tuples of conntrack's own tools, and what is missing", async ({
  skip,
}) => {
  if (unavailable !== undefined) return skip(unavailable);
  const steps = stepsSchema.parse(JSON.parse(await inNamespace(`${network}\n${program}`, '', 280_000)));
  const of = (step: string) => steps[step] ?? expect.fail(`no step ${step}`);
  const eventsOf = (step: string): readonly WireConnectionEvent[] =>
    of(step).records.flatMap((record) => (record.kind === 'connections' ? record.events : []));
  const gapsOf = (step: string) =>
    of(step).records.flatMap((record) => (record.kind === 'connections' ? record.gaps : []));
  const followsOf = (step: string) => of(step).records.filter((record) => record.kind === 'connectionsFollowed');
  const kinds = (step: string, kind: WireConnectionEvent['kind']) =>
    eventsOf(step).filter((event) => event.kind === kind);
  const sum = (events: readonly WireConnectionEvent[]): number => events.reduce((all, { count }) => all + count, 0);
  const tupleOf = ({ original, reply }: Pick<WireConnectionEvent, 'original' | 'reply'>): string =>
    JSON.stringify(
      [original, reply].map((each) => [each.source, each.sourcePort, each.destination, each.destinationPort]),
    );

  const idsOf = (entries: readonly { readonly id?: number | undefined }[]): string[] =>
    entries.map(({ id }) => String(id)).sort();

  expect(Object.values(steps).flatMap(({ unwatched }) => unwatched)).toEqual([]);
  // Nobody asked: no program runs, and nothing comes.
  expect(of('unasked')).toMatchObject({ records: [], helpers: 0 });
  expect(of('followed')).toMatchObject({ helpers: 1 });
  expect(followsOf('followed')).toHaveLength(1);

  const opened = kinds('opened', 'New');
  const table = parseConntrack(of('opened').table).result.filter(
    ({ original }) => original.destination === '10.96.0.7',
  );
  expect(opened).toHaveLength(200);
  expect(table).toHaveLength(200);
  expect(opened.map(tupleOf).sort()).toEqual(table.map(tupleOf).sort());
  expect(idsOf(opened)).toEqual(idsOf(table));
  expect(kinds('opened', 'Answered').map(({ id }) => id)).toEqual(opened.map(({ id }) => id));
  // Ends are orderly, and 50 connections went to another Service.
  expect(eventsOf('opened')).toHaveLength(400);
  expect(
    parseConntrack(of('opened').table).result.filter(({ original }) => original.destination === '10.96.0.8'),
  ).toHaveLength(50);
  for (const { earliest, latest, isAnswered, tcpState } of opened) {
    expect(earliest).toBeLessThanOrEqual(latest);
    expect(latest).toBeGreaterThanOrEqual(of('opened').began);
    expect(earliest).toBeLessThanOrEqual(of('opened').ended + 1);
    expect([isAnswered, tcpState]).toEqual([false, 'SYN_SENT']);
  }

  const destroyed = eventsOf('destroyed');
  expect(destroyed.map(({ kind }) => kind)).toEqual(Array.from({ length: 200 }, () => 'Destroyed'));
  expect(destroyed.map(tupleOf).sort()).toEqual(opened.map(tupleOf).sort());
  expect(idsOf(destroyed)).toEqual(idsOf(opened));
  expect(new Set(destroyed.map(({ tcpState }) => tcpState))).toEqual(new Set(['TIME_WAIT']));

  expect(kinds('others', 'New').map(({ original, reply }) => [original.destination, reply.source])).toEqual([
    ['fd00:10:96::7', '::1'],
    ['fd00:10:96::7', '::1'],
    ['192.0.2.1', '127.0.0.1'],
    ['192.0.2.1', '127.0.0.1'],
  ]);
  expect(eventsOf('refused').map(({ kind, tcpState, isAnswered }) => [kind, tcpState, isAnswered])).toEqual(
    Array.from({ length: 3 }, () => [
      ['New', 'SYN_SENT', false],
      ['Destroyed', 'CLOSE', false],
    ]).flat(),
  );
  expect(kinds('reset', 'Reset')).toHaveLength(4);
  expect(kinds('reset', 'Destroyed')).toEqual([]);

  expect(sum(kinds('counted', 'New'))).toBe(20);
  expect(kinds('counted', 'New').length).toBeLessThan(20);
  expect(
    kinds('counted', 'New').flatMap(({ id, original, reply }) => id ?? original.source ?? reply.destination ?? []),
  ).toEqual([]);

  // Of two messages for each of 8,000 connections, everyone is an event or counted as dropped.
  const gaps = gapsOf('overrun');
  const dropped = gaps.reduce((all, gap) => all + (gap.dropped ?? NaN), 0);
  expect(dropped).toBeGreaterThan(0);
  expect(sum(eventsOf('overrun')) + dropped).toBe(16_000);
  for (const { earliest, latest } of gaps) {
    expect(earliest).toBeLessThanOrEqual(of('overrun').ended);
    expect(latest).toBeGreaterThanOrEqual(of('overrun').began);
  }

  expect(followsOf('killed')).toEqual([
    {
      kind: 'connectionsFollowed',
      service: 'default/auth-service',
      problem: expect.stringContaining('perl') as string,
    },
    { kind: 'connectionsFollowed', service: 'default/auth-service', since: expect.any(Number) as number },
  ]);
  const [gap, ...others] = gapsOf('killed');
  expect(others).toEqual([]);
  expect(gap?.dropped).toBeUndefined();
  expect(gap?.earliest).toBeLessThanOrEqual(of('killed').ended);
  expect(gap?.latest).toBeGreaterThanOrEqual(of('killed').began);
  expect(sum(kinds('after', 'New'))).toBe(5);
  expect(of('ended')).toMatchObject({ records: [], helpers: 0 });
  expect(service.clusterIPs).toContain('10.96.0.7');
}, 300_000);

it('hears of connections with NET_ADMIN alone, and says why not without', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const hear = (capabilities: string): Promise<string> =>
    inNamespace(
      `${network}\nsetpriv --bounding-set=${capabilities} --inh-caps=${capabilities} ${process.execPath} ${withoutNetAdmin}`,
      '',
      60_000,
    );
  expect(JSON.parse(await hear('-all,+net_admin'))).toEqual({ isReported: true, events: 2 });
  expect(JSON.parse(await hear('-all'))).toEqual({
    isReported: false,
    problem: expect.stringMatching(/^netlink group: Operation not permitted/) as string,
  });
}, 120_000);
