/** IPv4 and IPv6 addresses and prefixes: parse, compare, contain. */
import ipaddr from 'ipaddr.js';

/** The address in its canonical text (`fd00::1`), or undefined where it is none. */
export function canonicalAddress(text: string): string | undefined {
  return ipaddr.isValid(text) ? ipaddr.parse(text).toString() : undefined;
}

/** Whether two texts are the same address, however they are written. */
export function isSameAddress(one: string, other: string): boolean {
  return one === other || (canonicalAddress(one) ?? one) === (canonicalAddress(other) ?? other);
}

/**
 * Whether the prefix (`10.0.0.0/16`, or an address alone) contains the address; never across families.
 * @returns undefined where either is not an address
 */
export function prefixContains(prefix: string, address: string): boolean | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  const parsed = ipaddr.parse(address);
  const [network = '', length] = prefix.split('/');
  if (!ipaddr.isValid(network)) return undefined;
  const base = ipaddr.parse(network);
  if (base.kind() !== parsed.kind()) return false;
  const bits = length === undefined ? base.toByteArray().length * 8 : Number(length);
  if (!Number.isInteger(bits)) return undefined;
  return parsed.match(base, bits);
}

/** `10.0.0.1:80` or `[fd00::1]:80` as address and port; undefined where it is neither. */
export function parseHostPort(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || !ipaddr.isValid(address) || port > 65535) return undefined;
  return { address, port };
}
