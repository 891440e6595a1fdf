/** Objects of nft's JSON in one spelling, where nft or this project's model has several for one meaning. */
import * as z from 'zod';
import { icmpTypeNumber } from '../../core/net/icmp-type.ts';
import { ipProtocolName } from '../../core/net/ip-protocol.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

/** The objects of a listing, its head left out. */
export function objectsOf(json: string): { [kind: string]: unknown }[] {
  return listingSchema.parse(JSON.parse(json)).nftables.filter((object) => !('metainfo' in object));
}

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
  if (typeof value === 'string') return String(icmpTypeNumber(value) ?? value).replace(/^@(.)/, '$1');
  if (typeof value === 'number') return ipProtocolName(value) ?? String(value);
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
