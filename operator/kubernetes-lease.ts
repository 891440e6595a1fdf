/** The Lease of the operators in a real cluster. It is part of the installation, so that nobody needs the right to create one. */
import { CoordinationV1Api, V1MicroTime, type KubeConfig, type V1Lease } from '@kubernetes/client-node';
import { statusCodeOf } from '../engine/api-error.ts';
import { withTimeout } from '../engine/with-timeout.ts';
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
        return seenOf(await withTimeout(leases.readNamespacedLease({ namespace, name }), requestTimeoutMilliseconds));
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
        return seenOf(
          await withTimeout(leases.replaceNamespacedLease({ namespace, name, body }), requestTimeoutMilliseconds),
        );
      } catch (error) {
        if (statusCodeOf(error) === 409) throw new LeaseChangedError(name, { cause: error });
        throw error;
      }
    },
  };
}
