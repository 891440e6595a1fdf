/**
 * The node probe. `probe wait` is the main process of its pod, and does nothing until it is ended. `probe` reads one
 * line of JSON (a ProbeRequest) from standard input, prints the report as NDJSON, and ends: with 0 also where parts
 * could not be read (the report says which), with 2 for a request that it does not understand. `probe capture` does the
 * same with a CaptureRequest, and prints packets. `probe serve` answers one request after the other, in a session
 * (core/wire/session-frames.ts), until its standard input ends.
 */

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
 * said when Node starts, so that it starts again.
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
  if (process.argv[2] === 'serve') startSmall();
  // Loaded by the process that stays.
  await import('./run.ts');
}
