/** The rules of a status, which are texts as the kernel's tools print them, as models. */
import { ipvsTable, mapChainName, readChainName, type NamedChain } from '../api/chain-name.ts';
import type { ChainStatus, NodePortStatus, ProgramStatus } from '../api/service-trace.ts';
import { parseIptablesRule } from '../iptables/parse-rule.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { RealServer } from '../ipvs/virtual-server.ts';
import { parseNftRuleText } from '../nftables/parse-statement.ts';
import type { NftElement, NftRule } from '../nftables/rule.ts';
import { chainOfVerdict, dnatTargetsOfStatement, jumpsOfStatement } from '../nftables/targets.ts';

export type StatusRuleModel =
  | { readonly kind: 'iptables'; readonly rule: IptablesRule }
  | { readonly kind: 'nftables'; readonly rule: NftRule }
  | { readonly kind: 'element'; readonly element: NftElement }
  | { readonly kind: 'server'; readonly server: RealServer }
  | { readonly kind: 'unknown' };

export function targetKey(address: string, port: number | undefined): string {
  return `${address} ${String(port ?? '')}`;
}

export function parseStatusRule(
  text: string,
  { family, table, name }: ChainStatus,
  { proxyMode }: Pick<ProgramStatus, 'proxyMode'>,
): StatusRuleModel {
  if (table === ipvsTable) {
    const server = realServerOf(text);
    return server === undefined ? { kind: 'unknown' } : { kind: 'server', server };
  }
  if (proxyMode !== 'nftables') {
    const rule = parseIptablesRule(text);
    return rule === undefined ? { kind: 'unknown' } : { kind: 'iptables', rule };
  }
  if (readChainName({ table, name }).kind !== 'map')
    return { kind: 'nftables', rule: parseNftRuleText(text, name, family === 'IPv4' ? 'ip' : 'ip6') };
  // The elements of a named map are written as those of a map in a rule.
  const [statement] = parseNftRuleText(`meta mark vmap { ${text} }`, name, family === 'IPv4' ? 'ip' : 'ip6').statements;
  const element = statement?.kind === 'vmap' && statement.data.kind === 'set' ? statement.data.elements[0] : undefined;
  return element === undefined ? { kind: 'unknown' } : { kind: 'element', element };
}

/** `-> 10.244.1.2:8080 Masq 1`, as `realServerText` prints it. */
function realServerOf(text: string): RealServer | undefined {
  const [, bracketed, plain, port, forward, weight] =
    /^-> (?:\[([^\]]+)\]|([^:]+)):(\d+) (\w+) (\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  const known = (['Masq', 'Route', 'Tunnel', 'Local'] as const).find((each) => each === forward) ?? 'unknown';
  return address === undefined
    ? undefined
    : { address, port: Number(port), forward: known, weight: Number(weight), others: [] };
}

/** The chains and maps that a rule names. */
export function namesAfter(rule: StatusRuleModel | undefined): string[] {
  switch (rule?.kind) {
    case 'iptables':
      return rule.rule.target?.kind === 'jump' || rule.rule.target?.kind === 'goto' ? [rule.rule.target.chain] : [];
    case 'nftables':
      return rule.rule.statements.flatMap((statement) =>
        statement.kind === 'vmap' && statement.data.kind === 'setReference'
          ? [mapChainName(statement.data.name)]
          : jumpsOfStatement(statement),
      );
    case 'element':
      return rule.element.value?.kind === 'verdict' ? chainOfVerdict(rule.element.value.verdict) : [];
    default:
      return [];
  }
}

export function ownTargets(rule: StatusRuleModel): string[] {
  switch (rule.kind) {
    case 'iptables':
      return rule.rule.target?.kind === 'DNAT'
        ? rule.rule.target.to.flatMap(({ addresses, ports }) =>
            addresses === undefined ? [] : [targetKey(addresses.from, ports?.from)],
          )
        : [];
    case 'nftables':
      return rule.rule.statements.flatMap(dnatTargetsOfStatement).map(({ address, port }) => targetKey(address, port));
    case 'server':
      return [targetKey(rule.server.address, rule.server.port)];
    default:
      return [];
  }
}

type VirtualServerChain = Extract<NamedChain, { readonly kind: 'virtualServer' }>;

export function isServerOf(
  server: VirtualServerChain,
  { protocol, address, port }: Pick<NodePortStatus, 'protocol' | 'address' | 'port'>,
): boolean {
  return server.protocol === protocol && server.address === address && server.port === port;
}

/** A NodePort's virtual server has an address of the node. */
export function isNodePortServer(
  server: VirtualServerChain,
  { protocol, address, port }: Pick<NodePortStatus, 'protocol' | 'address' | 'port'>,
): boolean {
  return address === '' && server.protocol === protocol && server.port === port;
}
