/** Runs one command in a probe's pod through the API server's exec stream, and reads what it prints. */
import { Writable, PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { Exec, type KubeConfig } from '@kubernetes/client-node';
import { maxReportBytes } from '../core/wire/report-limit.ts';
import { probeCommand, probeContainer, sessionCommand } from './probe-pod.ts';

export interface ProbeExec {
  readonly namespace: string;
  readonly pod: string;
  /** One line. */
  readonly request: string;
  readonly timeoutMilliseconds: number;
  readonly signal?: AbortSignal;
}

/** What a probe prints is given line by line instead of at the end. */
export interface ProbeStream extends ProbeExec {
  readonly verb: 'capture';
  readonly maxBytes: number;
  readonly onLine: (line: string) => void;
}

/** Why a probe gave no report; `reason` is one word for the status. */
export class ProbeExecError extends Error {
  override readonly name = 'ProbeExecError';
  readonly reason: string;
  /** The probe had printed something: its node and its kubelet answer. */
  readonly hasBegun: boolean;

  constructor(reason: string, message: string, hasBegun = false) {
    super(message);
    this.reason = reason;
    this.hasBegun = hasBegun;
  }
}

/**
 * Gives the probe its request as one line and returns what it printed.
 * @throws ProbeExecError for a time-out, too large a report, a status other than 0, or a stream that broke
 */
export async function execProbe(kubeConfig: KubeConfig, exec: ProbeExec): Promise<string> {
  const chunks: Buffer[] = [];
  await runProbe(kubeConfig, {
    ...exec,
    maxBytes: maxReportBytes,
    command: probeCommand,
    onChunk: (chunk) => {
      chunks.push(chunk);
    },
  });
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The same for a verb of the probe that prints for as long as it is asked to.
 * @throws ProbeExecError as execProbe does
 */
export async function streamProbe(kubeConfig: KubeConfig, { verb, onLine, ...exec }: ProbeStream): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  await runProbe(kubeConfig, {
    ...exec,
    command: [...probeCommand, verb],
    onChunk: (chunk) => {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
  });
  if (rest !== '') onLine(rest);
}

/** A stream that stays open. */
export interface OpenStream {
  write(text: string): void;
  close(): void;
}

export interface SessionStream {
  readonly namespace: string;
  readonly pod: string;
  /** Whatever the probe prints, as it comes. */
  readonly onText: (text: string) => void;
  /** Called once, unless it was closed from here: why there is no stream any more. */
  readonly onEnd: (error: ProbeExecError) => void;
  /** Nobody waits for the stream any more. */
  readonly signal: AbortSignal;
}

/**
 * Starts a session with the probe (core/wire/session-frames.ts).
 * @throws ProbeExecError where no stream can be opened
 */
export async function openSession(
  kubeConfig: KubeConfig,
  { namespace, pod, onText, onEnd, signal }: SessionStream,
): Promise<OpenStream> {
  const stdin = new PassThrough();
  const decoder = new StringDecoder('utf8');
  let problem = '';
  let isOver = false;
  const end = (error: ProbeExecError): void => {
    if (isOver) return;
    isOver = true;
    onEnd(error);
  };
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!isOver) onText(decoder.write(chunk));
      done();
    },
  });
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (problem.length < 1000) problem += chunk.toString('utf8');
      done();
    },
  });
  try {
    const socket = await new Exec(kubeConfig).exec(
      namespace,
      pod,
      probeContainer,
      [...sessionCommand],
      stdout,
      stderr,
      stdin,
      false,
      (status) => {
        end(
          status.status === 'Success'
            ? new ProbeExecError('StreamBroke', 'its probe ended the session')
            : new ProbeExecError(
                'ProbeFailed',
                `its probe failed: ${firstLine(problem) || (status.message ?? 'no reason given')}`,
              ),
        );
      },
    );
    const close = (): void => {
      isOver = true;
      stdin.destroy();
      socket.close();
      // A peer that is dead does not answer.
      setTimeout(() => {
        socket.terminate();
      }, closeMilliseconds).unref();
    };
    socket.addEventListener('close', () => {
      end(new ProbeExecError('StreamBroke', 'the exec stream to its probe broke'));
    });
    if (signal.aborted) close();
    return {
      write: (text) => {
        if (!isOver) stdin.write(text);
      },
      close,
    };
  } catch (error) {
    throw openingError(error, namespace);
  }
}

