/** Optional properties that are absent, not undefined, as exactOptionalPropertyTypes wants them. */

/** The object without the fields that are undefined, as exact optional properties want it. */
export function present<Value extends object>(value: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [Key in keyof Value]: Exclude<Value[Key], undefined>;
  };
}
