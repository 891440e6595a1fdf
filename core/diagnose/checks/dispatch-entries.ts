/** The rules and elements by which a node dispatches packets by destination address and port. */
import { ipvsChainName, mapChainName } from '../../api/chain-name.ts';
import { canonicalAddress, comparableAddress } from '../../net/address.ts';
import { allChains, iptablesChainNames, nftablesChainService } from '../../kube-proxy/chain-names.ts';
import { jumpOf } from '../../kube-proxy/dispatch-references.ts';
import { commentOf, portsOf } from '../../iptables/rule.ts';
import { frontendsOf } from '../../api/frontends.ts';
import { recordsOf, type NodeReport } from '../../wire/node-report.ts';
import { parseIptablesRule } from '../../iptables/parse-rule.ts';
import { parseIpvsadm } from '../../ipvs/parse.ts';
import { parseNftMapElements } from '../../nftables/map-elements.ts';
import { printIptablesRule } from '../../iptables/print.ts';
import { printNftVerdict } from '../../nftables/print.ts';
import { readProxyMode } from '../../kube-proxy/proxy-mode.ts';
import type { DesiredService } from '../../api/service.ts';
import type { Protocol, Family } from '../../net/family.ts';
import { serviceProtocol } from '../../net/ip-protocol.ts';

export interface DispatchEntry {
  readonly family: Family;
  /** Absent for a NodePort. */
  readonly address?: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly table: string;
  readonly chain: string;
  /** As its tool prints it. */
  readonly rule: string;
}

/** Those that are this Service's without doubt: by the chain that they jump to, by their comment, or by a cluster IP. */
export function dispatchEntries(report: NodeReport, desired: DesiredService): DispatchEntry[] {
  switch (readProxyMode(report).mode) {
    case 'iptables':
      return iptablesEntries(report, desired);
    case 'nftables':
      return nftEntries(report, desired);
    case 'ipvs':
      return ipvsEntries(report, desired);
    case 'unknown':
      return [];
  }
}

export function isFrontendOf(entry: DispatchEntry, desired: DesiredService): boolean {
  return frontendsOf(desired).some(({ family, frontend, address, protocol, port }) => {
    if (family !== entry.family || protocol !== entry.protocol || port !== entry.port) return false;
    return frontend === 'NodePort' ? entry.address === undefined : canonicalAddress(address) === entry.address;
  });
}

const dispatchChains = new Set(['KUBE-SERVICES', 'KUBE-NODEPORTS']);

function iptablesEntries(report: NodeReport, desired: DesiredService): DispatchEntry[] {
  const id = `${desired.namespace}/${desired.name}`;
  const backend = readProxyMode(report).backend;
  const own = new Set(
    desired.service.ports.flatMap(({ name, protocol }) =>
      allChains(iptablesChainNames({ namespace: desired.namespace, name: desired.name, portName: name, protocol })),
    ),
  );
  const clusterIPs = clusterIPsOf(desired);
  return recordsOf(report, 'iptablesChain')
    .filter(
      (record) =>
        record.service === id &&
        record.backend === backend &&
        record.table === 'nat' &&
        dispatchChains.has(record.chain),
    )
    .flatMap(({ family, table, chain, lines }) =>
      lines.flatMap((line): DispatchEntry[] => {
        const rule = parseIptablesRule(line);
        if (rule === undefined || rule.destination?.negated === true || rule.protocol === undefined) return [];
        const protocol = serviceProtocol(rule.protocol.protocol);
        const [ports] = portsOf(rule, 'destination')?.ranges ?? [];
        const address =
          chain === 'KUBE-NODEPORTS' ? undefined : canonicalAddress(rule.destination?.prefix.split('/')[0] ?? '');
        if (protocol === undefined || ports === undefined || (chain === 'KUBE-SERVICES' && address === undefined))
          return [];
        const comment = commentOf(rule) ?? '';
        const isNamed = comment === id || comment.startsWith(`${id} `) || comment.startsWith(`${id}:`);
        if (!own.has(jumpOf(rule) ?? '') && !isNamed && (address === undefined || !clusterIPs.has(address))) return [];
        return [
          {
            family,
            ...(address === undefined ? {} : { address }),
            protocol,
            port: ports.from,
            table,
            chain,
            rule: printIptablesRule(rule),
          },
        ];
      }),
    );
}

function clusterIPsOf({ service }: DesiredService): Set<string> {
  return new Set(service.clusterIPs.map(comparableAddress));
}

const serviceMaps = new Set([
  'service-ips',
  'service-nodeports',
  'no-endpoint-services',
  'no-endpoint-nodeports',
  'firewall-ips',
]);

function nftEntries(report: NodeReport, desired: DesiredService): DispatchEntry[] {
  const id = `${desired.namespace}/${desired.name}`;
  const clusterIPs = clusterIPsOf(desired);
  return recordsOf(report, 'nftElements')
    .filter((record) => record.service === id && serviceMaps.has(record.name))
    .flatMap(({ family, table, name, elements }) =>
      parseNftMapElements(elements).flatMap(({ key, verdict, comment }): DispatchEntry[] => {
        const protocol = serviceProtocol(key.at(-2) ?? '');
        const address = key.length === 3 ? canonicalAddress(key[0] ?? '') : undefined;
        if (protocol === undefined || key.length > 3 || (key.length === 3 && address === undefined)) return [];
        const isNamed =
          comment === id ||
          comment?.startsWith(`${id}:`) === true ||
          ('chain' in verdict && nftablesChainService(verdict.chain) === id);
        if (!isNamed && (address === undefined || !clusterIPs.has(address))) return [];
        return [
          {
            family,
            ...(address === undefined ? {} : { address }),
            protocol,
            port: Number(key.at(-1)),
            table,
            chain: mapChainName(name),
            rule: `${key.join(' . ')} : ${printNftVerdict(verdict)}`,
          },
        ];
      }),
    );
}

/** Virtual servers of a cluster IP; those of other addresses may be another Service's. */
function ipvsEntries(report: NodeReport, desired: DesiredService): DispatchEntry[] {
  const id = `${desired.namespace}/${desired.name}`;
  const clusterIPs = clusterIPsOf(desired);
  return recordsOf(report, 'ipvs')
    .filter(({ service }) => service === id)
    .flatMap(({ family, lines }) =>
      parseIpvsadm(lines.join('\n')).result.virtualServers.flatMap(
        ({ address: written, port, protocol }): DispatchEntry[] => {
          const address = canonicalAddress(written ?? '');
          if (address === undefined || port === undefined || protocol === undefined || !clusterIPs.has(address))
            return [];
          return [
            {
              family,
              address,
              protocol,
              port,
              table: 'ipvs',
              chain: 'virtual servers',
              rule: ipvsChainName({ protocol, address, port }),
            },
          ];
        },
      ),
    );
}
