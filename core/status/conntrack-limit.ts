/** How much of conntrack a trace may show, where the operator sets a bound. */
import type { NodeReport, NodeReportRecord } from '../wire/node-report.ts';
import type { CollectSpec } from '../api/service-trace.ts';

export type ConntrackDetail = NonNullable<CollectSpec['conntrack']>;

/** From the least on. */
export const conntrackDetails = ['None', 'Summary', 'Entries'] as const satisfies readonly ConntrackDetail[];

/** What is asked for, or the bound where that is less. */
export function limitedDetail(asked: ConntrackDetail, limit: ConntrackDetail): ConntrackDetail {
  return conntrackDetails.indexOf(asked) <= conntrackDetails.indexOf(limit) ? asked : limit;
}

/** The report without the addresses of clients, which some counts name a few of: a bound of Summary is of counts alone. */
export function withoutClients(report: NodeReport): NodeReport {
  return { ...report, records: report.records.map(countsOf) };
}

function countsOf(record: NodeReportRecord): NodeReportRecord {
  if (record.kind !== 'conntrack' || record.otherPorts === undefined) return record;
  return { ...record, otherPorts: record.otherPorts.map((each) => ({ ...each, sources: [] })) };
}
