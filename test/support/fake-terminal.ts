/** A terminal for ink that is not a terminal: keys are pushed into it, and what ink writes is kept. */
import { PassThrough, Writable } from 'node:stream';

export interface FakeTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** What was written since the last call. */
  taken(): string;
  /** When something was last written, by performance.now(). */
  lastWrite(): number;
  press(keys: string): void;
  resize(columns: number, rows: number): void;
}

export function fakeTerminal(columns: number, rows: number): FakeTerminal {
  let written: string[] = [];
  let last = 0;
  const stdout = Object.assign(
    new Writable({
      decodeStrings: false,
      write(chunk, _encoding, done) {
        // ink writes nothing to learn when everything is out.
        if (String(chunk) !== '') last = performance.now();
        written.push(String(chunk));
        done();
      },
    }),
    { isTTY: true, columns, rows },
  );
  const keys = new PassThrough();
  const stdin = Object.assign(keys, {
    isTTY: true,
    isRaw: false,
    setRawMode: () => keys,
    ref: () => keys,
    unref: () => keys,
  });
  return {
    // ink asks of the two no more than is here.
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    taken() {
      const text = written.join('');
      written = [];
      return text;
    },
    lastWrite: () => last,
    press(text) {
      keys.write(text);
    },
    resize(width, height) {
      Object.assign(stdout, { columns: width, rows: height });
      stdout.emit('resize');
    },
  };
}
