/**
 * Which findings are looked for a second time before it is reported: a lost packet, a busy moment, an object that is
 * being changed or deleted right now can make what was read untrue. What is true is found again a moment later.
 */
import { findingKey } from './changes.ts';
import { isLasting } from '../diagnose/catalogue.ts';
import type { FindingStatus } from '../api/service-trace.ts';

/** Those that have to be looked for again: of a kind that a moment can cause, and not found before. */
export function unconfirmed(findings: readonly FindingStatus[], before: readonly FindingStatus[]): FindingStatus[] {
  const known = new Set(before.map(findingKey));
  return findings.filter((finding) => !isLasting(finding.id) && !known.has(findingKey(finding)));
}
