/** What a probe does but for waiting: one request, a capture, or a session (see main.ts). */
import { createInterface } from 'node:readline';
import type { ZodType } from 'zod';
import { probeRequestSchema, requestProblem } from '../core/wire/probe-request.ts';
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
  } else if (process.argv[2] === 'capture')
    await (
      await import('./capture.ts')
    ).capture(await readRequest((await import('../core/capture/request.ts')).captureRequestSchema), print);
  else await collect(await readRequest(probeRequestSchema), realCommands(), version, print);
  // An open standard input would keep the process alive.
  process.stdin.destroy();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof BadRequestError ? 2 : 1;
  process.stdin.destroy();
}
