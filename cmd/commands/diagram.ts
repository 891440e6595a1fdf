/** `kubectl svctrace diagram SERVICE`: one picture from the name to the pods. */
import { buildDiagram } from '../../core/diagram/build-diagram.ts';
import type { Diagram } from '../../core/diagram/diagram.ts';
import { traceOfBundle } from '../sources/bundle.ts';
import { exitStatusOfTrace } from '../cli/exit-status.ts';
import { widthOf, type Io } from '../cli/io.ts';
import { printDiagramText } from '../printers/diagram-text.ts';
import { mostEndpointsOfPicture, printPicture } from '../printers/picture.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';
import { visible, visibleText } from '../../core/lib/visible.ts';
import type { DiagramRequest } from '../cli/request.ts';
import type { connect } from '../cluster/cluster-client.ts';
import { readService } from '../sources/read-service.ts';
import { checkNodes } from '../cli/trace-nodes.ts';

/**
 * @returns as for `trace`: 1 where a finding is at or above --fail-on, 5 where a node did not answer
 * @param connectTo replaced by tests
 * @throws UsageError where the trace has no such node
 */
export async function runDiagram(request: DiagramRequest, io: Io, connectTo?: typeof connect): Promise<number> {
  const reading = await readService(request, { conntrack: 'Summary' }, io, connectTo);
  // A picture is made of the status alone: an operator's is as good as our own.
  const trace = reading.kind === 'trace' ? reading.trace : traceOfBundle(reading.bundle);
  const { namespace = 'default' } = trace.metadata;
  const { name } = trace.spec.serviceRef;
  const { status = {} } = trace;
  checkNodes(
    request.nodes,
    (status.nodes ?? []).map((node) => node.name),
  );
  const width = widthOf(io);
  const draw = (mostEndpoints: number): Diagram =>
    buildDiagram(visible(status), {
      namespace: visibleText(namespace),
      name: visibleText(name),
      nodes: request.nodes,
      mostEndpoints,
    });
  const text =
    request.output === 'text'
      ? // A box of an endpoint is readable from this width on.
        printDiagramText(draw(Math.max(2, Math.floor(width / 26))), {
          width,
          paint: createPaint(wantsColor(request.color, io.stdout.isTTY === true, io.env)),
        })
      : await printPicture(draw(mostEndpointsOfPicture), request.output);
  io.stdout.write(text);
  return exitStatusOfTrace(trace, request.failOn);
}
