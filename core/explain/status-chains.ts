/** The chains of a program as a status has them: their rules as models, and what leads where. */
import type { ChainStatus, ProgramStatus } from '../api/service-trace.ts';
import { oncePer } from '../lib/once-per.ts';
import { namesAfter, ownTargets, parseStatusRule, type StatusRuleModel } from './status-rule.ts';

/** The same for all nodes that have the program. */
export const statusChains = oncePer((program: ProgramStatus) => new StatusChains(program));

/** A chain may have thousands of rules: each is read when it is asked for. */
export class StatusChains {
  readonly #program: ProgramStatus;
  readonly #chains: ReadonlyMap<string, ChainStatus>;
  readonly #parsed = new Map<ChainStatus, (StatusRuleModel | undefined)[]>();

  constructor(program: ProgramStatus) {
    this.#program = program;
    this.#chains = new Map(program.chains.map((chain) => [keyOf(chain), chain]));
  }

  /** Undefined where the chain has no rule at the index. */
  rule(chain: ChainStatus, index: number): StatusRuleModel | undefined {
    const rule = chain.rules[index];
    if (rule === undefined) return undefined;
    let known = this.#parsed.get(chain);
    if (known === undefined) {
      known = [];
      this.#parsed.set(chain, known);
    }
    return (known[index] ??= parseStatusRule(rule.text, chain, this.#program));
  }

  rules(chain: ChainStatus): readonly StatusRuleModel[] {
    return chain.rules.flatMap((_, index) => this.rule(chain, index) ?? []);
  }

  /** The chain of this name in the table of another; undefined where the program has none. */
  beside({ family, table }: ChainStatus, name: string): ChainStatus | undefined {
    return this.#chains.get(keyOf({ family, table, name }));
  }

  /** Chains of the program that the rule jumps to. */
  jumpsTo(chain: ChainStatus, index: number): readonly ChainStatus[] {
    return this.named(chain, namesAfter(this.rule(chain, index)));
  }

  /** Those of these names that the table of `chain` has. */
  named(chain: ChainStatus, names: readonly string[]): readonly ChainStatus[] {
    return names.flatMap((name) => this.beside(chain, name) ?? []);
  }

  /** Addresses and ports that packets get as their destination behind the rule, each as `targetKey` has it. */
  targetsBehind(chain: ChainStatus, index: number): ReadonlySet<string> {
    const rule = this.rule(chain, index);
    const targets = new Set(rule === undefined ? [] : ownTargets(rule));
    const behind = new Set(this.jumpsTo(chain, index));
    // A set is walked with what is added to it on the packet path.
    for (const each of behind) {
      for (const target of this.rules(each).flatMap(ownTargets)) targets.add(target);
      each.rules.forEach((_, at) => {
        for (const next of this.jumpsTo(each, at)) behind.add(next);
      });
    }
    return targets;
  }

  /** Packets that the chain's rule counted that rewrites the destination. */
  rewrittenPackets(chain: ChainStatus | undefined): number | undefined {
    return chain?.rules.find((_, index) => {
      const rule = this.rule(chain, index);
      return rule !== undefined && ownTargets(rule).length > 0;
    })?.packets;
  }
}

function keyOf({ family, table, name }: Pick<ChainStatus, 'family' | 'table' | 'name'>): string {
  return `${family} ${table} ${name}`;
}
