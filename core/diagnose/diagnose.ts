/** Asks every kind of finding of the catalogue for what it finds. */
import type { FindingStatus } from '../api/service-trace.ts';
import { catalogue } from './catalogue.ts';
import type { Facts, FindingKind, Found, Occurrence, Severity } from './checks/finding.ts';
import { dataTruncated } from './findings/data-truncated.ts';

const rank: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** All findings, errors first; within a severity in the order of the catalogue, then of the nodes. */
export function diagnose(facts: Facts): FindingStatus[] {
  const found: Found[] = [];
  for (const kind of catalogue)
    found.push(...kind.find(facts, found).map((occurrence) => ({ kind, finding: findingOf(kind, occurrence) })));
  return inOrder(found.map(({ finding }) => finding));
}

/**
 * What was found, and that the status had to be cut. It is last in the catalogue, and no other kind asks for it.
 * @param facts with what was cut
 */
export function withCuts(found: readonly FindingStatus[], facts: Facts): FindingStatus[] {
  return inOrder([...found, ...dataTruncated.find(facts, []).map((each) => findingOf(dataTruncated, each))]);
}

export function findingOf(
  { id, severity }: Pick<FindingKind, 'id' | 'severity'>,
  { where, node, message, evidence, rule, advice, commands = [], severity: own }: Occurrence,
): FindingStatus {
  return {
    id,
    severity: own ?? severity,
    where,
    ...(node === undefined ? {} : { node }),
    message,
    evidence: [...evidence],
    ...(rule === undefined ? {} : { rule }),
    advice,
    ...(commands.length === 0 ? {} : { commands: [...commands] }),
  };
}

/** Errors first; as they were within a severity. */
export function inOrder(findings: readonly FindingStatus[]): FindingStatus[] {
  return findings.toSorted((one, other) => rank[one.severity] - rank[other.severity]);
}
