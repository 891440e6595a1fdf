/** IPv4 and IPv6 addresses and prefixes: parse, compare, contain. */
import ipaddr from 'ipaddr.js';
import { oncePer } from '../lib/once-per.ts';

/** The address in its canonical text (`fd00::1`), or undefined where it is none. */
export function canonicalAddress(text: string): string | undefined {
  if (plainIPv4(text) !== undefined) return text;
  return ipaddr.isValid(text) ? ipaddr.parse(text).toString() : undefined;
}

/** The text in which an address compares: its canonical one, and what is not an address as it is. */
export function comparableAddress(text: string): string {
  return canonicalAddress(text) ?? text;
}

/** Whether two texts are the same address, however they are written. Of many, make an addressSet: each is parsed once. */
export function isSameAddress(one: string, other: string): boolean {
  return one === other || comparableAddress(one) === comparableAddress(other);
}

/** Asks a list of addresses for one, however they are written. The list is parsed once, and is never changed after that. */
export const addressSet: (addresses: readonly string[]) => { has(address: string): boolean } = oncePer(
  (addresses: readonly string[]) => {
    const known = new Set(addresses.map(comparableAddress));
    return {
      has: (address) => {
        if (known.has(address)) return true;
        const comparable = comparableAddress(address);
        return comparable !== address && known.has(comparable);
      },
    };
  },
);

/**
 * The number of four decimal ones without leading zeros, as everything prints them: of IPv4 nearly all texts, and the
 * canonical one. Read by hand, for a large status asks for hundreds of thousands.
 */
export function plainIPv4(text: string): number | undefined {
  const { length } = text;
  if (length < 7 || length > 15) return undefined;
  let value = 0;
  let byte = -1;
  let dots = 0;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === dot) {
      if (byte < 0) return undefined;
      value = value * 256 + byte;
      byte = -1;
      dots += 1;
      continue;
    }
    const digit = code - zero;
    // A zero that others follow is one of an octal number.
    if (digit < 0 || digit > 9 || byte === 0) return undefined;
    byte = byte < 0 ? digit : byte * 10 + digit;
    if (byte > 255) return undefined;
  }
  return dots === 3 && byte >= 0 ? value * 256 + byte : undefined;
}

const dot = 0x2e;
const zero = 0x30;

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

/** A network as numbers: what is left of an address under the mask is the network. */
export interface Network {
  readonly bits: 32 | 128;
  readonly network: bigint;
  readonly mask: bigint;
}

/** An address as a number of so many bits; undefined where the text is none. */
export function addressNumber(text: string): { readonly bits: 32 | 128; readonly value: bigint } | undefined {
  const plain = plainIPv4(text);
  if (plain !== undefined) return { bits: 32, value: BigInt(plain) };
  if (!ipaddr.isValid(text) || (!text.includes(':') && !/^\d+\.\d+\.\d+\.\d+$/.test(text))) return undefined;
  const bytes = ipaddr.parse(text).toByteArray();
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { bits: bytes.length === 4 ? 32 : 128, value };
}

/** The address of a number, in its canonical text. */
export function addressText(value: bigint, bits: 32 | 128): string {
  const bytes: number[] = [];
  for (let shift = bits - 8; shift >= 0; shift -= 8) bytes.push(Number((value >> BigInt(shift)) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}

/** `10.0.0.0/8`, `10.0.0.0/255.0.0.0` (also with holes in the mask, as iptables takes it), or an address alone; undefined where it is none. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/');
  const address = addressNumber(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const { bits, value } = address;
  const all = (1n << BigInt(bits)) - 1n;
  if (slash < 0) return { bits, network: value, mask: all };
  const maskText = text.slice(slash + 1);
  let mask: bigint | undefined;
  if (/^\d{1,3}$/.test(maskText)) {
    const length = Number(maskText);
    mask = length > bits ? undefined : all ^ (all >> BigInt(length));
  } else {
    const written = addressNumber(maskText);
    mask = written?.bits === bits ? written.value : undefined;
  }
  return mask === undefined ? undefined : { bits, network: value & mask, mask };
}

/** `10.0.0.1:80` or `[fd00::1]:80` as address and port; undefined where it is neither. */
export function parseHostPort(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || !ipaddr.isValid(address) || port > 65535) return undefined;
  return { address, port };
}

/** `10.0.0.1:80`, or `[fd00::1]:80` for IPv6. */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What a NAT rule rewrites a destination to; without a port where the packet keeps its own. */
export interface NatDestination {
  readonly address: string;
  readonly port?: number;
}

/** `10.0.0.1:80`, `[fd00::1]:80`, or the address alone. */
export function destinationText({ address, port }: NatDestination): string {
  return port === undefined ? address : hostPort(address, port);
}

/** Those of a node's own addresses of one family on which others reach it: not loopback's, and none of a link alone. */
export function reachableAddresses(addresses: readonly string[], family: 'IPv4' | 'IPv6'): string[] {
  return addresses.filter(
    (address) => address.includes(':') === (family === 'IPv6') && !/^(127\.|::1$|fe80:)/i.test(address),
  );
}

/** Whether two targets are the same address, in whichever form, and port. */
export function isSameTarget(
  one: { readonly address: string; readonly port: number },
  other: { readonly address: string; readonly port: number },
): boolean {
  return one.port === other.port && isSameAddress(one.address, other.address);
}
