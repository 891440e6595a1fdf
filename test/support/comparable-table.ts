/** A table of nftables without what one of nft's two forms does not have. */
import type { NftRulesetTable, NftSet } from '../../core/nftables/table.ts';

/**
 * The JSON of nft 1.0.6 leaves out the comments of tables and chains, auto-merge, typeof, that a map has ranges as values, the flag dynamic and l3proto's
 * order; its text the handles (without -a). Times until elements go differ with the moment of the listing.
 */
export function comparableTable({
  family,
  name,
  chains,
  sets,
  maps,
  objects,
  flowtables,
  unrecognized,
}: NftRulesetTable): unknown {
  return {
    family,
    name,
    chains: [...chains].map(([chain, { base, rules }]) => [
      chain,
      base,
      rules.map(({ comment, statements }) => ({ comment, statements: statements.map(ordered) })),
    ]),
    sets: [...sets.values()].map(comparableSet),
    maps: [...maps.values()].map(comparableSet),
    objects: objects.map(({ kind, name: object, comment, fields }) => ({ kind, name: object, comment, fields })),
    flowtables: flowtables.map(({ handle: _handle, ...rest }) => rest),
    unrecognized: unrecognized.length,
  };
}

function comparableSet({
  handle: _handle,
  autoMerge: _autoMerge,
  typeOf: _typeOf,
  dataTypeOf: _dataTypeOf,
  isDataInterval: _isDataInterval,
  ...set
}: NftSet): unknown {
  return {
    ...set,
    flags: set.flags.filter((flag) => flag !== 'dynamic'),
    elements: set.elements.map(({ expires: _expires, ...element }) => ordered(element)).sort(byText),
  };
}

function byText(one: unknown, other: unknown): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}

/** Elements in one order: the kernel gives those of a hash in any. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([field, each]) => [field, ordered(each)]),
  );
  return fields['kind'] === 'set' && Array.isArray(fields['elements'])
    ? { ...fields, elements: [...(fields['elements'] as readonly unknown[])].sort(byText) }
    : fields;
}
