/** Durations as Go's time.ParseDuration reads them. */

const nanoseconds = new Map([
  ['h', 3_600_000_000_000],
  ['m', 60_000_000_000],
  ['s', 1_000_000_000],
  ['ms', 1_000_000],
  ['us', 1000],
  ['µs', 1000],
  ['μs', 1000],
  ['ns', 1],
]);

/** Milliseconds of `1m30s`, `500ms`, `-1.5h` or `0`; undefined for what is not a duration. */
export function goDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const [, sign, parts = ''] = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|µs|μs|ns))+)$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const sum = [...parts.matchAll(/([\d.]+)([^\d.]+)/g)].reduce(
    (before, [, amount, unit = '']) => before + Number(amount) * (nanoseconds.get(unit) ?? NaN),
    0,
  );
  return (sign === '-' ? -sum : sum) / 1_000_000;
}
