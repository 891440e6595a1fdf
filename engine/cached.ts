/** Answers of the API server that several traces may share for a short time. */

/** Reads again only what is older than this; those who ask for the same key at the same time wait for the same answer. A failure is not kept. */
export function cachedByKey<Value>(
  freshMilliseconds: number,
  read: (key: string) => Promise<Value>,
): (key: string) => Promise<Value> {
  const answers = new Map<string, { readonly value: Promise<Value>; readonly readAt: number }>();
  return async (key) => {
    for (const [other, { readAt }] of answers) if (Date.now() - readAt > freshMilliseconds) answers.delete(other);
    const present = answers.get(key);
    if (present !== undefined) return present.value;
    const value = read(key);
    const answer = { value, readAt: Date.now() };
    answers.set(key, answer);
    value.catch(() => {
      if (answers.get(key) === answer) answers.delete(key);
    });
    return value;
  };
}
