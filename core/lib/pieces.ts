/** Work in pieces: a generator that may be left for a while wherever it yields. */
export type Pieces<Result> = Generator<undefined, Result>;

/** The result of all pieces, one after the other. */
export function wholeOf<Result>(pieces: Pieces<Result>): Result {
  for (;;) {
    const step = pieces.next();
    if (step.done === true) return step.value;
  }
}
