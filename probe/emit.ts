/** Where the records of a report go as they come. */
import type { NodeReportRecord } from '../core/node-report.ts';

export type Emit = (record: NodeReportRecord) => void;
