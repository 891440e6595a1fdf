/** The explaining of rules, which needs the readers of every kube-proxy's rules: the first frame does not wait for them. */
import type { explainStatusProgram, ProgramExplainer } from '../../core/explain/explain-status.ts';

let explain: typeof explainStatusProgram | undefined;

/** Before the first result is shown. */
export async function loadExplanations(): Promise<void> {
  explain ??= (await import('../../core/explain/explain-status.ts')).explainStatusProgram;
}

/** @throws where `loadExplanations` was not waited for */
export function explainProgram(...program: Parameters<typeof explainStatusProgram>): ProgramExplainer {
  if (explain === undefined) throw new Error('a result is shown before what explains its rules was loaded');
  return explain(...program);
}
