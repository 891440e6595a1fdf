/** Runs one command in a pod through the API server's exec stream: only where the user asked for it (dns --exec, --connect --from POD). */
import { Writable } from 'node:stream';
import { Exec, type KubeConfig } from '@kubernetes/client-node';
import { ClusterError } from '../cli/errors.ts';

const timeoutMilliseconds = 10_000;
const maxBytes = 64 * 1024;

/** The container's image does not have the program. */
export class NoSuchCommandError extends ClusterError {}

/**
 * What the command printed. It is an argument vector; no shell runs.
 * @throws ClusterError where it cannot be run, fails, or does not end
 */
export async function execInPod(
  kubeConfig: KubeConfig,
  {
    namespace,
    pod,
    container = '',
    command,
  }: {
    readonly namespace: string;
    readonly pod: string;
    readonly container?: string;
    readonly command: readonly string[];
  },
): Promise<string> {
  const { promise: finished, resolve, reject } = Promise.withResolvers<undefined>();
  finished.catch(() => undefined);
  // A script of many lines is an argument, too.
  const shown = command
    .filter((word) => !word.includes('\n'))
    .slice(0, 4)
    .join(' ');
  const failure = (reason: string, Kind: typeof ClusterError = ClusterError): ClusterError =>
    new Kind(`${shown} cannot be run in pod ${pod} of namespace ${namespace}: ${reason}.`);
  const output = collector();
  const problem = collector();
  const timer = setTimeout(() => {
    reject(failure(`no answer within ${String(timeoutMilliseconds / 1000)} s`));
  }, timeoutMilliseconds);
  try {
    // Without a container's name, the API server takes the only one.
    const socket = await new Exec(kubeConfig).exec(
      namespace,
      pod,
      container,
      [...command],
      output.stream,
      problem.stream,
      null,
      false,
      ({ status, message }) => {
        if (status === 'Success') resolve(undefined);
        else if (/executable file not found/.test(message ?? ''))
          reject(
            failure(
              `its image has no ${command[0] ?? ''}; without --exec it is shown as the pod's spec makes it`,
              NoSuchCommandError,
            ),
          );
        else reject(failure(problem.text().trim().split('\n')[0] || (message ?? 'no reason given')));
      },
    );
    try {
      socket.addEventListener('close', () => {
        reject(failure('the exec stream broke'));
      });
      await finished;
      return output.text();
    } finally {
      socket.close();
    }
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    const text =
      typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
        ? error.message
        : String(error);
    throw failure(/\b403$/.test(text) ? `you may not: it needs the verbs get and create of pods/exec` : text);
  } finally {
    clearTimeout(timer);
  }
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return {
    stream: new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes <= maxBytes) chunks.push(chunk);
        done();
      },
    }),
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}
