/** Nodes by what their rules do for a Service: those with the very same rules are looked at once. */
import { buildNodeProgram } from '../../core/program/node-program.ts';
import { fingerprintOf } from '../../core/program/program-chains.ts';
import { recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import { plural } from '../../core/lib/plural.ts';
import type { NodeProgram } from '../../core/program/program.ts';
import type { DesiredService } from '../../core/api/service.ts';

/** A node, and what it does for the Service. */
export interface NodeAndProgram {
  readonly report: NodeReport;
  readonly program: NodeProgram;
  /** Other nodes with the very same rules. */
  readonly identicalNodes: readonly string[];
}

export function withProgram(report: NodeReport, desired: DesiredService): NodeAndProgram {
  return { report, program: buildNodeProgram(report, desired), identicalNodes: [] };
}

/** One node of each different program, in the order of the nodes. */
export function nodesByProgram(reports: readonly NodeReport[], desired: DesiredService): NodeAndProgram[] {
  const groups = Map.groupBy(
    reports.map((report) => withProgram(report, desired)),
    ({ program }) => fingerprintOf(program),
  );
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, identicalNodes: others.map(({ report }) => report.node) }],
  );
}

/** What could not be read of the Service's rules on a node, and why. */
export function unreadOf(report: NodeReport, service: string): { what: string; reason: string }[] {
  const unread = recordsOf(report, 'unread')
    .filter((record) => record.service === undefined || record.service === service)
    .map(({ what, reason }) => ({ what, reason }));
  return report.complete
    ? unread
    : [...unread, { what: 'the end of the report', reason: 'the probe was cut off before it finished' }];
}

/** ` (and 2 nodes with the same rules: node-b, node-c)`; empty where there is none. */
export function identicalNodesText(identicalNodes: readonly string[]): string {
  return identicalNodes.length === 0
    ? ''
    : ` (and ${plural(identicalNodes.length, 'node')} with the same rules: ${identicalNodes.join(', ')})`;
}
