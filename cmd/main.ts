/** kubectl svctrace: reads the command line, runs the command, and turns its result into an exit status. */
import { parseCommandLine } from './cli/command-line.ts';
import { InterruptedError } from './cli/errors.ts';
import { exitStatusOfError } from './cli/exit-status.ts';
import type { Io } from './cli/io.ts';
import type { Request } from './cli/request.ts';
import { messageStream, textStream } from './cli/streams.ts';
import { reasonOf } from './cli/one-line.ts';

/** Each command is loaded when it is used: help and completion need no client, a table no TUI. */
async function run(request: Request, io: Io): Promise<number> {
  const log = (line: string): void => {
    io.stderr.write(`${line}\n`);
  };
  switch (request.command) {
    case 'trace': {
      const { isLive, runLive } = await import('./commands/live.ts');
      return isLive(request, io) ? runLive(request, io) : (await import('./commands/trace.ts')).runTrace(request, io);
    }
    case 'record':
      return (await import('./commands/record.ts')).runRecord(request, io);
    case 'install':
    case 'uninstall': {
      const [{ runInstall, runUninstall }, { connect }, { default: manifests }] = await Promise.all([
        import('./commands/install.ts'),
        import('./cluster/cluster-client.ts'),
        import('../config/install.yaml'),
      ]);
      const clusterClient = connect(request.flags, io.env, log);
      return request.command === 'install'
        ? runInstall(request, io, manifests, clusterClient)
        : runUninstall(request, io, manifests, clusterClient);
    }
    case 'status': {
      const [{ runStatus }, { connect }] = await Promise.all([
        import('./commands/status.ts'),
        import('./cluster/cluster-client.ts'),
      ]);
      return runStatus(request, io, connect(request.flags, io.env, log));
    }
    case 'simulate':
      return (await import('./commands/simulate.ts')).runSimulate(request, io);
    case 'explain':
      return (await import('./commands/explain.ts')).runExplain(request, io);
    case 'diagram':
      return (await import('./commands/diagram.ts')).runDiagram(request, io);
    case 'report':
      return (await import('./commands/report.ts')).runReport(request, io);
    case 'dns':
      return (await import('./commands/dns.ts')).runDns(request, io);
    case 'logs':
      return (await import('./commands/logs.ts')).runLogs(request, io);
    case 'rollout':
      return (await import('./commands/rollout.ts')).runRollout(request, io);
    case 'capture':
      return (await import('./commands/capture.ts')).runCapture(request, io);
    case 'findings':
      return (await import('./commands/findings.ts')).runFindings(request, io);
    case 'version':
      return (await import('./commands/version.ts')).runVersion(request, io);
    case 'completion':
      return (await import('./commands/completion.ts')).runCompletion(request, io);
    case '__complete':
      return (await import('./commands/completion.ts')).runComplete(request, io);
  }
}

const output = textStream(process.stdout);
const messages = messageStream(process.stderr);

/** EX_SOFTWARE of sysexits.h. */
const bugStatus = 70;
/** For what a command does at its end. */
const timeoutMilliseconds = 3000;

async function main(args: readonly string[]): Promise<number> {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait for the cleaning up; a terminal that is closed is nobody who asks.
      if (interruption.signal.aborted && signal !== 'SIGHUP')
        process.exit(exitStatusOfError(new InterruptedError(signal)) ?? 1);
      interruption.abort(new InterruptedError(signal));
    });
  }
  // A reader that closes the pipe early (head) is not an error of ours; what was created is still removed.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && !isOfGoneTerminal(error)) throw error;
    interruption.abort(new InterruptedError(error.code === 'EPIPE' ? 'SIGPIPE' : 'SIGHUP'));
  });
  // A promise that nobody waited for comes here too. The terminal is given back before the error is printed.
  process.on('uncaughtException', (error) => {
    // A view gives its terminal back, which is not there any more: what was created is still removed.
    if (isOfGoneTerminal(error)) {
      interruption.abort(new InterruptedError('SIGHUP'));
      return;
    }
    if (interruption.signal.aborted) process.exit(bugStatus);
    interruption.abort(error);
    setTimeout(() => {
      void printError(error, interruption.signal).then((status) => {
        process.exit(status);
      });
    }, timeoutMilliseconds);
  });
  try {
    const parsed = await parseCommandLine(args, process.stdout.columns ?? 100);
    if (parsed.kind === 'help') {
      output.write(`${parsed.text}\n`);
      return 0;
    }
    const { stdin, env } = process;
    const status = await run(parsed.request, {
      stdout: output,
      stderr: messages,
      stdin,
      env,
      signal: interruption.signal,
    });
    interruption.signal.throwIfAborted();
    return status;
  } catch (error) {
    return await printError(error, interruption.signal);
  }
}

/** EIO without a path: reading or writing a terminal, not a file. */
function isOfGoneTerminal({ code, path }: NodeJS.ErrnoException): boolean {
  return code === 'EIO' && path === undefined;
}

/** Says what went wrong in one sentence; a bug is shown with its stack. */
async function printError(thrown: unknown, interruption: AbortSignal): Promise<number> {
  let error: unknown = interruption.aborted ? interruption.reason : thrown;
  let status = exitStatusOfError(error);
  if (status === undefined) {
    error = (await import('./cluster/explain-error.ts')).explainError(error);
    status = exitStatusOfError(error);
  }
  if (error instanceof InterruptedError) return status ?? 1;
  if (status === undefined) {
    const text = `This is a bug of kubectl svctrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    for (const line of text.split('\n')) messages.write(`${line}\n`);
    return bugStatus;
  }
  messages.write(`${reasonOf(error)}\n`);
  return status;
}

// Some libraries leave timers and sockets behind that would keep the process; the output has to be out before.
const status = await main(process.argv.slice(2));
process.exitCode = status;
process.stdout.write('', () => {
  process.stderr.write('', () => {
    process.exit(status);
  });
});
