/** Which frontends a rule, or an element of a map, is for; and how a frontend is called. */
import { iptablesChainKind } from '../kube-proxy/chain-kinds.ts';
import type { Frontend } from '../api/frontends.ts';
import { portsOf, type IptablesRule } from '../iptables/rule.ts';
import { hostPort, isSameAddress } from '../net/address.ts';
import type { NftElement } from '../nftables/rule.ts';
import type { FrontendProgram } from '../program/program.ts';

/** `ClusterIP 10.96.0.1:80/TCP`, `NodePort 30080/TCP`. */
export function frontendName({
  frontend,
  address,
  port,
  protocol,
}: Pick<Frontend, 'frontend' | 'address' | 'port' | 'protocol'>): string {
  return `${frontend} ${address === '' ? String(port) : hostPort(address, port)}/${protocol}`;
}

/** Whether a frontend is the one that the user writes as a port, an address and port, or `NodePort`. */
export function frontendMatches(
  { address, port }: Pick<FrontendProgram, 'address' | 'port'>,
  wanted: { readonly address?: string; readonly port: number },
  nodeAddresses: readonly string[],
): boolean {
  if (port !== wanted.port) return false;
  if (wanted.address === undefined) return true;
  const asked = wanted.address;
  return address === '' ? nodeAddresses.some((own) => isSameAddress(own, asked)) : isSameAddress(address, asked);
}

/** Whether it asks for a destination. */
export function matchesDestination(rule: IptablesRule): boolean {
  return rule.destination?.negated === false || portsOf(rule, 'destination') !== undefined;
}

/** Whether packets of other Services meet the rule in kube-proxy's chain too. */
export function countsOthers(rule: IptablesRule, chain: string): boolean {
  return !matchesDestination(rule) && iptablesChainKind(chain) === undefined;
}

/** Whether a map has the element for the frontend. */
export function isElementOf(
  { key }: NftElement,
  { address, port, protocol }: Pick<Frontend, 'address' | 'port' | 'protocol'>,
): boolean {
  const parts =
    key.kind === 'concatenation' ? key.parts.map((part) => (part.kind === 'value' ? String(part.value) : '')) : [];
  const [name, number] = parts.slice(-2);
  return (
    name === protocol.toLowerCase() &&
    number === String(port) &&
    (address === '' ? parts.length === 2 : isSameAddress(parts[0] ?? '', address))
  );
}
