/** Values that facts of several kinds of objects share. */
import type { KeptPod } from './kept-objects.ts';

/** Whatever controls the object. */
export function ownerOf(metadata: KeptPod['metadata']): { kind: string; name: string } | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined ? undefined : { kind: owner.kind, name: owner.name };
}

/** RFC 3339. */
export function timeOf(time: Date | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

/** Compares for `sort`. */
export function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}
