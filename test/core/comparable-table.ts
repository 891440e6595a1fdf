/** A table of nftables without what one of nft's two forms does not tell. */
import type { NftRulesetTable, NftSet } from '../../core/nft-table.ts';

/**
 * The JSON of nft 1.0.6 leaves out the comments of tables and chains, auto-merge, typeof, the flag dynamic and l3proto's
 * order; its text the handles (without -a). Times until elements go differ with the moment of the listing.
 */
export function comparableTable({ family, name, chains, sets, maps, objects, flowtables, unrecognized }: NftRulesetTable): unknown {
  return {
    family,
    name,
    chains: [...chains].map(([chain, { base, rules }]) => [chain, base, rules.map(({ comment, statements }) => ({ comment, statements }))]),
    sets: [...sets.values()].map(comparableSet),
    maps: [...maps.values()].map(comparableSet),
    objects: objects.map(({ kind, name: object, comment, fields }) => ({ kind, name: object, comment, fields })),
    flowtables: flowtables.map(({ handle: _handle, ...rest }) => rest),
    unrecognized: unrecognized.length,
  };
}

function comparableSet({ handle: _handle, autoMerge: _autoMerge, typeOf: _typeOf, dataTypeOf: _dataTypeOf, ...set }: NftSet): unknown {
  return { ...set, flags: set.flags.filter((flag) => flag !== 'dynamic'), elements: set.elements.map(({ expires: _expires, ...element }) => element) };
}
