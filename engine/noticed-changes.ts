/** Changes of a Service and its EndpointSlices that say themselves neither that they happened nor when. */
import type { KeptService, KeptSlice } from './kept-objects.ts';
import { desiredServiceOf } from './observe.ts';

/** What the Services were at their last collection, by `namespace/name`. */
export type SeenServices = Map<
  string,
  {
    readonly uid: string | undefined;
    readonly service: string;
    readonly written: string | undefined;
    readonly slices: readonly string[];
    readonly noticed: string | undefined;
  }
>;

/**
 * When a change was first seen that has no time of its own: an EndpointSlice that is gone, or a field that nobody owns any
 * more. A Service that was made again says itself when, and the slices of the one before went with that.
 */
export function notice(seen: SeenServices, service: KeptService, slices: readonly KeptSlice[]): string | undefined {
  const { namespace, name, service: status, serviceChange: written } = desiredServiceOf(service, []);
  const before = seen.get(`${namespace}/${name}`);
  const now = {
    uid: service.metadata?.uid,
    service: JSON.stringify(status),
    written,
    slices: slices.map(({ metadata }) => metadata?.name ?? ''),
  };
  const isSame = before !== undefined && before.uid === now.uid;
  const isChanged =
    isSame &&
    ((before.service !== now.service && before.written === written) ||
      before.slices.some((slice) => !now.slices.includes(slice)));
  const noticed = isChanged ? new Date().toISOString() : isSame ? before.noticed : undefined;
  seen.set(`${namespace}/${name}`, { ...now, noticed });
  return noticed;
}

/** Names of the slices that were made, changed or deleted between two readings. */
export function changedSlices(before: readonly KeptSlice[], after: readonly KeptSlice[]): string[] {
  const versions = (slices: readonly KeptSlice[]): Map<string, string | undefined> =>
    new Map(slices.map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion]));
  const [old, now] = [versions(before), versions(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((name) => !old.has(name) || !now.has(name) || old.get(name) !== now.get(name))
    .sort();
}
