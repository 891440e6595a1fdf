/** The thread that works statuses out (status-thread.ts): answers come one by one, then what they are judged with. */
import { parentPort } from 'node:worker_threads';
import type { NodeAnswer } from '../core/node-report.ts';
import { buildStatus } from '../core/status.ts';
import type { StatusReply, StatusRequest } from './status-thread.ts';

const port = parentPort;
if (port === null) throw new Error('status-worker.ts is no program of its own: status-thread.ts starts it');

const answersOf = new Map<number, NodeAnswer[]>();

port.on('message', (request: StatusRequest) => {
  const { id } = request;
  const answers = answersOf.get(id) ?? [];
  if ('answer' in request) {
    answers.push(request.answer);
    answersOf.set(id, answers);
    return;
  }
  answersOf.delete(id);
  const reply = (message: StatusReply): void => {
    port.postMessage(message);
  };
  try {
    reply({ id, status: buildStatus({ ...request.input, answers }) });
  } catch (error) {
    reply({ id, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  }
});
