/** `kubectl svctrace report SERVICE --to FILE.html`: what is known of a Service on one page, for people without the tool. */
import { openServiceBundle } from './bundle-source.ts';
import { UsageError } from './errors.ts';
import { exitStatusOfTrace } from './exit-status.ts';
import type { Io } from './io.ts';
import { createProgress, partialText } from './progress.ts';
import { buildReport } from './report-content.ts';
import type { ReportRequest } from './request.ts';
import { verdictCell } from './result-tables.ts';
import { version } from './version.ts';
import { bytesText } from './words.ts';
import { checkNewFile, writeNewFile } from './write-new-file.ts';

/**
 * @returns as for `trace`: 1 where a finding is at or above --fail-on, 5 where a node did not answer
 * @throws UsageError where the file cannot be written, or the trace has no such node or client
 */
export async function runReport(request: ReportRequest, io: Io, now: () => Date = () => new Date()): Promise<number> {
  const { file, overwrite, nodes, from, connect, conntrack, failOn } = request;
  await checkNewFile(file, overwrite);
  const bundle = await openServiceBundle(request, { conntrack, ...(connect === 'None' ? {} : { connect }) }, io);
  const strangers = nodes.filter((name) => !bundle.answers.some(({ node }) => node === name));
  if (strangers.length > 0)
    throw new UsageError(
      `--node ${strangers.join(', ')}: there is no such node in the trace; it has ${bundle.answers.map(({ node }) => node).join(', ')}.`,
    );
  const answers = bundle.answers.filter(({ node }) => nodes.length === 0 || nodes.includes(node));
  const content = await buildReport(
    { ...bundle, answers },
    { writtenAt: now().toISOString(), writtenBy: version, from },
  );
  const { printReportPage } = await import('./pages/report-page.tsx');
  const page = printReportPage(content);
  await writeNewFile(file, page, overwrite);
  const progress = createProgress(io.stderr);
  const { trace } = content;
  const partial = partialText(trace);
  if (partial !== undefined) progress.say(partial);
  progress.say(
    `Wrote ${file} (${bytesText(Buffer.byteLength(page))}): ${verdictCell(trace.status ?? {}).text}. Any browser shows it, without a network.`,
  );
  return exitStatusOfTrace(trace, failOn);
}
