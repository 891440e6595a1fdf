/** Which sockets of the node listen on a Service's node ports, and on its healthCheckNodePort. */
import { createReadStream } from 'node:fs';
import { endianness } from 'node:os';
import { createInterface } from 'node:readline';
import type { RecordOf } from '../core/wire/node-report.ts';
import { parseListeningSocket } from '../core/proc/sockets.ts';
import type { ProbeRequestService } from '../core/wire/probe-request.ts';
import type { Emit } from './io/emit.ts';

type Listening = RecordOf<'sockets'>['listening'][number];

/** A node with very many sockets is not read to their end; one that is busy with the rest of a collection is waited for. */
const timeoutMilliseconds = 10_000;

export async function readSockets(services: readonly ProbeRequestService[], emit: Emit): Promise<void> {
  const asked = services.map((service) => ({ service, ports: portsOf(service) })).filter(({ ports }) => ports.size > 0);
  if (asked.length === 0) return;
  const all = new Set(asked.flatMap(({ ports }) => [...ports]));
  const found: Listening[] = [];
  try {
    for (const [file, protocol] of [
      ['tcp', 'TCP'],
      ['tcp6', 'TCP'],
      ['udp', 'UDP'],
      ['udp6', 'UDP'],
    ] as const)
      await readFileOf(file, protocol, all, found);
  } catch (error) {
    emit({
      kind: 'unread',
      part: 'other',
      what: 'sockets',
      reason: error instanceof Error ? error.message : String(error),
    });
    return;
  }
  for (const { service, ports } of asked) {
    emit({
      kind: 'sockets',
      service: `${service.namespace}/${service.name}`,
      listening: found.filter(({ protocol, port }) => ports.has(`${protocol} ${String(port)}`)),
    });
  }
}

function portsOf({ ports, healthCheckNodePort }: ProbeRequestService): Set<string> {
  const nodePorts = ports.flatMap(({ protocol, nodePort }) =>
    nodePort === undefined || nodePort === 0 || protocol === 'SCTP' ? [] : [`${protocol} ${String(nodePort)}`],
  );
  return new Set([
    ...nodePorts,
    ...(healthCheckNodePort === undefined || healthCheckNodePort === 0 ? [] : [`TCP ${String(healthCheckNodePort)}`]),
  ]);
}

/** The file is not there where the kernel has no IPv6. */
async function readFileOf(
  file: string,
  protocol: 'TCP' | 'UDP',
  ports: ReadonlySet<string>,
  found: Listening[],
): Promise<void> {
  const stream = createReadStream(`/proc/net/${file}`, {
    encoding: 'utf8',
    signal: AbortSignal.timeout(timeoutMilliseconds),
  });
  try {
    for await (const line of createInterface({ input: stream })) {
      const socket = parseListeningSocket(line, protocol, endianness());
      if (socket !== undefined && ports.has(`${protocol} ${String(socket.port)}`)) found.push({ protocol, ...socket });
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
