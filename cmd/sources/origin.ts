/** Where a trace that is shown comes from. */

export type Origin =
  /** A ServiceTrace of this view's own, that the operator answers. */
  | { readonly kind: 'operator' }
  | { readonly kind: 'standalone' }
  /** A ServiceTrace that is there already. */
  | { readonly kind: 'trace'; readonly name: string }
  /** A bundle; when it was recorded (RFC 3339) is known once it is read. */
  | { readonly kind: 'recorded'; readonly at?: string };

/** For the header of the live view: `operator`, `servicetrace/x`, `recorded 2026-11-24 11:00 UTC`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'operator':
    case 'standalone':
      return origin.kind;
    case 'trace':
      return `servicetrace/${origin.name}`;
    case 'recorded':
      return origin.at === undefined ? 'recorded' : `recorded ${origin.at.slice(0, 16).replace('T', ' ')} UTC`;
  }
}
