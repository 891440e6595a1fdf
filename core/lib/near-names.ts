/** Names that somebody may have meant by one that is not there. */
import { distance } from 'fastest-levenshtein';

/** At most five, the nearest first. */
export function nearNames(name: string, candidates: readonly string[]): string[] {
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, far: distance(name, candidate) }))
    .filter(
      ({ candidate, far }) =>
        far <= Math.max(2, Math.floor(name.length / 3)) || candidate.includes(name) || name.includes(candidate),
    )
    .sort((one, other) => one.far - other.far || (one.candidate < other.candidate ? -1 : 1))
    .slice(0, 5)
    .map(({ candidate }) => candidate);
}

/** `; near: auth-service, auth`, the end of a sentence that says that a name is not there; empty without names. */
export function nearText(near: readonly string[]): string {
  return near.length === 0 ? '' : `; near: ${near.join(', ')}`;
}
