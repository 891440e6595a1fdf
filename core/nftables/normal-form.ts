/** Where nft writes one thing in several forms, this project's model has one of them. */
import type { NftElement, NftExpression, NftStatement } from './rule.ts';
import { nftTypesOf } from './types.ts';
import { icmpTypeNumber } from '../net/icmp-type.ts';
import { ipProtocolName } from '../net/ip-protocol.ts';

/** The name of a protocol that was printed as a number, where the image has no /etc/protocols; any other word as it is. */
export function protocolName(word: string): string {
  return /^\d{1,3}$/.test(word) ? (ipProtocolName(Number(word)) ?? word) : word;
}

/** What a key is compared with, with the names of protocols instead of their numbers. */
export function withProtocolNames(key: NftExpression, value: NftExpression): NftExpression {
  const types = nftTypesOf(key);
  return types.some((type) => type === 'inet_proto' || type === 'icmp_type') ? named(types, value) : value;
}

/** Elements of a set of these types, with the names of protocols. */
export function elementsWithProtocolNames(
  types: readonly string[],
  elements: readonly NftElement[],
): readonly NftElement[] {
  return types.includes('inet_proto')
    ? elements.map((element) => ({ ...element, key: named(types, element.key) }))
    : elements;
}

function named(types: readonly string[], value: NftExpression): NftExpression {
  switch (value.kind) {
    case 'value':
      return types[0] === 'inet_proto' && typeof value.value === 'number'
        ? { kind: 'value', value: ipProtocolName(value.value) ?? value.value }
        : value;
    case 'set':
      return {
        kind: 'set',
        elements: value.elements.map((element) => ({ ...element, key: named(types, element.key) })),
      };
    case 'concatenation':
      return { kind: 'concatenation', parts: value.parts.map((part, index) => named([types[index] ?? ''], part)) };
    case 'range':
      // nft's text has numbers in a range of types, and its JSON has names.
      return types[0] === 'icmp_type' ? { kind: 'range', from: numbered(value.from), to: numbered(value.to) } : value;
    default:
      return value;
  }
}

function numbered(end: NftExpression): NftExpression {
  return end.kind === 'value' ? { kind: 'value', value: icmpTypeNumber(String(end.value)) ?? end.value } : end;
}

/** What `reject` alone sends (nft(8), "Reject statement"). */
const rejectTypes = new Map(
  Object.entries({ ip: 'icmp', ip6: 'icmpv6', inet: 'icmpx', bridge: 'icmpx', netdev: 'icmpx' }),
);

/** A rejection without its type and code where they are what the table's family sends by itself. */
export function defaultReject(reject: Extract<NftStatement, { kind: 'reject' }>, family: string): NftStatement {
  const { type, code } = reject;
  return type === rejectTypes.get(family) && code?.kind === 'value' && code.value === 'port-unreachable'
    ? { kind: 'reject' }
    : reject;
}
