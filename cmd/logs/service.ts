/** The logs of a Service's pods as the live view takes them. */
import { readDesiredService } from '../../engine/desired-service.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { NotFoundError } from '../cli/errors.ts';
import { explainError } from '../cluster/explain-error.ts';
import { podNews, waitingContainers } from './pods.ts';
import { createLogReader, followPods, servicePods } from './reader.ts';
import type { LogEvent } from './event.ts';

/** Of each log when the view is opened. */
const tailLines = 100;

/** @throws ClusterError, NotFoundError where no logs can be had; shows what may pass */
export async function followServiceLogs(
  clusterClient: Pick<ClusterClient, 'kubeConfig' | 'listLogPods' | 'watchLogPods' | 'readLog'>,
  {
    namespace,
    service,
    nodes,
  }: { readonly namespace: string; readonly service: string; readonly nodes: readonly string[] },
  onEvent: (event: LogEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const desired = await readDesiredService(clusterClient.kubeConfig, namespace, service);
    if (desired === undefined) throw new NotFoundError(`Service "${service}" is not in namespace "${namespace}".`);
    const source = servicePods(desired, { nodes });
    const reader = createLogReader(clusterClient, {
      namespace,
      previous: false,
      tailLines,
      isLimited: true,
      onLines: (lines) => {
        onEvent({ kind: 'lines', lines });
      },
      say: (message) => {
        onEvent({ kind: 'notice', message });
      },
      signal,
    });
    await followPods(clusterClient, source, reader, signal, (pods, before) => {
      onEvent({ kind: 'pods', pods: pods.length, waiting: waitingContainers(pods), none: source.none });
      if (before === undefined) return;
      for (const line of podNews(before, pods, new Date().toISOString())) reader.insert(line);
    });
  } catch (error) {
    if (!signal.aborted) throw explainError(error);
  }
}
