/** Lines of text that comes in pieces: node:readline takes several times as long for a dump of 20 MB. */

export interface LineSplitter {
  push(this: void, chunk: string): void;
  /** Gives what came after the last end of a line, if anything. */
  end(this: void): void;
  /** Characters that have come since the last end of a line. */
  pending(this: void): number;
}

export function lineSplitter(onLine: (line: string) => void): LineSplitter {
  let rest = '';
  return {
    push: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
        const line = chunk.slice(from, at);
        from = at + 1;
        if (rest === '') onLine(line);
        else {
          onLine(rest + line);
          rest = '';
        }
      }
      rest += chunk.slice(from);
    },
    end: () => {
      if (rest !== '') onLine(rest);
    },
    pending: () => rest.length,
  };
}
