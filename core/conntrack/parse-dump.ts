/** A whole table of tracked connections, as `conntrack -L` or /proc/net/nf_conntrack prints it, or as `conntrack -L -o xml`. */
import { conntrackEntryOf, parseConntrackLine, type ConntrackEntry } from './parse-entry.ts';
import { readConntrackXml } from './parse-xml.ts';
import { DumpLines, type DumpParser, type DumpProblem } from '../dump/lines.ts';

/** All entries of a text or of XML. */
export function parseConntrack(text: string): ReturnType<ConntrackDump['end']> {
  const dump = new ConntrackDump();
  dump.push(text);
  return dump.end();
}

/** Reads text or XML: the first character that is not a space shows which. A line or a flow that is not an entry is a problem. */
export class ConntrackDump implements DumpParser<readonly ConntrackEntry[]> {
  readonly #lines: DumpLines;
  readonly #problems: DumpProblem[] = [];
  readonly #entries: ConntrackEntry[] = [];
  #xml: ReturnType<typeof readConntrackXml> | undefined;
  #isText = false;

  constructor() {
    this.#lines = new DumpLines(
      (text, line) => {
        this.#read(text, line);
      },
      (problem) => this.#problems.push(problem),
    );
  }

  push(chunk: Uint8Array | string): void {
    this.#lines.push(chunk);
  }

  end(): { readonly result: readonly ConntrackEntry[]; readonly problems: readonly DumpProblem[] } {
    const { lines } = this.#lines.end();
    this.#xml?.end(lines);
    return { result: this.#entries, problems: this.#problems };
  }

  #read(raw: string, line: number): void {
    const text = raw.trim();
    if (!this.#isText && this.#xml === undefined && text !== '') this.#begin(text);
    if (this.#xml !== undefined) this.#xml.line(raw, line);
    // What the tool itself adds, on another stream, to its entries.
    else if (text !== '' && !/^conntrack v\S+ \(conntrack-tools\): \d+ flow entries have been shown\.$/.test(text)) {
      const entry = parseConntrackLine(text);
      if (entry === undefined)
        this.#problem(
          line,
          `is not a line of conntrack -L or /proc/net/nf_conntrack: ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`,
        );
      else this.#entries.push(entry);
    }
  }

  #begin(text: string): void {
    if (!text.startsWith('<')) {
      this.#isText = true;
      return;
    }
    this.#xml = readConntrackXml(
      (fields, line) => {
        const entry = conntrackEntryOf(fields);
        if (entry === undefined)
          this.#problem(
            line,
            'a flow that ends here has no addresses, or numbers that are none; capture the dump again',
          );
        else this.#entries.push(entry);
      },
      (line, message) => {
        this.#problem(line, message);
      },
    );
  }

  #problem(line: number, message: string): void {
    this.#problems.push({ line, message });
  }
}
