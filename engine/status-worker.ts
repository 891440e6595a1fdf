/** The thread that works statuses out (status-thread.ts): what each is made from comes in pieces. */
import { parentPort } from 'node:worker_threads';
import { buildStatus } from '../core/status/status.ts';
import type { StatusInput } from '../core/status/input.ts';
import { Assembly } from './message-pieces.ts';
import type { StatusReply, StatusRequest } from './status-thread.ts';

const port = parentPort;
if (port === null) throw new Error('status-worker.ts is not a program of its own: status-thread.ts starts it');

const assemblies = new Map<number, Assembly>();

port.on('message', ({ id, piece, isLast }: StatusRequest) => {
  const assembly = assemblies.get(id) ?? new Assembly();
  assembly.add(piece);
  if (!isLast) {
    assemblies.set(id, assembly);
    return;
  }
  assemblies.delete(id);
  const reply = (message: StatusReply): void => {
    port.postMessage(message);
  };
  try {
    // The other side of this thread sent it, and has parsed it.
    reply({ id, status: buildStatus(assembly.value as StatusInput) });
  } catch (error) {
    reply({ id, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  }
});
