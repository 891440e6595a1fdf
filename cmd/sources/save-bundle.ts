/** What the TUI's `s` does: collects once more, with the user's own rights, and writes a bundle beside where he is. */
import { writeFile } from 'node:fs/promises';
import { printBundle } from '../../core/wire/bundle.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { collectBundle } from './collect-bundle.ts';
import type { Io } from '../cli/io.ts';
import { defaultProbeImage, defaultProbeNamespace } from '../cli/probe-defaults.ts';
import { requireRights, standaloneAccess } from '../cluster/rights.ts';

const timeoutMilliseconds = 60_000;

/**
 * @returns the file's name, which no file had
 * @throws ClusterError where no node answered, with what the user may not do
 */
export async function saveBundle(
  clusterClient: ClusterClient,
  options: {
    readonly service: string;
    readonly nodes: readonly string[];
    readonly probeNamespace?: string;
    readonly probeImage?: string;
  },
  io: Io,
): Promise<string> {
  // The view is on the terminal: nothing may be written over it.
  const quiet = { say: () => undefined, update: () => undefined, end: () => undefined };
  const { service, nodes, probeNamespace = defaultProbeNamespace, probeImage = defaultProbeImage } = options;
  await requireRights(clusterClient, standaloneAccess(clusterClient.namespace, probeNamespace), 'A bundle');
  const { bundle } = await collectBundle(
    clusterClient,
    { service, nodes, collect: { conntrack: 'Entries' }, probeNamespace, probeImage, timeoutMilliseconds },
    quiet,
    io,
  );
  const file = `${service}-${bundle.recordedAt
    .replace(/\.\d+Z$/, '')
    .replace(/[-:]/g, '')
    .replace('T', '-')}.svctrace`;
  await writeFile(file, printBundle(bundle), { flag: 'wx' });
  return file;
}
