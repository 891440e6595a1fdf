/** The plain words of a node's program, made once for each result. What makes them reads the rules of every kube-proxy, and is loaded behind the first frame. */
import type { explainStatusProgram } from '../../../core/explain/explain-status.ts';
import type { ProgramExplainer } from '../../../core/explain/explain-status.ts';
import type { NodeStatus, ProgramStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { desiredOfTrace } from '../../../core/api/desired-of-trace.ts';

let explain: typeof explainStatusProgram | undefined;

/** Before the first result is shown. */
export async function loadExplainers(): Promise<void> {
  explain ??= (await import('../../../core/explain/explain-status.ts')).explainStatusProgram;
}

/** A program is explained once, however often its rows are recreated: a status is never changed. */
const explainers = new WeakMap<ProgramStatus, ProgramExplainer>();

/** @throws where `loadExplainers` was not waited for */
export function explainerOf(
  program: ProgramStatus,
  { ports }: Pick<NodeStatus, 'ports'>,
  trace: ServiceTrace,
): ProgramExplainer {
  if (explain === undefined) throw new Error('a result is shown before what explains its rules was loaded');
  const known = explainers.get(program) ?? explain(program, desiredOfTrace(trace), ports);
  explainers.set(program, known);
  return known;
}
