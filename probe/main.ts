/**
 * The node probe. `probe wait` is the main process of its pod, and does nothing until it is ended. `probe` reads one
 * line of JSON (a ProbeRequest) from standard input, prints the report as NDJSON, and ends: with 0 also where parts
 * could not be read (the report says which), with 2 for a request that it does not understand. `probe capture` does the
 * same with a CaptureRequest, and prints packets. `probe serve` answers one request after the other, in a session
 * (core/wire/session-frames.ts), until its standard input ends.
 */
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

/** As process 1 of a container it gets no signal by default, so it asks for them. */
const waitingScript = '$SIG{TERM} = $SIG{INT} = sub { exit 0 }; sleep 3600 while 1';

/** Node has 60 MiB for it, and perl 5: it takes the place of this process where it can. */
function wait(): void {
  try {
    process.execve?.('/usr/bin/perl', ['perl', '-e', waitingScript], {});
  } catch {
    // There is no perl.
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
  setInterval(() => undefined, 2 ** 30);
}

const smallFlags = ['--max-semi-space-size=1', '--no-opt', '--no-maglev'];

/**
 * A session is at rest most of the time. The compilers that make code faster have 8 MiB of program beside the code that they
 * make, and a young generation grows to 16 MiB and more: a reading of one Service gains nothing by either. That can only be
 * said when Node starts, so that it starts anew.
 */
function startSmall(): void {
  if (smallFlags.every((flag) => process.execArgv.includes(flag))) return;
  try {
    process.execve?.(
      process.execPath,
      ['node', ...process.execArgv, ...smallFlags, ...process.argv.slice(1)],
      process.env,
    );
  } catch {
    // It is larger then.
  }
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
      startSmall();
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
}
