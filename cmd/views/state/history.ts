/** How counters moved over the last results: a few numbers for each, enough for a sparkline. */
import sparkly from 'sparkly';
import type { Pieces } from '../../../core/lib/pieces.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';

/** Packets a second, the newest last, by `ruleKey`; undefined where a result had nothing to compare with. */
export type History = ReadonlyMap<string, readonly (number | undefined)[]>;

const kept = 16;

export function ruleKey(
  program: string,
  chain: { readonly family: string; readonly table: string; readonly name: string },
  index: number,
): string {
  return `${program} ${chain.family} ${chain.table} ${chain.name} ${String(index)}`;
}

/** Only programs that both results have are compared: a changed program begins again. */
export function* extendHistory(
  history: History,
  before: ServiceTraceStatus | undefined,
  after: ServiceTraceStatus,
): Pieces<History> {
  const seconds = (Date.parse(after.collectedAt ?? '') - Date.parse(before?.collectedAt ?? '')) / 1000;
  if (!(seconds > 0)) return history;
  const old = new Map((before?.programs ?? []).map((program) => [program.fingerprint, program]));
  const next = new Map<string, readonly (number | undefined)[]>();
  for (const program of after.programs ?? []) {
    const former = old.get(program.fingerprint);
    // Packets are summed over the nodes: with other nodes, the sums do not compare.
    const isSame = former !== undefined && former.nodes.length === program.nodes.length;
    const chains = new Map(
      (isSame ? former.chains : []).map((chain) => [`${chain.family} ${chain.table} ${chain.name}`, chain]),
    );
    for (const chain of program.chains) {
      const formerChain = chains.get(`${chain.family} ${chain.table} ${chain.name}`);
      chain.rules.forEach(({ packets }, index) => {
        if (packets === undefined) return;
        const formerPackets = formerChain?.rules[index]?.packets;
        const rate =
          formerPackets === undefined || packets < formerPackets ? undefined : (packets - formerPackets) / seconds;
        const key = ruleKey(program.fingerprint, chain, index);
        next.set(key, [...(history.get(key) ?? []).slice(1 - kept), rate]);
      });
      yield undefined;
    }
  }
  return next;
}

/** Empty where nothing moved, or nothing is known. */
export function sparkline(rates: readonly (number | undefined)[] | undefined, width: number): string {
  const shown = (rates ?? []).slice(-width);
  if (!isMoving(shown)) return '';
  return sparkly(
    shown.map((rate) => rate ?? ''),
    { minimum: 0 },
  );
}

export function isMoving(rates: readonly (number | undefined)[] | undefined): boolean {
  return rates?.some((rate) => rate !== undefined && rate > 0) === true;
}

export function lastRate(rates: readonly (number | undefined)[] | undefined): number | undefined {
  return rates?.at(-1);
}
