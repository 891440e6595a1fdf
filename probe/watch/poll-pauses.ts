/** How often what the kernel does not report is asked for; in milliseconds. */

/** So long after a change, it is asked quickly. */
export const quickMilliseconds = 5000;
/** A question; a reading of the rules, where questions do not show all changes. */
export const quickPause = { question: 10, reading: 100 };
export const restPause = { question: 2000, reading: 10_000 };
export const longestPause = { question: 30_000, reading: 300_000 };
/** So many times what the last one took, at the least: the part of a CPU that it may cost. */
export const share = { rest: 500, quick: 5 };
