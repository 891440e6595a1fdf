/** Objects of nft's JSON in one spelling, where nft or this project's model has several for one meaning. */
import * as z from 'zod';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

/** The objects of a listing, its head left out. */
export function objectsOf(json: string): { [kind: string]: unknown }[] {
  return listingSchema.parse(JSON.parse(json)).nftables.filter((object) => !('metainfo' in object));
}

const protocols = new Map(
  Object.entries({
    1: 'icmp',
    2: 'igmp',
    6: 'tcp',
    17: 'udp',
    33: 'dccp',
    47: 'gre',
    50: 'esp',
    51: 'ah',
    58: 'ipv6-icmp',
    132: 'sctp',
    136: 'udplite',
  }),
);
const icmpTypes = new Map(
  Object.entries({
    'echo-reply': 0,
    'destination-unreachable': 3,
    'source-quench': 4,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
    'info-request': 15,
    'info-reply': 16,
    'address-mask-request': 17,
    'address-mask-reply': 18,
  }),
);
/** Fields that say nothing where they hold this, as JSON. */
const silent = new Map([
  ['inv', 'false'],
  ['flags', '[]'],
  ['elem', '[]'],
  ['stmt', '[]'],
  ['offset', '0'],
  ['spnum', '0'],
  ['expr', '[]'],
  ['policy', '"accept"'],
  ['per', '"second"'],
  ['val_unit', '"bytes"'],
  ['used', '0'],
  ['type', '"port-unreachable"'],
]);

/** The object as a text that is the same for the same meaning. */
export function withoutRespelling(value: unknown): string {
  return JSON.stringify(plain(value));
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return String(icmpTypes.get(value) ?? value).replace(/^@(.)/, '$1');
  if (typeof value === 'number') return protocols.get(String(value)) ?? String(value);
  if (Array.isArray(value)) {
    const items = (value as readonly unknown[]).map(plain);
    return items.length === 1 && typeof items[0] !== 'object' ? items[0] : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const element = 'elem' in value && Object.keys(value).length === 1 ? value.elem : undefined;
  if (typeof element === 'object' && element !== null && 'val' in element && Object.keys(element).length === 1)
    return plain(element.val);
  const entries = Object.entries(value)
    .map(([name, inner]: [string, unknown]): [string, unknown] => [
      name,
      name === 'reject' && isDefaultReject(inner) ? null : inner,
    ])
    .filter(([name, inner]) => inner !== null && inner !== undefined && silent.get(name) !== JSON.stringify(inner))
    .map(([name, inner]): [string, unknown] => [name, plain(inner)])
    .filter(([, inner]) => JSON.stringify(inner) !== '{}')
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries);
}

/** What `reject` alone sends. */
function isDefaultReject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'expr' in value && value.expr === 'port-unreachable';
}
