/** How near a pod's labels are to a selector that does not match them. */
import { distance } from 'fastest-levenshtein';

export interface LabelDifference {
  readonly key: string;
  readonly value: string;
  /** The pod's label that was probably meant; absent where none is near. */
  readonly nearest?: { readonly key: string; readonly value: string };
  /** A typo, by the number of letters that differ. */
  readonly isTypo: boolean;
}

type Labels = Readonly<Record<string, string>>;

/** Each term of the selector that the labels do not meet, with the label that is nearest to it. */
export function labelDifferences(selector: Labels, labels: Labels): LabelDifference[] {
  const own = new Map(Object.entries(labels));
  return Object.entries(selector).flatMap(([key, value]): LabelDifference[] => {
    const there = own.get(key);
    if (there === value) return [];
    const sameKey = there === undefined ? undefined : { key, value: there };
    // The value stands under a key with another spelling, or the letters of both differ a little.
    const near =
      sameKey ??
      [...own]
        .map(([otherKey, otherValue]) => ({ key: otherKey, value: otherValue }))
        .find((label) => label.value === value && isNear(key, label.key));
    if (near === undefined) return [{ key, value, isTypo: false }];
    return [
      {
        key,
        value,
        nearest: near,
        isTypo: isNear(`${key}=${value}`, `${near.key}=${near.value}`, Math.min(value.length, near.value.length)),
      },
    ];
  });
}

/** Smaller is nearer: 0 where all labels match. */
export function labelDistance(selector: Labels, labels: Labels): number {
  return labelDifferences(selector, labels).reduce((sum, { key, value, nearest }) => {
    if (nearest === undefined) return sum + 1;
    return (
      sum +
      Math.min(
        0.9,
        distance(`${key}=${value}`, `${nearest.key}=${nearest.value}`) /
          Math.max(value.length, nearest.value.length, 1),
      )
    );
  }, 0);
}

/** Letters in another order or another case, one letter of a short word, two of a longer one, up to a quarter of a long one. */
function isNear(one: string, other: string, length = Math.min(one.length, other.length)): boolean {
  const far = distance(one.toLowerCase(), other.toLowerCase());
  if (far <= (length <= 3 ? 1 : Math.max(2, Math.floor(length / 4)))) return true;
  return far === 2 && sortedLetters(one) === sortedLetters(other);
}

function sortedLetters(text: string): string {
  return [...text.toLowerCase()].sort().join('');
}
