/** A lag of which two bounds are known, as text. */

/** `< 10 s` where nobody knows more; `1.2 s`, or `1.2 s to 3.0 s` where the bounds differ in what is printed. */
export function lagText({
  minMilliseconds,
  maxMilliseconds,
}: {
  minMilliseconds: number;
  maxMilliseconds?: number;
}): string {
  if (maxMilliseconds === undefined)
    return minMilliseconds === 0 ? 'not known' : `> ${durationText(minMilliseconds, Math.floor)}`;
  if (minMilliseconds === 0) return `< ${durationText(Math.max(1, maxMilliseconds), Math.ceil)}`;
  const [least, most] = [durationText(minMilliseconds, Math.floor), durationText(maxMilliseconds, Math.ceil)];
  const middle = durationText((minMilliseconds + maxMilliseconds) / 2, Math.round);
  return maxMilliseconds - minMilliseconds <= maxMilliseconds * closeShare ? middle : `${least} to ${most}`;
}

/** Bounds that are as near to each other as this share of the lag are one number. */
const closeShare = 0.1;

/** `250 ms`, `1.2 s`, `12 s`, `3m 5s`. */
function durationText(milliseconds: number, round: (value: number) => number): string {
  if (milliseconds < 1000) return `${String(round(milliseconds))} ms`;
  if (milliseconds < 9950) return `${(round(milliseconds / 100) / 10).toFixed(1)} s`;
  const seconds = round(milliseconds / 1000);
  if (seconds < 120) return `${String(seconds)} s`;
  return `${String(Math.floor(seconds / 60))}m ${String(seconds % 60)}s`;
}
