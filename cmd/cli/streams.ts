/** The streams of the process as commands see them: nothing leaves by them that a terminal would obey but our own colours. */
import type { OutputStream } from './io.ts';
import { ownText, visibleLine } from '../../core/lib/visible.ts';

/** Takes the updating line of a terminal away. */
export const eraseLine = '\r\u001b[K';

/** A stream of printed lines: what is none of our own is escaped. */
export function textStream(stream: OutputStream): OutputStream {
  return {
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
    write: (text) => stream.write(ownText(text)),
    writeRaw: (text) => stream.write(text),
  };
}

/** A stream of messages: each that is written is one line, whatever stands in it, and none has a colour, which would be of a text that it quotes. */
export function messageStream(stream: OutputStream): OutputStream {
  return {
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
    write: (text) =>
      stream.write(
        text === eraseLine ? text : text.endsWith('\n') ? `${visibleLine(text.slice(0, -1))}\n` : visibleLine(text),
      ),
  };
}
