/** One run of a probe: reads what a request asks for, and emits the records of a report as they come. */
import { networkInterfaces, release } from 'node:os';
import type { RecordOf } from '../core/node-report.ts';
import { parseProxyMode } from '../core/parse/kube-proxy.ts';
import type { ProbeRequest } from '../core/probe-request.ts';
import { familyOf, type Family } from '../core/service.ts';
import { askDns } from './ask-dns.ts';
import { askKubeProxy } from './ask-kube-proxy.ts';
import type { Commands } from './commands.ts';
import { readConntrack } from './read-conntrack.ts';
import type { Emit } from './emit.ts';
import { readLegacyBackend } from './read-iptables-legacy.ts';
import { readNftBackend } from './read-iptables-nft.ts';
import { readIpvs } from './read-ipvs.ts';
import { readNftables } from './read-nftables.ts';
import { readTables } from './read-tables.ts';
import { tryConnections } from './try-connections.ts';

/** Rejects for nothing that a node can do: what could not be read is an `unread` record. */
export async function collect(request: ProbeRequest, commands: Commands, version: string, emit: Emit): Promise<void> {
  const started = Date.now();
  const addresses = ownAddresses();
  emit({ kind: 'start', version: 1, node: request.node, startedAt: new Date(started).toISOString(), kernel: release(), probeVersion: version, addresses });
  await Promise.all([
    readRules(request, commands, addresses, emit),
    request.collect.conntrack === 'None' ? undefined : readConntrack(commands, request, addresses, emit),
    request.collect.connect === undefined ? undefined : tryConnections(request.collect.connect, emit),
    request.collect.dns === undefined ? undefined : askDns(request.collect.dns, request.services.map(({ namespace, name }) => `${namespace}/${name}`), emit),
  ]);
  const finished = Date.now();
  emit({ kind: 'end', finishedAt: new Date(finished).toISOString(), durationMilliseconds: finished - started });
}

/** kube-proxy's own word for its mode decides what is read; where it gives none, everything that is there is. */
async function readRules(request: ProbeRequest, commands: Commands, addresses: readonly string[], emit: Emit): Promise<void> {
  const { rules, kubeProxy } = request.collect;
  const [proxy, tables] = await Promise.all([kubeProxy || rules ? askKubeProxy() : undefined, rules ? readTables(commands, emit) : undefined]);
  if (proxy !== undefined) emit(kubeProxy ? proxy : { kind: 'kubeProxy', ...(proxy.proxyMode === undefined ? {} : { proxyMode: proxy.proxyMode }), errors: [] });
  if (tables === undefined) return;
  const mode = parseProxyMode(proxy?.proxyMode);
  const families = [...new Set(request.services.flatMap(({ clusterIPs }) => clusterIPs.filter((address) => address !== 'None').map(familyOf)))];
  await Promise.all(
    families.map(async (family) => {
      const services = request.services.filter(({ clusterIPs }) => clusterIPs.some((address) => familyOf(address) === family));
      const nft = nftTables(tables, family);
      if (nft.has('kube-proxy') && mode !== 'iptables' && mode !== 'ipvs') await readNftables(commands, family, services, addresses, emit);
      if (mode === 'nftables') return;
      const legacy = new Set(tables.legacy[family]);
      if (mode === 'ipvs' || (mode === undefined && tables.ipvs)) {
        await readIpvs(commands, family, nft.has('nat') ? 'nf_tables' : 'legacy', services, addresses, emit);
        if (mode === 'ipvs') return;
      }
      if (legacy.has('nat')) await readLegacyBackend(commands, family, legacy, services, emit);
      // Where neither backend has the table, this says so chain by chain, for nothing is there to be read.
      if (nft.has('nat') || (!legacy.has('nat') && mode === 'iptables')) await readNftBackend(commands, family, nft, services, request.collect.dispatch, emit);
    }),
  );
}

function nftTables(tables: RecordOf<'tables'>, family: Family): Set<string> {
  const nft = family === 'IPv4' ? 'ip' : 'ip6';
  return new Set((tables.nftables ?? []).flatMap((table) => (table.family === nft ? [table.name] : [])));
}

/** All addresses of the node's interfaces. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
