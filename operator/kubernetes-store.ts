/** The ServiceTrace objects of a real cluster. */
import { CustomObjectsApi, type KubeConfig } from '@kubernetes/client-node';
import { parseServiceTraceToWrite } from '../core/api/parse-service-trace.ts';
import {
  serviceTraceGroup as group,
  serviceTracePlural as plural,
  serviceTraceVersion as version,
  type ServiceTrace,
} from '../core/api/service-trace.ts';
import { messageOf, statusCodeOf } from '../engine/api-error.ts';
import type { Log } from '../engine/log.ts';
import type { ChangeNotesOptions } from './change-notes.ts';
import { StatusRefusedError, type TraceStore } from './reconcile.ts';
import { traceOf } from './trace-key.ts';

export function kubernetesStore(
  kubeConfig: KubeConfig,
  log: Log,
): Omit<TraceStore, 'recordEvent'> & Pick<ChangeNotesOptions, 'replaceTrueCondition'> {
  const objects = kubeConfig.makeApiClient(CustomObjectsApi);
  const place = (
    trace: ServiceTrace,
  ): { group: string; version: string; plural: string; namespace: string; name: string } => ({
    group,
    version,
    plural,
    namespace: trace.metadata.namespace ?? '',
    name: trace.metadata.name ?? '',
  });
  /** Traces, by uid, whose unreadable status was logged. */
  const unread = new Set<string>();
  return {
    async read(key) {
      const { namespace, name } = traceOf(key);
      try {
        const { trace, statusProblem } = parseServiceTraceToWrite(
          await objects.getNamespacedCustomObject({ group, version, plural, namespace, name }),
        );
        const { uid = '' } = trace.metadata;
        if (statusProblem === undefined) unread.delete(uid);
        else if (!unread.has(uid)) {
          unread.add(uid);
          log.warn(`its status is of another version, and is written again: ${statusProblem}`, {
            trace: { namespace, name },
          });
        }
        return trace.metadata.deletionTimestamp === undefined ? trace : undefined;
      } catch (error) {
        if (statusCodeOf(error) === 404) return undefined;
        throw error;
      }
    },
    async writeStatus(trace, status) {
      try {
        // One operation that replaces the status whole: a merge would keep what is no longer so. The uid is tested,
        // so that a trace that was recreated under the same name does not get the old one's status.
        await objects.patchNamespacedCustomObjectStatus({
          ...place(trace),
          body: [
            { op: 'test', path: '/metadata/uid', value: trace.metadata.uid },
            { op: 'add', path: '/status', value: status },
          ],
        });
      } catch (error) {
        if (statusCodeOf(error) === 404 || isFailedTest(error)) return;
        if (isRefusal(error)) throw new StatusRefusedError(messageOf(error), { cause: error });
        throw error;
      }
    },
    async replaceTrueCondition(key, uid, at, condition) {
      const path = `/status/conditions/${String(at)}`;
      try {
        await objects.patchNamespacedCustomObjectStatus({
          group,
          version,
          plural,
          ...traceOf(key),
          body: [
            { op: 'test', path: '/metadata/uid', value: uid },
            { op: 'test', path: `${path}/type`, value: condition.type },
            { op: 'test', path: `${path}/status`, value: 'True' },
            { op: 'replace', path, value: condition },
          ],
        });
      } catch (error) {
        if (statusCodeOf(error) !== 404 && !isFailedTest(error) && !isNothingThere(error)) throw error;
      }
    },
    async delete(trace) {
      try {
        await objects.deleteNamespacedCustomObject({
          ...place(trace),
          body: { preconditions: trace.metadata.uid === undefined ? {} : { uid: trace.metadata.uid } },
        });
      } catch (error) {
        if (statusCodeOf(error) !== 404 && statusCodeOf(error) !== 409) throw error;
      }
    },
  };
}

/** Of a JSON patch. The API server has words alone for it. */
function isFailedTest(error: unknown): boolean {
  return messageOf(error).includes('testing');
}

/** Of a JSON patch, at a path that it tests or replaces: likewise. */
function isNothingThere(error: unknown): boolean {
  return /nonexistent|missing/.test(messageOf(error));
}

/** What is too large for etcd comes back with 500, and only the message says so (etcd's ErrRequestTooLarge). */
function isRefusal(error: unknown): boolean {
  const code = statusCodeOf(error);
  return (
    code === 400 || code === 413 || code === 422 || (code === 500 && messageOf(error).includes('request is too large'))
  );
}
