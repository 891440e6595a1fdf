/** `kubectl svctrace report SERVICE --to FILE.html`: what is known of a Service on one page, for people without the tool. */
import type { Bundle } from '../core/bundle.ts';
import type { connect as connectToCluster } from './client.ts';
import { exitStatusOfTrace } from './exit-status.ts';
import type { Io } from './io.ts';
import { createProgress, partialText } from './progress.ts';
import { readService, sayLacking } from './read-service.ts';
import { buildReport, reportOfTrace } from './report-content.ts';
import type { ReportRequest } from './request.ts';
import { verdictCell } from './result-tables.ts';
import { checkNodes } from './trace-nodes.ts';
import { version } from './version.ts';
import { bytesText } from './words.ts';
import { checkNewFile, writeNewFile } from './write-new-file.ts';

/**
 * @returns as for `trace`: 1 where a finding is at or above --fail-on, 5 where a node did not answer
 * @param connectTo replaced by tests
 * @throws UsageError where the file cannot be written, or the trace has no such node or client
 */
export async function runReport(
  request: ReportRequest,
  io: Io,
  now: () => Date = () => new Date(),
  connectTo?: typeof connectToCluster,
): Promise<number> {
  const { file, overwrite, nodes, from, connect, conntrack, failOn } = request;
  await checkNewFile(file, overwrite);
  const reading = await readService(request, { conntrack, ...(connect === 'None' ? {} : { connect }) }, io, connectTo);
  const written = { writtenAt: now().toISOString(), writtenBy: version };
  const content =
    reading.kind === 'trace'
      ? await reportOfTrace(reading.trace, { ...written, from })
      : await buildReport(ofNodes(reading.bundle, nodes), { ...written, from });
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
  if (reading.kind === 'trace')
    sayLacking(
      io,
      reading.lacking,
      'the page has the rules of other programs in their order, the shares by kind of client, and the versions of kubelets and kernels',
    );
  return exitStatusOfTrace(trace, failOn);
}

/** @throws UsageError where the trace has no such node */
function ofNodes(bundle: Bundle, nodes: readonly string[]): Bundle {
  checkNodes(
    nodes,
    bundle.answers.map(({ node }) => node),
  );
  return { ...bundle, answers: bundle.answers.filter(({ node }) => nodes.length === 0 || nodes.includes(node)) };
}
