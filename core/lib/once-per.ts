/** What is worked out of an immutable value, kept as long as the value is there. */
export function oncePer<Key extends object, Value>(workOut: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, { readonly value: Value }>();
  return (key) => {
    let found = known.get(key);
    if (found === undefined) {
      found = { value: workOut(key) };
      known.set(key, found);
    }
    return found.value;
  };
}
