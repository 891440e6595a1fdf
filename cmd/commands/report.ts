/** `kubectl svctrace report SERVICE --to FILE.html`: what is known of a Service on one page, for people without the tool. */
import { exitStatusOfTrace } from '../cli/exit-status.ts';
import type { Io } from '../cli/io.ts';
import { createProgress } from '../cli/progress.ts';
import { partialText } from '../sources/event-text.ts';
import { buildReport, reportOfTrace } from '../pages/report-content.ts';
import type { ReportRequest } from '../cli/request.ts';
import { verdictCell } from '../tables/result-tables.ts';
import { version } from '../../core/lib/version.ts';
import { bytesText } from '../tables/words.ts';
import { checkNewFile, writeNewFile } from '../cli/write-new-file.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import type { connect as connectToCluster } from '../cluster/cluster-client.ts';
import { readService, sayLacking } from '../sources/read-service.ts';
import { checkNodes } from '../cli/trace-nodes.ts';

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
  const { printReportPage } = await import('../pages/report-page.tsx');
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
      'the page has the third-party rules in their order, the shares by kind of client, and the versions of kubelets and kernels',
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
