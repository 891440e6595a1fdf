/**
 * The node probe. `probe wait` is the main process of its pod, and does nothing until it is ended. `probe` reads one
 * line of JSON (a ProbeRequest) from standard input, prints the report as NDJSON, and ends: with 0 also where parts
 * could not be read (the report says which), with 2 for a request that it does not understand. `probe capture` does the
 * same with a CaptureRequest, and prints packets. `probe serve` answers one request after the other, in a session
 * (core/wire/session-frames.ts), until its standard input ends.
 */
import { createInterface } from 'node:readline';
import type { ZodType } from 'zod';
import { captureRequestSchema } from '../core/capture/request.ts';
import { probeRequestSchema, requestProblem } from '../core/wire/probe-request.ts';
import { capture } from './capture.ts';
import { collect } from './collect.ts';
import { realCommands } from './io/commands.ts';
import { serve } from './serve.ts';
import { version } from '../core/lib/version.ts';

class BadRequestError extends Error {}

/** The first line of standard input; what comes after it is not waited for, since an exec stream may stay open. */
async function readRequest<Request>(schema: ZodType<Request>): Promise<Request> {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new BadRequestError(`the request is not JSON: ${line.slice(0, 80)}`);
    }
    const request = schema.safeParse(value);
    if (request.success) return request.data;
    throw new BadRequestError(requestProblem(request.error));
  }
  throw new BadRequestError('standard input ended without a request; give one line of JSON');
}

/** As process 1 of a container it gets no signal by default, so it listens for them. */
function wait(): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
  setInterval(() => undefined, 2 ** 30);
}

if (process.argv[2] === 'wait') wait();
else {
  try {
    const print = (record: object): void => {
      process.stdout.write(`${JSON.stringify(record)}\n`);
    };
    // A reader that is gone wants no more: what was started for it ends with this process.
    process.stdout.on('error', () => process.exit(1));
    if (process.argv[2] === 'serve') {
      const problem = await serve(process.stdin, process.stdout, version);
      if (problem !== undefined) throw new BadRequestError(problem);
      // What still runs was asked to end, or ends by itself; nobody wants it.
      process.exit();
    } else if (process.argv[2] === 'capture') await capture(await readRequest(captureRequestSchema), print);
    else await collect(await readRequest(probeRequestSchema), realCommands(), version, print);
    // An open standard input would keep the process alive.
    process.stdin.destroy();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof BadRequestError ? 2 : 1;
    process.stdin.destroy();
  }
}
