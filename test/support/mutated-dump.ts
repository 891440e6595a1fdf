/** Real dumps with something wrong: cut, doubled, shifted or overwritten in places, for fuzzing their parsers. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { DumpParser } from '../../core/dump/lines.ts';

const junk = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '\n',
    '\r\n',
    '"',
    ' ',
    '=',
    '[',
    ']',
    '<',
    '>',
    '-',
    '0',
    '4294967296',
    '99999999999999999999',
    ':',
    ',',
    '/',
    '\u0000',
    '\uFFFD',
    '{',
    '}',
    'src=',
    '-A',
    'add',
  ),
);

const edit = fc.record({
  kind: fc.constantFrom('cut', 'insert', 'overwrite', 'double', 'end'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat({ max: 40 }),
  text: junk,
});

/** One of the dumps with up to five edits. */
export function mutatedDump(dumps: readonly string[]): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...dumps), fc.array(edit, { maxLength: 5 })).map(([dump, edits]) =>
    edits.reduce((text, { kind, at, length, text: inserted }) => {
      const from = Math.floor(at * text.length);
      const before = text.slice(0, from);
      switch (kind) {
        case 'cut':
          return before + text.slice(from + length);
        case 'insert':
          return before + inserted + text.slice(from);
        case 'overwrite':
          return before + inserted + text.slice(from + inserted.length);
        case 'double':
          return text.slice(0, from + length) + text.slice(from);
        default:
          return before;
      }
    }, dump),
  );
}

/** A parser's answer does not depend on where the chunks of a dump end. */
export function expectSameInChunks<Result>(
  make: () => DumpParser<Result>,
  text: string,
  sizes: readonly number[],
): void {
  const whole = make();
  whole.push(text);
  const chunked = make();
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunked.push(bytes.subarray(at, at + size));
    at += size;
  }
  // A text that is not UTF-8 as bytes either is another text.
  if (text.isWellFormed() && !text.includes('\u0000') && !text.startsWith('\uFEFF'))
    expect(chunked.end()).toEqual(whole.end());
}
