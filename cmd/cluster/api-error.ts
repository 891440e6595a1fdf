/** The result of a request that the API server did not answer as asked. No client is loaded for knowing it. */

/** The API server answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: number;
  readonly reason: string;
  /** Of details.kind, such as namespaces, where the server says which object is not there. */
  readonly kind: string | undefined;
  constructor(code: number, reason: string, message: string, kind: string | undefined) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.kind = kind;
  }
}

/** No answer came: the connection failed, or ended, or took too long. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly server: string;
  constructor(server: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.server = server;
  }
}

export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.code === 403;
}
