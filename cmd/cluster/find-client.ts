/** Whether the client of --from is there, before anything is started for it. */
import type { ClusterClient } from './cluster-client.ts';
import { UsageError } from '../cli/errors.ts';
import { isForbidden } from './explain-error.ts';
import type { ClientName } from '../cli/request.ts';
import { nearNames, nearText } from '../../core/lib/near-names.ts';

/** The pod of --from. @throws UsageError where it is not there */
export async function checkClient(
  clusterClient: Pick<ClusterClient, 'listPods'>,
  namespace: string,
  from: ClientName | undefined,
): Promise<void> {
  if (from === undefined || 'ip' in from) return;
  let pods: string[];
  try {
    pods = await clusterClient.listPods(namespace);
  } catch (error) {
    if (isForbidden(error)) return;
    throw error;
  }
  if (pods.includes(from.pod)) return;
  const near = nearNames(from.pod, pods);
  throw new UsageError(`--from ${from.pod}: namespace "${namespace}" has no pod of this name${nearText(near)}.`);
}
