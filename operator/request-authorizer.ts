/**
 * Whether the bearer of a token may read a path, as kube-rbac-proxy decides it: the API server says whose the token is
 * (TokenReview), and whether that user may (SubjectAccessReview). Both are remembered for a short time.
 */
import { createHash } from 'node:crypto';
import { AuthenticationV1Api, AuthorizationV1Api, type KubeConfig, type V1UserInfo } from '@kubernetes/client-node';
import pLimit from 'p-limit';
import { withTimeout } from '../engine/with-timeout.ts';

export type Decision = 'allowed' | 'unauthenticated' | 'forbidden';

/** Too many tokens that nobody has asked about are being asked about already. */
export class AuthorizerBusyError extends Error {
  override readonly name = 'AuthorizerBusyError';
}

export interface Reviews {
  /** Undefined where the token is nobody's. */
  userOf(token: string): Promise<V1UserInfo | undefined>;
  mayGet(user: V1UserInfo, path: string): Promise<boolean>;
}

const requestTimeoutMilliseconds = 5000;
const rememberedMilliseconds: Readonly<Record<Decision, number>> = {
  allowed: 60_000,
  unauthenticated: 10_000,
  forbidden: 10_000,
};
const mostRemembered = 100;
const reviewsAtOnce = 4;
const mostWaiting = 16;

export function kubernetesReviews(kubeConfig: KubeConfig): Reviews {
  const authentication = kubeConfig.makeApiClient(AuthenticationV1Api);
  const authorization = kubeConfig.makeApiClient(AuthorizationV1Api);
  return {
    async userOf(token) {
      const { status } = await withTimeout(
        authentication.createTokenReview({ body: { spec: { token } } }),
        requestTimeoutMilliseconds,
      );
      return status?.authenticated === true ? status.user : undefined;
    },
    async mayGet({ username, groups, uid, extra }, path) {
      const { status } = await withTimeout(
        authorization.createSubjectAccessReview({
          body: {
            spec: {
              nonResourceAttributes: { path, verb: 'get' },
              ...(username === undefined ? {} : { user: username }),
              ...(groups === undefined ? {} : { groups }),
              ...(uid === undefined ? {} : { uid }),
              ...(extra === undefined ? {} : { extra }),
            },
          },
        }),
        requestTimeoutMilliseconds,
      );
      return status?.allowed === true && status.denied !== true;
    },
  };
}

/** @returns decides about a token. It throws AuthorizerBusyError, and what a review throws: then nobody may. */
export function requestAuthorizer(reviews: Reviews, path: string): (token: string) => Promise<Decision> {
  /** By a digest of the token: the token itself is not kept. The newest is the last. */
  const remembered = new Map<string, { readonly decision: Decision; readonly until: number }>();
  const running = new Map<string, Promise<Decision>>();
  const limit = pLimit(reviewsAtOnce);

  const review = async (digest: string, token: string): Promise<Decision> => {
    const user = await reviews.userOf(token);
    const decision =
      user === undefined ? 'unauthenticated' : (await reviews.mayGet(user, path)) ? 'allowed' : 'forbidden';
    remembered.delete(digest);
    remembered.set(digest, { decision, until: performance.now() + rememberedMilliseconds[decision] });
    const [oldest] = remembered.keys();
    if (remembered.size > mostRemembered && oldest !== undefined) remembered.delete(oldest);
    return decision;
  };
  return async (token) => {
    const digest = createHash('sha256').update(token).digest('base64');
    const before = remembered.get(digest);
    if (before !== undefined && performance.now() < before.until) return before.decision;
    const present = running.get(digest);
    if (present !== undefined) return present;
    if (limit.pendingCount >= mostWaiting) throw new AuthorizerBusyError('too many tokens are being looked at');
    const decision = limit(() => review(digest, token)).finally(() => running.delete(digest));
    running.set(digest, decision);
    return decision;
  };
}
