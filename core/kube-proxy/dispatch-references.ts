/**
 * Which rules jump to a Service's chains, by the kernel's counts of references instead of by the list of
 * KUBE-SERVICES, which is as long as the cluster has Services.
 *
 *   KUBE-SERVICES (not listed) ──▶ KUBE-SVC or KUBE-SVL   1, of the cluster IP
 *                              ──▶ KUBE-EXT               1 for each external IP and load balancer IP
 *                              ──▶ KUBE-FW                1 for each load balancer IP, where there are source ranges
 *                              ──▶ KUBE-NODEPORTS         1
 *
 * Source: pkg/proxy/iptables/proxier.go syncProxyRules, 1.37 (the same since 1.26).
 */
import { canonicalAddress, comparableAddress } from '../net/address.ts';
import { iptablesChainNames } from './chain-names.ts';
import type { RecordOf } from '../wire/node-report.ts';
import { portsOf, type IptablesMatch, type IptablesRule } from '../iptables/rule.ts';
import { parseIptablesRule } from '../iptables/parse-rule.ts';
import type { ProbeRequestService } from '../wire/probe-request.ts';
import { familyOf, type Family } from '../net/family.ts';

/** A chain as it was listed, and how many rules of its table jump to it. */
export interface ReferencedChain {
  readonly lines: readonly string[];
  readonly references: number;
}

export interface ReferencedChains {
  /** Chains of nat that are there, by name; one that is not was not found there. */
  readonly nat: ReadonlyMap<string, ReferencedChain>;
  /** Rules of filter's KUBE-SERVICES: REJECT or DROP for cluster IPs without endpoints. */
  readonly refusals: readonly string[];
}

type Proof = Pick<RecordOf<'dispatchReferences'>, 'references' | 'entries' | 'nodePorts'>;

/** The proof that a rule of every frontend of one family jumps to the Service's chains; undefined where the counts leave a doubt. */
export function proveDispatch(
  service: ProbeRequestService,
  family: Family,
  chains: ReferencedChains,
): Proof | undefined {
  const own = (addresses: readonly string[]): string[] => [
    ...new Set(addresses.filter((address) => familyOf(address) === family)),
  ];
  const clusterIPs = own(service.clusterIPs);
  const loadBalancerIPs = own(service.loadBalancerIPs);
  // An address that is both has one rule of each kind; only the rules themselves distinguish them.
  if (own(service.externalIPs).some((address) => loadBalancerIPs.includes(address))) return undefined;
  const rules = [...chains.nat.values()].flatMap(({ lines }) => lines.flatMap((line) => parseIptablesRule(line) ?? []));
  const references: Proof['references'] = [];
  const entries: Proof['entries'] = [];
  const unreadReferences = (chain: string): number => {
    const found = chains.nat.get(chain);
    if (found === undefined) return 0;
    const read = rules.filter((rule) => jumpOf(rule) === chain).length;
    references.push({ chain, total: found.references, read });
    return found.references - read;
  };

  const usesNodePorts = service.ports.some(({ nodePort }) => nodePort !== undefined && nodePort !== 0);
  for (const { name, protocol, port, nodePort } of service.ports) {
    const names = iptablesChainNames({ namespace: service.namespace, name: service.name, portName: name, protocol });
    const enter = (addresses: readonly string[], chain: string): void => {
      for (const address of addresses) entries.push({ address, protocol, port, chain });
    };
    const [cluster, local] = [unreadReferences(names.cluster), unreadReferences(names.local)];
    const refused = clusterIPs.filter((address) =>
      chains.refusals.some((line) => refuses(line, address, protocol, port)),
    );
    const dispatched = clusterIPs.filter((address) => !refused.includes(address));
    if (cluster + local !== dispatched.length || (cluster !== 0 && local !== 0)) return undefined;
    enter(dispatched, cluster === 0 ? names.local : names.cluster);

    const [external, firewall] = [unreadReferences(names.external), unreadReferences(names.firewall)];
    const guarded = chains.nat.has(names.firewall);
    const externalIPs = own(service.externalIPs);
    if (
      external !== externalIPs.length + (guarded ? 0 : loadBalancerIPs.length) ||
      firewall !== (guarded ? loadBalancerIPs.length : 0)
    )
      return undefined;
    enter(externalIPs, names.external);
    enter(loadBalancerIPs, guarded ? names.firewall : names.external);
    // A port without any chain has no endpoint, or its chains have names that cannot be computed.
    if (![names.cluster, names.local, names.external].some((chain) => chains.nat.has(chain))) return undefined;
    if (
      nodePort !== undefined &&
      nodePort !== 0 &&
      !rules.some((rule) => rule.chain === 'KUBE-NODEPORTS' && jumpOf(rule) === names.external)
    )
      return undefined;
  }
  if (usesNodePorts && unreadReferences('KUBE-NODEPORTS') !== 1) return undefined;
  return { references, entries, nodePorts: usesNodePorts };
}

/**
 * The record as rules that a walk can follow in place of KUBE-SERVICES: without counters, and with a comment that says
 * that no rule was read.
 */
export function dispatchRules({ chain, entries, nodePorts }: RecordOf<'dispatchReferences'>): IptablesRule[] {
  const origin: IptablesMatch = {
    module: 'comment',
    options: [
      {
        kind: 'comment',
        text: `${chain} was not listed: by the count of references one of its rules does this`,
        negated: false,
      },
    ],
  };
  return [
    ...entries.map(({ address, protocol, port, chain: to }): IptablesRule => ({
      chain,
      destination: {
        prefix: `${comparableAddress(address)}/${familyOf(address) === 'IPv4' ? '32' : '128'}`,
        negated: false,
      },
      protocol: { protocol: protocol.toLowerCase(), negated: false },
      matches: [
        origin,
        {
          module: protocol.toLowerCase(),
          options: [{ kind: 'destinationPort', from: port, to: port, negated: false }],
        },
      ],
      target: { kind: 'jump', chain: to },
    })),
    ...(nodePorts
      ? [
          {
            chain,
            matches: [
              origin,
              {
                module: 'addrtype',
                options: [{ kind: 'addressType', end: 'destination', types: ['LOCAL'], negated: false } as const],
              },
            ],
            target: { kind: 'jump', chain: 'KUBE-NODEPORTS' } as const,
          },
        ]
      : []),
  ];
}

/** The chain that a rule jumps to, by a jump or a goto. */
export function jumpOf({ target }: IptablesRule): string | undefined {
  return target?.kind === 'jump' || target?.kind === 'goto' ? target.chain : undefined;
}

function refuses(line: string, address: string, protocol: string, port: number): boolean {
  const rule = parseIptablesRule(line);
  if (rule?.target?.kind !== 'REJECT' && rule?.target?.kind !== 'DROP') return false;
  const { destination } = rule;
  const ports = portsOf(rule, 'destination');
  return (
    destination?.negated === false &&
    canonicalAddress(destination.prefix.split('/')[0] ?? '') === canonicalAddress(address) &&
    rule.protocol?.negated === false &&
    rule.protocol.protocol === protocol.toLowerCase() &&
    ports?.negated === false &&
    ports.ranges.length === 1 &&
    ports.ranges[0]?.from === port &&
    ports.ranges[0].to === port
  );
}
