/** One function for each kind of a discriminated union, in a table: a kind without an entry is a type error. */

type Tagged<Tag extends string> = { readonly [Name in Tag]: string };

/** The members of a union whose tag may be this kind, with it. */
type OfKind<Union, Tag extends string, Kind> =
  Union extends Readonly<Record<Tag, infer Own>>
    ? Kind extends Own
      ? Union & { readonly [Name in Tag]: Kind }
      : never
    : never;

/** @template Rest further arguments of each function */
export type ByKind<Tag extends string, Union extends Tagged<Tag>, Rest extends readonly unknown[], Result> = {
  readonly [Kind in Union[Tag]]: (value: OfKind<Union, Tag, Kind>, ...rest: Rest) => Result;
};

/** Calls the function of the value's kind. */
export function byKind<Tag extends string, Union extends Tagged<Tag>, Rest extends readonly unknown[], Result>(
  table: ByKind<Tag, Union, Rest, Result>,
  tag: Tag,
  value: Union,
  ...rest: Rest
): Result {
  // The type of the table says that the function of this kind takes this value; the compiler does not follow it so far.
  const own = table[value[tag]] as (value: Union, ...rest: Rest) => Result;
  return own(value, ...rest);
}
