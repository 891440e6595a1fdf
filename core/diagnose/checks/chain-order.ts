/** Whether the rules of kube-proxy's chains stand in the order in which it writes them, as far as the order matters. */
import { oncePer, oncePerAll } from '../../lib/once-per.ts';
import { masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import type { RuleSummary } from '../../program/rule-summary.ts';

export interface OrderFault {
  readonly chain: string;
  /** In words: what stands before what. */
  readonly fault: string;
  /** The rule that stands too late, and the one before it that makes it so. */
  readonly rules: readonly [late: string, before: string];
}

/**
 * kube-proxy's order (pkg/proxy/iptables/proxier.go and nftables/proxier.go, syncProxyRules, 1.29 to 1.37): in a chain of
 * a Service the marking rules, those for remembered clients, then the random choice with probabilities 1/n, 1/(n-1) … 1;
 * in a chain of an endpoint the marking rule, what remembers the client, then DNAT; a chain of external traffic marks
 * before it sends the same packets on; KUBE-POSTROUTING returns what has no mark, then clears it, then masquerades.
 * A rule behind one that takes every packet is never met.
 */
export function orderFault(rules: NodeRules, chain: string): OrderFault | undefined {
  const summaries = rules.chain(chain);
  if (summaries === undefined) return undefined;
  return faultsBy(rules.kindOf)(summaries, chain);
}

/** Several nodes may share the summaries of a chain. */
const faultsBy = oncePer((kindOf: NodeRules['kindOf']) =>
  oncePerAll((summaries: readonly RuleSummary[], chain: string) => faultOf(summaries, chain, kindOf)),
);

function faultOf(
  summaries: readonly RuleSummary[],
  chain: string,
  kindOf: NodeRules['kindOf'],
): OrderFault | undefined {
  const kind = kindOf(chain);
  const isPostrouting = masqueradeChains.has(chain);
  if (kind === undefined && !isPostrouting) return undefined;
  const jumpsToKubeChain = (summary: RuleSummary): boolean => summary.chains.some((to) => kindOf(to) !== undefined);
  const ends = (summary: RuleSummary): boolean =>
    summary.dnat.length > 0 || summary.masquerades || summary.returns || summary.drops || jumpsToKubeChain(summary);
  // A chain of many endpoints has as many rules: of those before, only the first of each kind is asked for.
  const taking: RuleSummary[] = [];
  const firstOfRank: { readonly rank: number; readonly summary: RuleSummary }[] = [];
  const before: RuleSummary[] = [];
  for (const late of summaries) {
    const shadowing = taking.find((each) => each.text !== late.text);
    if (shadowing !== undefined && (ends(late) || late.marks || late.records))
      return {
        chain,
        fault: 'a rule stands behind one that takes every packet, so that it is never met',
        rules: [late.text, shadowing.text],
      };
    if (kind === 'external') {
      const early = late.marks
        ? before.find(
            (each) =>
              jumpsToKubeChain(each) && each.isForLocalSource === late.isForLocalSource && each.sources === undefined,
          )
        : undefined;
      if (early !== undefined)
        return {
          chain,
          fault: 'packets are sent on before they are marked for masquerading',
          rules: [late.text, early.text],
        };
      before.push(late);
    } else if (kind !== 'firewall') {
      const own = isPostrouting ? postroutingRank(late) : rank(late, jumpsToKubeChain);
      const early = firstOfRank.find((each) => each.rank > own)?.summary;
      if (early !== undefined)
        return {
          chain,
          fault: 'rules stand in another order than kube-proxy writes them',
          rules: [late.text, early.text],
        };
      if (!firstOfRank.some((each) => each.rank === own)) firstOfRank.push({ rank: own, summary: late });
    }
    if (late.isUnconditional && ends(late) && (late.probability ?? 1) >= 1) taking.push(late);
  }
  return kind === 'cluster' || kind === 'local'
    ? shareFault(
        chain,
        summaries.filter((summary) => jumpsToKubeChain(summary) && summary.remembers === undefined),
      )
    : undefined;
}

function postroutingRank(summary: RuleSummary): number {
  return summary.returns ? 0 : summary.masquerades ? 2 : 1;
}

/** Rules that do none of these may stand anywhere. */
function rank(summary: RuleSummary, jumpsToKubeChain: (summary: RuleSummary) => boolean): number {
  if (summary.marks) return 0;
  if (summary.remembers !== undefined) return 1;
  if (summary.dnat.length > 0 || jumpsToKubeChain(summary)) return 2;
  return summary.records ? 1 : 0;
}

const ascending = (one: number, other: number): number => one - other;

/** The right probabilities in a wrong order give other shares. */
function shareFault(chain: string, choosing: readonly RuleSummary[]): OrderFault | undefined {
  const have = choosing.map(({ probability }) => probability ?? 1);
  const want = choosing.map((_, index) => 1 / (choosing.length - index));
  const isSame = (one: readonly number[], other: readonly number[]): boolean =>
    one.every((value, index) => Math.abs(value - (other[index] ?? 0)) < 1e-6);
  const at = have.findIndex((value, index) => Math.abs(value - (want[index] ?? 0)) >= 1e-6);
  if (at < 0 || !isSame([...have].sort(ascending), [...want].sort(ascending))) return undefined;
  const [late, early] = [choosing[at], choosing[have.findIndex((value) => Math.abs(value - (want[at] ?? 0)) < 1e-6)]];
  return late === undefined || early === undefined
    ? undefined
    : {
        chain,
        fault: 'the probabilities 1/n, 1/(n-1) … stand in another order, which changes the shares',
        rules: [early.text, late.text],
      };
}
