/**
 * Follows the connections of one Service with a real probe in the namespace that it is run in, for test/kernel/connection-events.test.ts:
 * clients and servers are in this process; on standard output what each step gave, as JSON.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as z from 'zod';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import { watchRecordSchema, type WatchRecord } from '../../core/wire/watch-records.ts';
import type { WatchRequest } from '../../core/wire/watch-request.ts';
import { NodeSession } from '../../engine/node-session.ts';
import { childrenOf, openProcess } from '../support/probe-process.ts';

const probe = fileURLToPath(new URL('../../probe/main.ts', import.meta.url));
const run = promisify(execFile);

export const service: ProbeRequestService = {
  namespace: 'default',
  name: 'auth-service',
  clusterIPs: ['10.96.0.7', 'fd00:10:96::7'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 },
    { name: 'none', protocol: 'TCP', port: 81 },
  ],
};

export const stepsSchema = z.record(
  z.string(),
  z.object({
    /** By the clock of the node, which is this process's too. */
    began: z.number(),
    ended: z.number(),
    records: z.array(watchRecordSchema),
    /** What `conntrack -L -o extended,id` said at its end. */
    table: z.string(),
    unwatched: z.array(z.string()),
    /** Programs of the probe that hear of connections. */
    helpers: z.number(),
  }),
);

/** Each connection is closed by its client, which has no port that a later one gets. */
async function connectTo(address: string, port: number, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    const socket = connect({ host: address, port });
    const { promise: over, resolve } = Promise.withResolvers<void>();
    socket.on('connect', () => {
      socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve();
    });
    socket.resume();
    await over;
  }
}

async function main(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (isResetting) socket.resetAndDestroy();
    else socket.resume();
  });
  let isResetting = false;
  server.listen(8080, '::');
  await once(server, 'listening');
  const processes: ChildProcess[] = [];
  const session = new NodeSession({
    open: openProcess(probe, (child) => processes.push(child)),
    version: 'test',
    onUnusable: (sentence) => {
      throw new Error(sentence);
    },
  });
  let records: Exclude<WatchRecord, { kind: 'rules' }>[] = [];
  let unwatched: string[] = [];
  let last = Date.now();
  const request: WatchRequest = { version: 1, node: 'test', services: [service], isExpecting: false };
  const watch = (detail?: 'Summary' | 'Entries'): void => {
    const connections = detail === undefined ? {} : { connections: [{ service: 'default/auth-service', detail }] };
    session.watch(
      { ...request, ...connections },
      {
        onRecord: (record) => {
          if (record.kind === 'rules') return;
          last = Date.now();
          records.push(record);
        },
        onUnwatched: (reason) => unwatched.push(reason),
        onUnfollowed: (reason) => unwatched.push(reason),
      },
    );
  };
  const helpers = (): number[] => processes.flatMap(({ pid = 0 }) => childrenOf(pid, 'netlink filter'));
  const steps: z.infer<typeof stepsSchema> = {};
  const step = async (
    name: string,
    act: () => Promise<unknown>,
    isEnough: () => boolean,
    quiet = 500,
  ): Promise<void> => {
    const began = Date.now();
    await act();
    const ended = Date.now();
    for (let tries = 0; tries < 1200 && !isEnough(); tries += 1) await sleep(50);
    while (Date.now() - last < quiet) await sleep(20);
    const { stdout } = await run('conntrack', ['-L', '-o', 'extended,id', '-p', 'tcp'], { maxBuffer: 2 ** 28 });
    steps[name] = { began, ended, records, table: stdout, unwatched, helpers: helpers().length };
    records = [];
    unwatched = [];
  };
  const countOf = (kind: string): number =>
    records.reduce(
      (sum, record) =>
        sum +
        (record.kind === 'connections'
          ? record.events.filter((event) => event.kind === kind).reduce((all, { count }) => all + count, 0)
          : 0),
      0,
    );
  const isFollowed = (): boolean =>
    records.some((record) => record.kind === 'connectionsFollowed' && record.since !== undefined);
  const deleteOwn = (): Promise<unknown> => run('conntrack', ['-D', '-d', '10.96.0.7']).catch(() => undefined);

  watch();
  await step(
    'unasked',
    () => connectTo('10.96.0.7', 80, 3),
    () => session.isOpen,
  );
  await deleteOwn();
  watch('Entries');
  await step('followed', () => Promise.resolve(), isFollowed);
  await step(
    'opened',
    async () => {
      await connectTo('10.96.0.7', 80, 200);
      await connectTo('10.96.0.8', 80, 50);
    },
    () => countOf('New') >= 200,
  );
  await step('destroyed', deleteOwn, () => countOf('Destroyed') >= 200);
  await step(
    'others',
    async () => {
      await connectTo('fd00:10:96::7', 80, 2);
      await connectTo('192.0.2.1', 30080, 2);
    },
    () => countOf('New') >= 4,
  );
  await step(
    'refused',
    () => connectTo('10.96.0.7', 81, 3),
    () => countOf('Destroyed') >= 3,
  );
  isResetting = true;
  await step(
    'reset',
    () => connectTo('10.96.0.7', 80, 4),
    () => countOf('Reset') >= 4,
  );
  isResetting = false;
  watch('Summary');
  await step(
    'counted',
    () => connectTo('10.96.0.7', 80, 20),
    () => isFollowed() && countOf('New') >= 1,
  );
  // None goes by itself in the next step.
  await step('cleared', deleteOwn, () => countOf('Destroyed') >= 20);
  const pids = helpers();
  await step(
    'overrun',
    async () => {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await connectTo('10.96.0.7', 81, 8000);
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    },
    () => records.some((record) => record.kind === 'connections' && record.gaps.length > 0),
    2500,
  );
  await step(
    'killed',
    () => {
      for (const pid of helpers()) process.kill(pid, 'SIGKILL');
      return Promise.resolve();
    },
    isFollowed,
  );
  await step(
    'after',
    () => connectTo('10.96.0.7', 81, 5),
    () => countOf('Destroyed') >= 5,
  );
  watch();
  await step(
    'ended',
    () => connectTo('10.96.0.7', 81, 5),
    () => helpers().length === 0,
  );
  session.close();
  server.close();
  for (const child of processes) if (child.exitCode === null) await once(child, 'exit');
  process.stdout.write(`${JSON.stringify(steps)}\n`);
}

if (import.meta.main) await main();
