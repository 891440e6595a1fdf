/** Lines of a dump that comes in chunks: numbered, bounded in length, in one encoding. */

import type { Family } from '../net/family.ts';

/** Something in a dump that could not be read; what is around it was. */
export interface DumpProblem {
  /** From 1; the last line where the dump ends too early. */
  readonly line: number;
  /** The table that is left out of the result for it, such as `nat` or `ip kube-proxy`; absent where nothing but the line is. */
  readonly table?: string;
  /** Nothing is lost by it. */
  readonly isNote?: true;
  /** Of nft's own dump: what is missing there is in one of iptables-save. */
  readonly lacksTargets?: true;
  /** The dump mentions legacy tables of this family, which another dump may hold. */
  readonly legacyTables?: Family;
  /** What is wrong and what to do, without the line: "the dump ends before COMMIT closes table nat …". */
  readonly message: string;
}

/** A reader that is given a dump piece by piece. What it holds is its result so far, not the text. */
export interface DumpParser<Result> {
  push(chunk: Uint8Array | string): void;
  /** To be called once, after the last chunk. */
  end(): { readonly result: Result; readonly problems: readonly DumpProblem[] };
}

/** No tool prints a longer line of rules; a longer one is not held in memory. */
export const maxLineLength = 1024 * 1024;

/**
 * Splits a dump into lines. A line that is too long or not UTF-8 is reported as a problem and not given on; so is a dump
 * in UTF-16, once. A carriage return before the line's end is not a part of it.
 */
export class DumpLines {
  readonly #onLine: (text: string, line: number) => void;
  readonly #onProblem: (problem: DumpProblem) => void;
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';
  #skipping = false;
  #line = 0;
  #isUtf16 = false;

  constructor(onLine: (text: string, line: number) => void, onProblem: (problem: DumpProblem) => void) {
    this.#onLine = onLine;
    this.#onProblem = onProblem;
  }

  push(chunk: Uint8Array | string): void {
    if (this.#isUtf16) return;
    if (this.#line === 0 && this.#rest === '' && typeof chunk !== 'string' && isUtf16(chunk)) {
      this.#isUtf16 = true;
      this.#onProblem({
        line: 1,
        message: 'the dump is UTF-16 text; save it as UTF-8 (of PowerShell: Out-File -Encoding utf8)',
      });
      return;
    }
    this.#add(typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true }));
  }

  /** Gives the last line, which may lack its end. */
  end(): { readonly lines: number } {
    if (!this.#isUtf16) {
      this.#add(this.#decoder.decode());
      if (this.#rest !== '' || this.#skipping) this.#give(this.#rest);
    }
    return { lines: this.#line };
  }

  #add(text: string): void {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const piece = text.slice(from, end);
      this.#give(this.#rest === '' ? piece : this.#rest + piece);
      this.#rest = '';
      from = end + 1;
    }
    if (this.#skipping) return;
    this.#rest += from === 0 ? text : text.slice(from);
    if (this.#rest.length > maxLineLength) {
      this.#rest = '';
      this.#skipping = true;
    }
  }

  #give(text: string): void {
    this.#line += 1;
    if (this.#skipping || text.length > maxLineLength) {
      this.#skipping = false;
      this.#onProblem({
        line: this.#line,
        message: `the line is longer than ${String(maxLineLength)} characters, which no tool prints; it is left out`,
      });
      return;
    }
    // The decoder puts this sign where bytes are no UTF-8.
    if (text.includes('�')) {
      this.#onProblem({
        line: this.#line,
        message: 'the line is not UTF-8 text; capture the dump again, with LC_ALL=C',
      });
      return;
    }
    this.#onLine(text.endsWith('\r') ? text.slice(0, -1) : text, this.#line);
  }
}

/** A byte order mark of UTF-16, or ASCII with a zero byte beside each character. */
function isUtf16(chunk: Uint8Array): boolean {
  const [first, second] = chunk;
  return (
    (first === 0xff && second === 0xfe) ||
    (first === 0xfe && second === 0xff) ||
    (chunk.length > 3 && second === 0 && chunk[3] === 0)
  );
}
