/** One state of the world, and the findings that it must give. */
import type { Facts, Severity } from '../../../../core/diagnose/checks/finding.ts';

export interface FindingCase {
  readonly name: string;
  /** Collected at `collectedAt` of facts.ts, where the case does not set it. */
  readonly facts: Omit<Facts, 'now'> & { readonly now?: string };
  /** These ids, and no other, in the order of diagnose. */
  readonly ids: readonly string[];
  /** Of those, in the same order, where it matters. */
  readonly where?: readonly string[];
  /** Of those, in the same order, where the kind has more than one. */
  readonly severities?: readonly Severity[];
}
