/** What the suite has shown: the table of faults, and precision and recall of each kind of finding. */
import type { FaultResult, FindingAt } from './fault.ts';

export interface Score {
  readonly id: string;
  /** Expected and found. */
  readonly right: number;
  /** Found and not expected, while a fault was there or while the cluster was healthy. */
  readonly wrong: number;
  /** Expected and not found. */
  readonly missed: number;
}

export function isExact(result: FaultResult): boolean {
  return result.foundHealthy.length === 0 && sameSet(result.found, [...result.fault.expected].sort());
}

/** One for each kind of finding that was expected or found, by id; a kind counts once for each fault and node. */
export function scoresOf(results: readonly FaultResult[], healthy: readonly FindingAt[] = []): Score[] {
  const scores = new Map<string, { right: number; wrong: number; missed: number }>();
  const scoreOf = (finding: FindingAt): { right: number; wrong: number; missed: number } => {
    const id = finding.split(' ')[0] ?? '';
    const score = scores.get(id) ?? { right: 0, wrong: 0, missed: 0 };
    scores.set(id, score);
    return score;
  };
  for (const { fault, found, foundHealthy } of results) {
    for (const finding of fault.expected) scoreOf(finding)[found.includes(finding) ? 'right' : 'missed'] += 1;
    for (const finding of [...found.filter((one) => !fault.expected.includes(one)), ...foundHealthy])
      scoreOf(finding).wrong += 1;
  }
  for (const finding of healthy) scoreOf(finding).wrong += 1;
  return [...scores].map(([id, score]) => ({ id, ...score })).sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** As a share of one with two digits; a dash where nothing was counted. */
export function share(part: number, rest: number): string {
  return part + rest === 0 ? '–' : (part / (part + rest)).toFixed(2);
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
