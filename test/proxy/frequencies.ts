/**
 * Whether observed frequencies are those of the evaluator's probabilities. The chance that all of this, over a whole run,
 * calls a right evaluator wrong is below 1e-6:
 *
 * - Each target of each case by itself: its count of N connections is binomial, and the exact tail at or beyond the
 *   observed count has to be above 1.25e-13. A run has at most 1,000,000 targets (100,000 cases of up to 12 targets have
 *   fewer than half of that), each with two tails: 2 * 1e6 * 1.25e-13 = 2.5e-7. With N = 30 connections for each of k
 *   targets, one that is never chosen is always noticed: (1 - 1/k)^(30 k) < e^-30 = 9.4e-14.
 * - All targets of the run together, which shows a small bias that no case shows alone: Pearson's chi-square, summed over
 *   the cases, with the sum of their degrees of freedom; by Wilson and Hilferty its cube root is normal, and 5.1 standard
 *   deviations are exceeded with a chance of 1.7e-7. (For k targets of equal probability, the variance of a case's
 *   chi-square is 2 (k - 1) (1 - 1/N), so the approximation errs on the safe side.)
 *
 * Sum: 4.2e-7.
 */
export const connectionsPerTarget = 30;
const smallestTail = 1.25e-13;
const largestDeviation = 5.1;

/** How often something with a probability happened. */
export interface Frequency {
  readonly probability: number;
  readonly count: number;
}

/** The first frequency that no chance explains; undefined where there is none. */
export function implausible<Each extends Frequency>(frequencies: readonly Each[]): Each | undefined {
  const total = frequencies.reduce((sum, { count }) => sum + count, 0);
  return frequencies.find(({ probability, count }) => {
    if (probability >= 1) return count < total;
    return (
      Math.min(binomialTail(total, probability, 0, count), binomialTail(total, probability, count, total)) <
      smallestTail
    );
  });
}

/** The chance of `from` to `to` successes among `total`. */
function binomialTail(total: number, probability: number, from: number, to: number): number {
  let sum = 0;
  let logOfChoices = 0;
  for (let successes = 0; successes <= to; successes += 1) {
    if (successes > 0) logOfChoices += Math.log(total - successes + 1) - Math.log(successes);
    if (successes >= from)
      sum += Math.exp(
        logOfChoices + successes * Math.log(probability) + (total - successes) * Math.log1p(-probability),
      );
  }
  return sum;
}

/** Adds up chi-square over the cases of a run. */
export class PooledChiSquare {
  #sum = 0;
  #degrees = 0;

  add(frequencies: readonly Frequency[]): void {
    if (frequencies.length < 2) return;
    const total = frequencies.reduce((sum, { count }) => sum + count, 0);
    for (const { probability, count } of frequencies)
      this.#sum += (count - probability * total) ** 2 / (probability * total);
    this.#degrees += frequencies.length - 1;
  }

  get sum(): number {
    return this.#sum;
  }

  get degrees(): number {
    return this.#degrees;
  }

  /** By how many standard deviations the sum is above what is expected of it. */
  get deviation(): number {
    if (this.#degrees === 0) return 0;
    const spread = 2 / (9 * this.#degrees);
    return (Math.cbrt(this.#sum / this.#degrees) - (1 - spread)) / Math.sqrt(spread);
  }

  get isImplausible(): boolean {
    return this.deviation > largestDeviation;
  }
}
