/** `kubectl svctrace diagram SERVICE`: one picture from the name to the pods. */
import { buildDiagram } from '../core/diagram/build-diagram.ts';
import type { Diagram } from '../core/diagram/diagram.ts';
import { present } from '../core/present.ts';
import { buildStatus } from '../core/status.ts';
import { openServiceBundle } from './bundle-source.ts';
import { UsageError } from './errors.ts';
import { exitStatusOfTrace } from './exit-status.ts';
import { widthOf, type Io } from './io.ts';
import { printDiagramText } from './printers/diagram-text.ts';
import { mostEndpointsOfPicture, printPicture } from './printers/picture.ts';
import { createPaint, wantsColor } from './printers/paint.ts';
import { visible, visibleText } from './printers/visible.ts';
import type { DiagramRequest } from './request.ts';
import { traceOf } from './trace-object.ts';

/**
 * @returns as for `trace`: 1 where a finding is at or above --fail-on, 5 where a node did not answer
 * @throws UsageError where the trace has no such node
 */
export async function runDiagram(request: DiagramRequest, io: Io): Promise<number> {
  const bundle = await openServiceBundle(request, { conntrack: 'Summary' }, io);
  const { desired, spec, answers, recordedAt: now, cluster, nodeZones, walkFrom, namespace } = bundle;
  const strangers = request.nodes.filter((name) => !answers.some(({ node }) => node === name));
  if (strangers.length > 0)
    throw new UsageError(
      `--node ${strangers.join(', ')}: there is no such node in the trace; it has ${answers.map(({ node }) => node).join(', ')}.`,
    );
  const status = buildStatus({
    spec,
    generation: undefined,
    desired,
    answers,
    previous: undefined,
    now,
    ...present({ cluster, nodeZones, walkFrom }),
  });
  const width = widthOf(io);
  const draw = (mostEndpoints: number): Diagram =>
    buildDiagram(visible(status), {
      namespace: visibleText(namespace),
      name: visibleText(desired.name),
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
  return exitStatusOfTrace(traceOf({ namespace, name: desired.name, spec, status }), request.failOn);
}
