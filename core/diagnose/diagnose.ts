/** Asks every kind of finding of the catalogue for what it finds. */
import type { FindingStatus } from '../service-trace.ts';
import { catalogue } from './catalogue.ts';
import type { Facts, Severity } from './finding.ts';

const rank: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** All findings, errors first; within a severity in the order of the catalogue, then of the nodes. */
export function diagnose(facts: Facts): FindingStatus[] {
  const found: FindingStatus[] = [];
  for (const { id, severity, find } of catalogue) {
    found.push(
      ...find(facts, found).map(({ where, node, message, evidence, advice, commands = [], severity: own }): FindingStatus => ({
        id,
        severity: own ?? severity,
        where,
        ...(node === undefined ? {} : { node }),
        message,
        evidence: [...evidence],
        advice,
        ...(commands.length === 0 ? {} : { commands: [...commands] }),
      })),
    );
  }
  return found.sort((one, other) => rank[one.severity] - rank[other.severity]);
}
