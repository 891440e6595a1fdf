/** What a chain of a status may be, and its name there: printed and read here alone. */
import { hostPort, parseHostPort } from '../net/address.ts';

export type NamedChain =
  | { readonly kind: 'chain'; readonly name: string }
  /** Of nftables: its elements stand in the place of rules. */
  | { readonly kind: 'map'; readonly name: string }
  /** Of IPVS: its real servers stand in the place of rules. */
  | { readonly kind: 'virtualServer'; readonly protocol: string; readonly address: string; readonly port: number }
  | { readonly kind: 'firewallMark'; readonly mark: number };

/** The table by which virtual servers, and the steps of IPVS, are named. */
export const ipvsTable = 'ipvs';

/** `map service-ips`, as nft lists it: no chain has a blank in its name. */
export function mapChainName(name: string): string {
  return `map ${name}`;
}

/** `TCP 10.96.0.7:80`, as `ipvsadm -Ln` lists it, or `FWM 5`. */
export function ipvsChainName({
  protocol,
  address,
  port,
  firewallMark,
}: {
  readonly protocol?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly firewallMark?: number | undefined;
}): string {
  return firewallMark === undefined
    ? `${protocol ?? ''} ${hostPort(address ?? '', port ?? 0)}`
    : `FWM ${String(firewallMark)}`;
}

export function readChainName({ table, name }: { readonly table: string; readonly name: string }): NamedChain {
  const [first = '', second] = name.split(' ');
  if (second === undefined) return { kind: 'chain', name };
  if (table !== ipvsTable) return first === 'map' ? { kind: 'map', name: second } : { kind: 'chain', name };
  if (first === 'FWM') return { kind: 'firewallMark', mark: Number(second) };
  const end = parseHostPort(second);
  return end === undefined ? { kind: 'chain', name } : { kind: 'virtualServer', protocol: first, ...end };
}
