/** One sentence, with what to do, for an error of the API server or of the connection to it. */
import { InvalidServiceTraceError } from '../../core/api/parse-service-trace.ts';
import { describeRefusal } from '../../core/api/refusal.ts';
import { ApiError, isForbidden, UnreachableError } from './api-error.ts';
import { ClusterError } from '../cli/errors.ts';
import { reasonOf } from '../cli/one-line.ts';

export { isForbidden };

export const operatorMissing =
  'The svctrace operator is not installed in this cluster: install it with `kubectl svctrace install`, or trace without it with --standalone.';

/** The error as the user sees it; one that is not an answer of a cluster is given back as it is. */
export function explainError(error: unknown): unknown {
  if (error instanceof InvalidServiceTraceError)
    return new ClusterError(`The cluster's operator speaks another version than this plugin: ${reasonOf(error)}.`, {
      cause: error,
    });
  if (error instanceof UnreachableError)
    return new ClusterError(`The API server ${error.server} cannot be reached: ${reasonOf(error)}.`, { cause: error });
  const answer = error instanceof ApiError ? error : apiExceptionOf(error);
  if (answer === undefined)
    return isFetchFailure(error)
      ? new ClusterError(`The API server cannot be reached: ${reasonOf(error.cause)}.`, { cause: error })
      : error;
  const reason = reasonOf(answer);
  if (answer.code === 401)
    return new ClusterError(
      'The API server does not accept these credentials (401); log in again, or choose another user with --context or --user.',
      { cause: error },
    );
  if (answer.code === 403)
    return new ClusterError(
      `${describeRefusal(answer.message) ?? `The API server forbids it: ${reason.replace(/\.$/, '')}`}.`,
      {
        cause: error,
      },
    );
  if (answer.code === 404 && isMissingApi(answer)) return new ClusterError(operatorMissing, { cause: error });
  return new ClusterError(
    `The API server refused: ${reason.replace(/\.$/, '')} (${answer.reason === '' ? answer.code : answer.reason}).`,
    { cause: error },
  );
}

/** A path that the API server does not serve: the CRD is not there. An object that is not there has a kind and a name. */
function isMissingApi({ kind, message }: Pick<ApiError, 'kind' | 'message'>): boolean {
  return kind === undefined || /could not find the requested resource|page not found/.test(message);
}

/**
 * Why asking again may help: a server that cannot be reached, restarts or is overloaded. Undefined where it does not, as
 * with a refusal.
 */
export function passingReason(error: unknown): string | undefined {
  if (error instanceof UnreachableError) return `${error.server}: ${reasonOf(error)}`;
  if (isFetchFailure(error)) return reasonOf(error.cause);
  const answer = error instanceof ApiError ? error : apiExceptionOf(error);
  return answer !== undefined && (answer.code === 429 || answer.code >= 500)
    ? `${reasonOf(answer)} (${String(answer.code)})`
    : undefined;
}

/** The error of the client library's API classes, which the engine uses: known by its shape, as there is only one. */
function apiExceptionOf(error: unknown): ApiError | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number' || !('body' in error))
    return undefined;
  let body: unknown = error.body;
  if (typeof body === 'string') {
    try {
      body = JSON.parse(body);
    } catch {
      return new ApiError(error.code, '', body as string, undefined);
    }
  }
  const field = (name: string): string => {
    const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
    return typeof value === 'string' ? value : '';
  };
  return new ApiError(error.code, field('reason'), field('message') || error.message, 'object');
}

/** fetch has the reason in the cause alone. */
function isFetchFailure(error: unknown): error is Error & { cause: Error } {
  return error instanceof TypeError && error.message === 'fetch failed' && error.cause instanceof Error;
}