const closeMilliseconds = 1000;

interface ProbeRun extends ProbeExec {
  readonly command: readonly string[];
  readonly maxBytes: number;
  readonly onChunk: (chunk: Buffer) => void;
}

async function runProbe(
  kubeConfig: KubeConfig,
  { namespace, pod, request, timeoutMilliseconds, signal, command, maxBytes, onChunk }: ProbeRun,
): Promise<void> {
  if (signal?.aborted === true) throw new ProbeExecError('Aborted', 'the collection was ended');
  let bytes = 0;
  let problem = '';
  const stdin = new PassThrough();
  let finish: (error?: ProbeExecError) => void = () => undefined;
  const finished = new Promise<void>((resolve, reject) => {
    finish = (error) => {
      if (error === undefined) resolve();
      else reject(error);
    };
  });
  // A failure before anybody waits is reported by the await below.
  finished.catch(() => undefined);
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        finish(
          new ProbeExecError(
            'ReportTooLarge',
            `its probe printed more than ${String(Math.ceil(maxBytes / 1024 / 1024))} MiB`,
          ),
        );
      else onChunk(chunk);
      done();
    },
  });
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (problem.length < 1000) problem += chunk.toString('utf8');
      done();
    },
  });
  const timer = setTimeout(() => {
    finish(
      new ProbeExecError(
        'TimedOut',
        `its probe did not answer within ${String(timeoutMilliseconds / 1000)} s`,
        bytes > 0,
      ),
    );
  }, timeoutMilliseconds);
  const onAbort = (): void => {
    finish(new ProbeExecError('Aborted', 'the collection was ended'));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  let isOver = false;
  let socket: Awaited<ReturnType<Exec['exec']>> | undefined;
  try {
    const opening = new Exec(kubeConfig).exec(
      namespace,
      pod,
      probeContainer,
      [...command],
      stdout,
      stderr,
      stdin,
      false,
      (status) => {
        if (status.status === 'Success') finish();
        else
          finish(
            new ProbeExecError(
              'ProbeFailed',
              `its probe failed: ${firstLine(problem) || (status.message ?? 'no reason given')}`,
            ),
          );
      },
    );
    // Where the time runs out while the stream is being opened, it is closed as soon as it is there.
    opening
      .then((late) => {
        if (isOver) late.close();
      })
      .catch(() => undefined);
    socket = await Promise.race([opening, finished.then(() => opening)]);
    socket.addEventListener('close', () => {
      finish(new ProbeExecError('StreamBroke', 'the exec stream to its probe broke before the report was whole'));
    });
    stdin.write(`${request}\n`);
    await finished;
  } catch (error) {
    if (error instanceof ProbeExecError) throw error;
    throw openingError(error, namespace);
  } finally {
    isOver = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    socket?.close();
    stdin.destroy();
  }
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  );
}

/** A refused upgrade comes as an event or an error, whose message has the HTTP status. */
function openingError(error: unknown, namespace: string): ProbeExecError {
  const hasMessage =
    typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string';
  const message = hasMessage ? String(error.message) : String(error);
  if (/\b(401|403)$/.test(message)) {
    return new ProbeExecError(
      'ExecForbidden',
      `its probe may not be asked: the verbs get and create of pods/exec are needed in namespace ${namespace} (kubectl create role svctrace-exec --verb=get,create --resource=pods/exec -n ${namespace}, and a rolebinding of it to who asks)`,
    );
  }
  return new ProbeExecError('ExecFailed', `its probe cannot be reached through the API server: ${message}`);
}
