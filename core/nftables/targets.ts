/** Where a rule leads: the chains that it may jump to, and the addresses that it rewrites destinations to. */
import type { NatDestination } from '../net/address.ts';
import type { NftElement, NftExpression, NftVerdict, NftStatement } from './rule.ts';

export function chainOfVerdict(verdict: NftVerdict): string[] {
  return 'chain' in verdict ? [verdict.chain] : [];
}

/** Chains that the statement may jump to; those of a named map are in the map. */
export function jumpsOfStatement(statement: NftStatement): string[] {
  if (statement.kind === 'verdict') return chainOfVerdict(statement.verdict);
  if (statement.kind !== 'vmap' || statement.data.kind !== 'set') return [];
  return statement.data.elements.flatMap(({ value }) =>
    value?.kind === 'verdict' ? chainOfVerdict(value.verdict) : [],
  );
}

/** Each address and port that a dnat statement names; without a port where the packet keeps its own. */
export function dnatTargetsOfStatement(statement: NftStatement): NatDestination[] {
  if (statement.kind !== 'nat' || statement.type !== 'dnat' || statement.address === undefined) return [];
  const port = constantOf(statement.port);
  return addressesOf(statement.address).flatMap(([address, own]) => {
    const text = constantOf(address);
    const number = own === undefined ? port : constantOf(own);
    return typeof text !== 'string' ? [] : [{ address: text, ...(typeof number === 'number' ? { port: number } : {}) }];
  });
}

function addressesOf(address: NftExpression): readonly (readonly NftExpression[])[] {
  if (address.kind === 'concatenation') return [address.parts];
  if (address.kind !== 'map') return [[address]];
  return address.data.kind === 'set'
    ? address.data.elements.flatMap(({ value }: NftElement) => (value === undefined ? [] : addressesOf(value)))
    : [];
}

function constantOf(expression: NftExpression | undefined): string | number | boolean | undefined {
  return expression?.kind === 'value' ? expression.value : undefined;
}

/** Names of the sets and maps that the statement asks, or changes. */
export function setsOfStatement(statement: NftStatement): string[] {
  return [...(statement.kind === 'setUpdate' ? [statement.set] : []), ...referencesOf(statement)];
}

/** Every `@name` within it, however deep. */
function referencesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own =
    'kind' in value && value.kind === 'setReference' && 'name' in value && typeof value.name === 'string'
      ? [value.name]
      : [];
  return [...own, ...Object.values(value).flatMap(referencesOf)];
}
