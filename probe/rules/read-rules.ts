/** Which of the kernel's tables hold a node's rules for Services, and are read. */
import type { RecordOf } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import type { ProxyMode } from '../../core/kube-proxy/mode.ts';
import { familyOf, type Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { readForeignTables } from './read-foreign-tables.ts';
import { readHookChains } from './read-hook-chains.ts';
import { readLegacyBackend } from './read-iptables-legacy.ts';
import { readNftBackend } from './read-iptables-nft.ts';
import { readIpvs } from './read-ipvs.ts';
import { emitMissingTable, readNftables } from './read-nftables.ts';
import { allVirtualServers } from './read-tables.ts';

/** What is known of a node before its rules are read. */
export interface ProbedNode {
  readonly tables: RecordOf<'tables'>;
  /** kube-proxy's own word; without it, everything that is there is read. */
  readonly mode: ProxyMode | undefined;
  readonly addresses: readonly string[];
}

export async function readRules(
  request: Pick<ProbeRequest, 'services' | 'collect'>,
  commands: Commands,
  { tables, mode, addresses }: ProbedNode,
  emit: Emit,
): Promise<void> {
  await readForeignTables(commands, tables.nftables ?? [], emit);
  const families = [
    ...new Set(
      request.services.flatMap(({ clusterIPs }) => clusterIPs.filter((address) => address !== 'None').map(familyOf)),
    ),
  ];
  const readServices = async (
    family: Family,
    services: typeof request.services,
    { nft, legacy }: { readonly nft: ReadonlySet<string>; readonly legacy: ReadonlySet<string> },
  ): Promise<void> => {
    if (nft.has('kube-proxy') && mode !== 'iptables' && mode !== 'ipvs')
      await readNftables(commands, family, services, addresses, request.collect.dispatch, emit);
    else if (mode === 'nftables' && tables.nftables !== undefined) emitMissingTable(family, services, emit);
    if (mode === 'nftables') return;
    if (mode === 'ipvs' || (mode === undefined && tables.ipvs)) {
      await readIpvs(
        commands,
        family,
        nft.has('nat') ? 'nf_tables' : 'legacy',
        services,
        addresses,
        request.collect.dispatch === 'References' ? [] : await allVirtualServers(),
        emit,
      );
      if (mode === 'ipvs') return;
    }
    if (legacy.has('nat')) await readLegacyBackend(commands, family, legacy, services, emit);
    // Where neither backend has the table, this says so chain by chain, for nothing is there to be read.
    if (nft.has('nat') || (!legacy.has('nat') && mode === 'iptables'))
      await readNftBackend(commands, family, nft, services, request.collect.dispatch, emit);
  };
  await Promise.all(
    families.map(async (family) => {
      const services = request.services.filter(({ clusterIPs }) =>
        clusterIPs.some((address) => familyOf(address) === family),
      );
      const nft = nftTables(tables, family);
      const legacy = new Set(tables.legacy[family]);
      await readHookChains(commands, family, 'nf_tables', nft, mode === 'nftables', emit);
      // The kernel copies a large table for long; the other tables are read meanwhile.
      await Promise.all([
        readHookChains(commands, family, 'legacy', legacy, mode === 'nftables', emit),
        readServices(family, services, { nft, legacy }),
      ]);
    }),
  );
}

function nftTables(tables: RecordOf<'tables'>, family: Family): Set<string> {
  const nft = family === 'IPv4' ? 'ip' : 'ip6';
  return new Set((tables.nftables ?? []).flatMap((table) => (table.family === nft ? [table.name] : [])));
}
