/** The Lease of the operators in a real cluster. It is part of the installation, so that nobody needs the right to create one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoordinationV1Api, V1MicroTime, type KubeConfig, type V1Lease } from '@kubernetes/client-node';
import { statusCodeOf } from '../engine/api-error.ts';
import { LeaseChangedError, type LeaseSeen, type LeaseStore } from './leadership.ts';

export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

/** An API server that does not answer in this time is asked again. */
const requestTimeoutMilliseconds = 5000;

export function kubernetesLease(kubeConfig: KubeConfig, { namespace, name }: LeaseName): LeaseStore {
  const leases = kubeConfig.makeApiClient(CoordinationV1Api);
  let last: V1Lease | undefined;
  const seenOf = (lease: V1Lease): LeaseSeen => {
    last = lease;
    const { holderIdentity, renewTime, leaseDurationSeconds, leaseTransitions } = lease.spec ?? {};
    return {
      version: lease.metadata?.resourceVersion ?? '',
      holder: holderIdentity ?? '',
      // The client's type says V1MicroTime; what it reads is the API server's text.
      renewTime: renewTime === undefined ? '' : JSON.stringify(renewTime),
      durationSeconds: leaseDurationSeconds ?? 0,
      transitions: leaseTransitions ?? 0,
    };
  };
  return {
    async read() {
      try {
        return seenOf(await inTime(leases.readNamespacedLease({ namespace, name })));
      } catch (error) {
        if (statusCodeOf(error) !== 404) throw error;
        throw new Error(
          `there is no Lease ${name} in namespace ${namespace}; install the operator again, which makes it: kubectl svctrace install`,
        );
      }
    },
    async write({ version }, { holder, durationSeconds, transitions }, isNewHolder) {
      const now = new V1MicroTime();
      const body: V1Lease = {
        ...last,
        metadata: { ...last?.metadata, name, namespace, resourceVersion: version },
        spec: {
          ...last?.spec,
          holderIdentity: holder,
          leaseDurationSeconds: durationSeconds,
          leaseTransitions: transitions,
          renewTime: now,
          ...(isNewHolder ? { acquireTime: now } : {}),
        },
      };
      try {
        return seenOf(await inTime(leases.replaceNamespacedLease({ namespace, name, body })));
      } catch (error) {
        if (statusCodeOf(error) === 409) throw new LeaseChangedError(name, { cause: error });
        throw error;
      }
    },
  };
}

async function inTime<Value>(request: Promise<Value>): Promise<Value> {
  const ended = new AbortController();
  try {
    return await Promise.race([
      request,
      sleep(requestTimeoutMilliseconds, undefined, { signal: ended.signal, ref: false }).then(() => {
        throw new Error(`the API server did not answer within ${String(requestTimeoutMilliseconds / 1000)} s`);
      }),
    ]);
  } finally {
    ended.abort();
    request.catch(() => undefined);
  }
}
