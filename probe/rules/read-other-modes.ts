/** Looks for the Service's rules of the proxy modes that kube-proxy does not run in: they act on its packets all the same. */
import { isSameAddress } from '../../core/net/address.ts';
import { iptablesChainNames } from '../../core/kube-proxy/chain-names.ts';
import type { RecordOf } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { ProxyMode } from '../../core/kube-proxy/mode.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { listChains } from './list-chains.ts';
import { allVirtualServers } from './read-tables.ts';
import { provenAddresses } from './service-selector.ts';

type Found = RecordOf<'otherModes'>['found'][number];

/**
 * Emits one record for each Service, with an empty list where nothing is left.
 * @param mode what kube-proxy says of itself
 */
export async function readOtherModes(
  commands: Commands,
  mode: Exclude<ProxyMode, 'unknown'>,
  tables: RecordOf<'tables'>,
  services: readonly ProbeRequestService[],
  emit: Emit,
): Promise<void> {
  const servers = mode === 'ipvs' || !tables.ipvs ? [] : await allVirtualServers();
  for (const service of services) {
    const addresses = provenAddresses(service);
    const found: Found[] = servers
      .filter(
        ({ protocol, address, port }) =>
          service.ports.some((own) => own.protocol === protocol && own.port === port) &&
          addresses.some((own) => isSameAddress(own, address)),
      )
      .map(({ protocol, address, port }) => ({
        mode: 'ipvs',
        family: address.includes(':') ? 'IPv6' : 'IPv4',
        what: `virtual server ${protocol} ${address} port ${String(port)}`,
      }));
    for (const family of ['IPv4', 'IPv6'] as const) {
      const nft = new Set(
        (tables.nftables ?? []).flatMap((table) =>
          table.family === (family === 'IPv4' ? 'ip' : 'ip6') ? [table.name] : [],
        ),
      );
      if (mode !== 'nftables' && nft.has('kube-proxy'))
        found.push({
          mode: 'nftables',
          family,
          what: `table ${family === 'IPv4' ? 'ip' : 'ip6'} kube-proxy of nf_tables`,
        });
      if (mode !== 'iptables')
        found.push(
          ...(await leftChains(commands, family, nft.has('nat'), tables.legacy[family].includes('nat'), service)),
        );
    }
    emit({ kind: 'otherModes', service: `${service.namespace}/${service.name}`, found });
  }
}

/** KUBE-SVC chains are of the iptables mode alone; a chain that is not there, or cannot be read, is not found. */
async function leftChains(
  commands: Commands,
  family: Family,
  nft: boolean,
  legacy: boolean,
  { namespace, name, ports }: ProbeRequestService,
): Promise<Found[]> {
  const chains = ports.map(
    ({ name: portName, protocol }) => iptablesChainNames({ namespace, name, portName, protocol }).cluster,
  );
  const tool = family === 'IPv4' ? 'iptables' : 'ip6tables';
  const found: Found[] = [];
  if (nft) {
    const listing = await listChains(
      commands,
      `${tool}-nft`,
      'nat',
      chains.map((chain) => ({ chain })),
    );
    for (const chain of listing.chains.keys())
      found.push({ mode: 'iptables', family, what: `chain ${chain} of nat (nf_tables)` });
  }
  if (legacy) {
    for (const chain of chains) {
      const { status } = await commands.stream(
        [`${tool}-legacy`, '-w', '5', '-t', 'nat', '-S', chain],
        () => undefined,
      );
      if (status === 0) found.push({ mode: 'iptables', family, what: `chain ${chain} of nat (legacy)` });
    }
  }
  return found;
}
