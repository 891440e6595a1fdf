/** The machine cannot run the cluster at all; the message says why, in one sentence. Tests skip on it. */
export class ClusterUnavailableError extends Error {
  override readonly name = 'ClusterUnavailableError';
}
