/** The chains of a program as a tree: which rule jumps to which chain. Worked out once for each result. */
import { cellPer } from '../../../core/lib/once-per.ts';
import type { ProgramExplainer } from '../../../core/explain/explain-status.ts';
import { wholeOf, type Pieces } from '../../../core/lib/pieces.ts';
import type { ChainStatus, ProgramStatus } from '../../../core/api/service-trace.ts';
import { ruleKey } from './history.ts';

export interface RulesTree {
  /** Chains that no other chain jumps to, in the program's order. */
  readonly entries: readonly ChainStatus[];
  readonly branches: ReadonlyMap<ChainStatus, Branch>;
}

export interface Branch {
  readonly title: string;
  /** By which it is folded. */
  readonly key: string;
  readonly rules: readonly { /** Of its history. */ readonly key: string; readonly jumpsTo: readonly ChainStatus[] }[];
}

const trees = cellPer<ProgramStatus, RulesTree>();

export function treeOf(program: ProgramStatus, explainer: ProgramExplainer): RulesTree {
  return trees(program).value ?? wholeOf(growTree(program, explainer));
}

/** What treeOf() gives from then on. */
export function* growTree(program: ProgramStatus, explainer: ProgramExplainer): Pieces<RulesTree> {
  const branches = new Map<ChainStatus, Branch>();
  const jumpedTo = new Set<ChainStatus>();
  for (const chain of program.chains) {
    const { family, table, name } = chain;
    const rules: Branch['rules'][number][] = [];
    for (let index = 0; index < chain.rules.length; index += 1) {
      const jumpsTo = explainer.jumpsTo(chain, index);
      for (const next of jumpsTo) if (next !== chain) jumpedTo.add(next);
      rules.push({ key: ruleKey(program.fingerprint, chain, index), jumpsTo });
      if (index % 64 === 63) yield undefined;
    }
    const title = `${family} ${table} ${name}`;
    branches.set(chain, { title, key: `${program.fingerprint} ${title}`, rules });
    yield undefined;
  }
  const entries = program.chains.filter((chain) => !jumpedTo.has(chain));
  // A circle has no beginning.
  const tree = { entries: entries.length === 0 ? program.chains : entries, branches };
  trees(program).value = tree;
  return tree;
}
