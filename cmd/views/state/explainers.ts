/** The plain words of a node's program, made once for each result. What makes them reads the rules of every kube-proxy, and is loaded behind the first frame. */
import type { explainStatusProgram } from '../../../core/explain/explain-status.ts';
import type { ProgramExplainer } from '../../../core/explain/explain-status.ts';
import type { NodeStatus, ProgramStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { oncePerAll } from '../../../core/lib/once-per.ts';
import { desiredOfTrace } from '../../../core/api/desired-of-trace.ts';

let explain: typeof explainStatusProgram | undefined;

/** Before the first result is shown. */
export async function loadExplainers(): Promise<void> {
  explain ??= (await import('../../../core/explain/explain-status.ts')).explainStatusProgram;
}

/**
 * Explained once, however often the rows are recreated: a status is never changed. Several nodes have one program, of which
 * each has its own shares.
 */
const explainerFor = oncePerAll(
  (program: ProgramStatus, ports: NodeStatus['ports'], trace: ServiceTrace): ProgramExplainer => {
    if (explain === undefined) throw new Error('a result is shown before what explains its rules was loaded');
    return explain(program, desiredOfTrace(trace), ports);
  },
);

/** @throws where `loadExplainers` was not waited for */
export function explainerOf(
  program: ProgramStatus,
  { ports }: Pick<NodeStatus, 'ports'>,
  trace: ServiceTrace,
): ProgramExplainer {
  return explainerFor(program, ports, trace);
}
