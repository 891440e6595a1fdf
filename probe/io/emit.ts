/** Where the records of a report go as they come. */
import type { NodeReportRecord } from '../../core/wire/node-report.ts';

export type Emit = (record: NodeReportRecord) => void;
