/**
 * The exec streams of the simulated nodes' probes, over real WebSockets: behind each is the probe's own side of a session
 * (probe/serve.ts), of which alone what reads the kernel is another.
 */
import type { IncomingMessage, Server } from 'node:http';
import { PassThrough, Writable, type Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { version } from '../../core/lib/version.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import type { WatchRecord } from '../../core/wire/watch-records.ts';
import { serve, type StartWatch } from '../../probe/serve.ts';
import { recordsOfNode, rulesOfNode } from './node-reports.ts';
import type { TracedService } from './traced-service.ts';

export interface SimulatedNodes {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, TracedService>;
  /** The node that a probe's pod is on; undefined where there is no such pod. */
  readonly nodeOf: (pod: string) => number | undefined;
  /** Called for each stream that is opened. */
  readonly onExec: () => void;
}

/** How long a node takes for a reading, in milliseconds: bench/session.ts measures 20 to 30, and a busy node takes longer. */
const reading = { least: 20, most: 200 };
const channels = { stdin: 0, stdout: 1, close: 255 } as const;
/** A session is the only command that is answered. */
const sessionWord = 'serve';

export function serveNodes(server: Server, nodes: SimulatedNodes): void {
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has('v5.channel.k8s.io') ? 'v5.channel.k8s.io' : false),
  });
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    nodes.onExec();
    const url = new URL(request.url ?? '/', 'http://localhost');
    const pod = /\/pods\/([^/]+)\/exec$/.exec(url.pathname)?.[1] ?? '';
    const node = nodes.nodeOf(pod);
    if (node === undefined || url.searchParams.getAll('command').at(-1) !== sessionWord) {
      stream.end('HTTP/1.1 404 Not Found\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      void serveNode(socket, node, nodes);
    });
  });
}

async function serveNode(socket: WebSocket, node: number, { services }: SimulatedNodes): Promise<void> {
  const input = new PassThrough();
  const send = (chunks: readonly Buffer[], done: () => void): void => {
    socket.send(Buffer.concat([Buffer.of(channels.stdout), ...chunks]), done);
  };
  // What was printed while the last message was on its way goes together, as a kubelet reads it of a pipe.
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      send([chunk], done);
    },
    writev(written: { readonly chunk: Buffer }[], done) {
      send(
        written.map(({ chunk }) => chunk),
        done,
      );
    },
  });
  socket.on('message', (message: Buffer) => {
    if (message[0] === channels.stdin) input.write(message.subarray(1));
    else if (message[0] === channels.close) input.end();
  });
  socket.on('close', () => input.destroy());
  socket.on('error', () => input.destroy());
  let readings = 0;
  const known = (names: ProbeRequest['services']): TracedService[] =>
    names.flatMap(({ namespace, name }) => services.get(`${namespace}/${name}`) ?? []);
  const startWatch: StartWatch = ({ emit }) => {
    const watched = new Set<string>();
    return {
      set: ({ services: asked, connections = [] }) => {
        const now = Date.now();
        for (const service of known(asked)) {
          const key = `${service.desired.namespace}/${service.desired.name}`;
          if (watched.has(key)) continue;
          watched.add(key);
          emit(firstRules(node, key, service, now));
        }
        for (const { service } of connections)
          if (!watched.has(`connections of ${service}`)) {
            watched.add(`connections of ${service}`);
            emit({ kind: 'connectionsFollowed', service, since: now });
          }
      },
      hold: () => undefined,
      settled: () => Promise.resolve(true),
      end: () => undefined,
    };
  };
  await serve(
    input,
    output,
    version,
    async (request, signal, emit) => {
      await sleep(reading.least + Math.random() * (reading.most - reading.least), undefined, { signal });
      readings += 1;
      for (const record of recordsOfNode(node, known(request.services), request, readings)) emit(record);
    },
    startWatch,
  );
  socket.close();
}

function firstRules(node: number, service: string, traced: TracedService, now: number): WatchRecord {
  return {
    kind: 'rules',
    service,
    changes: [],
    omitted: 0,
    hasLost: false,
    isSettled: true,
    polled: [],
    read: { began: now, ended: now },
    records: rulesOfNode(node, traced),
  };
}
