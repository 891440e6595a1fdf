/** The Events of traces in a real cluster. */
import { EventsV1Api, V1MicroTime, type KubeConfig } from '@kubernetes/client-node';
import { serviceTraceGroup as group, serviceTraceVersion as version } from '../core/api/service-trace.ts';
import { statusCodeOf } from '../engine/api-error.ts';
import { withTimeout } from '../engine/with-timeout.ts';
import type { EventStore } from './trace-events.ts';

const reportingController = 'svctrace.io/operator';
/** All of them are about this. */
const action = 'Collect';
const requestTimeoutMilliseconds = 10_000;

/** @param instance names the operator that reports, such as its pod; at most 128 characters of it are kept */
export function kubernetesEvents(kubeConfig: KubeConfig, instance: string): EventStore {
  const events = kubeConfig.makeApiClient(EventsV1Api);
  return {
    async create({ namespace, name, subject, type, reason, note, time, series }) {
      const { uid } = subject.metadata;
      await withTimeout(
        events.createNamespacedEvent({
          namespace,
          body: {
            metadata: { name, namespace },
            eventTime: new V1MicroTime(time),
            reportingController,
            reportingInstance: instance.slice(0, 128),
            action,
            type,
            reason,
            note,
            regarding: {
              apiVersion: `${group}/${version}`,
              kind: 'ServiceTrace',
              namespace,
              name: subject.metadata.name ?? '',
              ...(uid === undefined ? {} : { uid }),
            },
            ...(series === undefined
              ? {}
              : { series: { count: series.count, lastObservedTime: new V1MicroTime(series.lastObserved) } }),
          },
        }),
        requestTimeoutMilliseconds,
      );
    },
    async updateSeries({ namespace, name }, { count, lastObserved }) {
      try {
        await withTimeout(
          events.patchNamespacedEvent({
            namespace,
            name,
            body: [
              {
                op: 'add',
                path: '/series',
                // A MicroTime has six digits of a second, or is refused.
                value: { count, lastObservedTime: new Date(lastObserved).toISOString().replace('Z', '000Z') },
              },
            ],
          }),
          requestTimeoutMilliseconds,
        );
        return true;
      } catch (error) {
        if (statusCodeOf(error) === 404) return false;
        throw error;
      }
    },
  };
}
