/** Decodes what a probe printed between other work: of a Service with thousands of endpoints, it is megabytes. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NodeReportReader, type NodeReport } from '../core/wire/node-report.ts';

/** So many characters are decoded in a few milliseconds. */
const charactersInOneTurn = 128 * 1024;

/** Rejects with a NodeReportError as `parseNodeReport` throws it. */
export async function decodeReport(ndjson: string): Promise<NodeReport> {
  const reader = new NodeReportReader();
  let turnBegan = 0;
  for (let from = 0; from <= ndjson.length;) {
    const newline = ndjson.indexOf('\n', from);
    const end = newline < 0 ? ndjson.length : newline;
    reader.line(ndjson.slice(from, end));
    from = end + 1;
    if (from - turnBegan < charactersInOneTurn) continue;
    turnBegan = from;
    await nextTurn();
  }
  return reader.end();
}
