/**
 * The chains that packets of walks came to. Of a choice among endpoints, which has thousands, they are worked out once for all
 * walks that share it.
 */
import { chainEntered } from '../evaluate/action.ts';
import type { EndpointChoice } from '../evaluate/endpoint-choice.ts';
import type { Step, WalkResult } from '../evaluate/walk.ts';
import { oncePer } from '../lib/once-per.ts';
import type { NodeRules } from './node-rules.ts';

type Outlined = Pick<WalkResult, 'outline'>;

interface ChoiceChains {
  /** In which the choice itself stands; undefined where no rule is met within it. */
  readonly own: string | undefined;
  /** The Service's own chains that its rules send packets to, in order. */
  readonly entered: ReadonlySet<string>;
  /** As `visitedChains` gives them. */
  readonly visited: ReadonlyMap<string, Step>;
}

const choiceChains = oncePer((kindOf: NodeRules['kindOf']) =>
  oncePer(({ allSteps }: EndpointChoice): ChoiceChains => {
    const entered = new Set<string>();
    const entering = new Map<string, Step>();
    const visited = new Map<string, Step>();
    for (const step of allSteps) {
      visit(visited, entering, step.chain);
      const next = chainEntered(step);
      if (next === undefined) continue;
      const kind = kindOf(next);
      if (kind !== undefined) entered.add(next);
      if (kind !== 'endpoint') entering.set(next, step);
    }
    return { own: allSteps[0]?.chain, entered, visited };
  }),
);

function visit(visited: Map<string, Step>, entering: ReadonlyMap<string, Step>, chain: string): void {
  const by = visited.has(chain) ? undefined : entering.get(chain);
  if (by !== undefined) visited.set(chain, by);
}

/** The Service's own chains that rules sent the packets to, in order; `ofChoices`: those of each choice among endpoints. */
export function enteredChains(
  kindOf: NodeRules['kindOf'],
  walks: readonly Outlined[],
): { readonly entered: Set<string>; readonly ofChoices: readonly ReadonlySet<string>[] } {
  const chainsOf = choiceChains(kindOf);
  const entered = new Set<string>();
  const ofChoices: ReadonlySet<string>[] = [];
  for (const { outline } of walks)
    for (const each of outline) {
      if ('endpoints' in each) {
        const own = chainsOf(each).entered;
        if (ofChoices.includes(own)) continue;
        ofChoices.push(own);
        for (const chain of own) entered.add(chain);
        continue;
      }
      const chain = chainEntered(each);
      if (chain !== undefined && kindOf(chain) !== undefined) entered.add(chain);
    }
  return { entered, ofChoices };
}

/**
 * The chains that the packets went through, each with the rule that sent them there; those of a hook are visited by no rule.
 * A choice's chains of endpoints are left out: its rules ask for nothing that says something of the Service
 * (evaluate/iptables-choice.ts).
 */
export function visitedChains(kindOf: NodeRules['kindOf'], walks: readonly Outlined[]): Map<string, Step> {
  const chainsOf = choiceChains(kindOf);
  const visited = new Map<string, Step>();
  for (const { outline } of walks) {
    const entering = new Map<string, Step>();
    for (const each of outline) {
      if ('endpoints' in each) {
        const { own, visited: within } = chainsOf(each);
        if (own !== undefined) visit(visited, entering, own);
        for (const [chain, by] of within) if (!visited.has(chain)) visited.set(chain, by);
        continue;
      }
      visit(visited, entering, each.chain);
      const next = chainEntered(each);
      if (next !== undefined) entering.set(next, each);
    }
  }
  return visited;
}
