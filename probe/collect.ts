/** One run of a probe: reads what a request asks for, and emits the records of a report as they come. */
import { networkInterfaces, release } from 'node:os';
import { parseProxyMode } from '../core/parse/kube-proxy.ts';
import type { ProbeRequest } from '../core/probe-request.ts';
import { askDns } from './ask-dns.ts';
import { askKubeProxy } from './ask-kube-proxy.ts';
import type { Commands } from './commands.ts';
import { readConntrack } from './read-conntrack.ts';
import type { Emit } from './emit.ts';
import { readRules } from './read-rules.ts';
import { readTables } from './read-tables.ts';

/** Rejects for nothing that a node can do: what could not be read is an `unread` record. */
export async function collect(request: ProbeRequest, commands: Commands, version: string, emit: Emit): Promise<void> {
  const started = Date.now();
  const addresses = ownAddresses();
  emit({ kind: 'start', version: 1, node: request.node, startedAt: new Date(started).toISOString(), kernel: release(), probeVersion: version, addresses });
  await Promise.all([
    readAsked(request, commands, addresses, emit),
    request.collect.conntrack === 'None' ? undefined : readConntrack(commands, request, addresses, emit),
    ...(request.collect.dns?.servers.slice(0, 1) ?? []).flatMap((server) =>
      request.services.map(async (service) => { emit(await askDns(server, request.collect.dns?.clusterDomain ?? 'cluster.local', service)); }),
    ),
  ]);
  const finished = Date.now();
  emit({ kind: 'end', finishedAt: new Date(finished).toISOString(), durationMilliseconds: finished - started });
}

/** kube-proxy's own word for its mode decides what is read; where it gives none, everything that is there is. */
async function readAsked(request: ProbeRequest, commands: Commands, addresses: readonly string[], emit: Emit): Promise<void> {
  const { rules, kubeProxy } = request.collect;
  const [proxy, tables] = await Promise.all([kubeProxy || rules ? askKubeProxy() : undefined, rules ? readTables(commands, emit) : undefined]);
  if (proxy !== undefined) emit(kubeProxy ? proxy : { kind: 'kubeProxy', ...(proxy.proxyMode === undefined ? {} : { proxyMode: proxy.proxyMode }), errors: [] });
  if (tables !== undefined) await readRules(request, commands, { tables, mode: parseProxyMode(proxy?.proxyMode), addresses }, emit);
}

/** All addresses of the node's interfaces. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
