/** A bound that is a number or a share, as the API's IntOrString of maxUnavailable: `200` or `10%`. */

export type CountOrPercent = { readonly count: number } | { readonly percent: number };

/** Undefined where the text is neither a whole number from 1 on nor a share from 1% to 100%. */
export function parseCountOrPercent(text: string): CountOrPercent | undefined {
  const [, digits = '', sign] = /^([1-9]\d{0,8})(%?)$/.exec(text) ?? [];
  if (digits === '') return undefined;
  const value = Number(digits);
  if (sign === '%') return value <= 100 ? { percent: value } : undefined;
  return { count: value };
}

/** Of so many; at least 1, and rounded up, as maxSurge is. */
export function countOf(bound: CountOrPercent, total: number): number {
  return 'count' in bound ? bound.count : Math.max(1, Math.ceil((total * bound.percent) / 100));
}
