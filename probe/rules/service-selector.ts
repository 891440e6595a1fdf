/** Which chains are a Service's own, and which rules of shared chains concern it, in the iptables modes. */
import { addressNumber, comparableAddress } from '../../core/net/address.ts';
import { bigEndianBytes } from '../../core/nftables/netlink/message.ts';
import { allChains, iptablesChainNames, type ServiceChainNames } from '../../core/kube-proxy/chain-names.ts';
import { jumpOf } from '../../core/kube-proxy/dispatch-references.ts';
import type { RecordOf } from '../../core/wire/node-report.ts';
import { parseIptablesRule } from '../../core/iptables/parse-rule.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { IptablesBackend } from '../../core/kube-proxy/mode.ts';
import type { Family } from '../../core/net/family.ts';

/** Chains of nat that all Services share, and of which only the rules that concern the asked one are kept. */
export const sharedNatChains = ['PREROUTING', 'OUTPUT', 'KUBE-SERVICES', 'KUBE-NODEPORTS'];
/** The same in filter. */
export const sharedFilterChains = ['KUBE-PROXY-FIREWALL', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES'];
/** Chains of nat that every Service's packets may meet, and that are short. */
export const commonChains = ['KUBE-MARK-MASQ', 'KUBE-POSTROUTING'];

export interface ServiceSelector {
  readonly request: ProbeRequestService;
  /** `namespace/name` */
  readonly service: string;
  /** Of each of its ports. */
  readonly names: readonly ServiceChainNames[];
  /** Whether it has a frontend beside its cluster IPs. */
  readonly external: boolean;
  concerns(line: string): boolean;
  /** Each rule that concerns it has one of these bytes in the kernel: a name, an address, or a port. */
  readonly bytes: readonly Buffer[];
}

/**
 * The addresses that are the Service's alone: the cluster IPs, which the API server gave it, and external ones that nobody
 * else has. A rule, element or entry of any other address is its own only where kube-proxy wrote its name there.
 */
export function provenAddresses({ clusterIPs, ownIPs = [] }: ProbeRequestService): string[] {
  return [...clusterIPs, ...ownIPs];
}

export function selectorOf(request: ProbeRequestService): ServiceSelector {
  const names = request.ports.map(({ name, protocol }) =>
    iptablesChainNames({ namespace: request.namespace, name: request.name, portName: name, protocol }),
  );
  const targets = new Set<string>(['KUBE-SERVICES', 'KUBE-NODEPORTS', ...names.flatMap(allChains)]);
  const addresses = new Set(provenAddresses(request).map(comparableAddress));
  // Of a port that the Service no longer has, the comment alone shows whose it is.
  const named = new RegExp(`--comment "?${`${request.namespace}/${request.name}`.replaceAll('.', '\\.')}(?:[":\\s]|$)`);
  const nodePorts = new Set(
    request.ports.flatMap(({ nodePort }) => (nodePort === undefined ? [] : [String(nodePort)])),
  );
  return {
    request,
    service: `${request.namespace}/${request.name}`,
    names,
    bytes: [
      ...[`${request.namespace}/${request.name}`, ...targets].map((text) => Buffer.from(text)),
      ...provenAddresses(request).flatMap((text) => {
        const address = addressNumber(text);
        return address === undefined ? [] : [Buffer.from(bigEndianBytes(address.value, address.bits / 8))];
      }),
      ...[...nodePorts].map((port) => Buffer.from(bigEndianBytes(BigInt(port), 2))),
    ],
    external: nodePorts.size > 0 || request.externalIPs.length > 0 || request.loadBalancerIPs.length > 0,
    concerns(line) {
      if (named.test(line)) return true;
      if (targets.has(/ -[jg] (\S+)/.exec(line)?.[1] ?? '')) return true;
      const destination = / -d ([0-9a-fA-F.:]+)(?:\/(?:32|128))?(?: |$)/.exec(line)?.[1];
      if (destination !== undefined)
        return (
          addresses.has(destination) || (destination.includes(':') && addresses.has(comparableAddress(destination)))
        );
      return nodePorts.has(/ --dport (\d+)(?: |$)/.exec(line)?.[1] ?? '');
    },
  };
}

const notOwn = new Set([...sharedNatChains, ...sharedFilterChains, ...commonChains]);

/** The chains that rules jump to, in their order. */
export function jumpsOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const rule = parseIptablesRule(line);
    return (rule === undefined ? undefined : jumpOf(rule)) ?? [];
  });
}

/** The same, each once; those that all Services share left out. */
export function ownJumps(lines: readonly string[]): string[] {
  return [...new Set(jumpsOf(lines).filter((chain) => !notOwn.has(chain)))];
}

/** The chains that can be reached from some, these first, as far as `linesOf` knows them. */
export function reachableChains(from: readonly string[], linesOf: (chain: string) => readonly string[]): string[] {
  const reached = new Set(from);
  for (const chain of reached) for (const next of ownJumps(linesOf(chain))) reached.add(next);
  return [...reached];
}

export function chainRecord(
  service: string,
  backend: IptablesBackend,
  family: Family,
  table: string,
  chain: string,
  scope: 'all' | 'matching',
  lines: readonly string[] | undefined,
): RecordOf<'iptablesChain'> {
  return {
    kind: 'iptablesChain',
    service,
    backend,
    family,
    table,
    chain,
    scope,
    absent: lines === undefined,
    lines: [...(lines ?? [])],
  };
}
