/** What the plugin cannot do, each as one sentence. exit-status.ts gives each class its exit status. */

/** A flag, a value or a combination that is not allowed: names it, and what is. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The cluster is not reachable, not configured, refuses, or has no operator that answers. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
}

/** The Service, or the ServiceTrace, is not there. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
}

/** The user ended the program, or closed the pipe that it writes to. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGPIPE';
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGPIPE') {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}
