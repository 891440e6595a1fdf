/** Prometheus' text exposition format, version 0.0.4: `name{label="value",…} VALUE [TIMESTAMP]`. */
import type { DumpProblem } from '../dump/lines.ts';

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** NaN and infinities included, as written. */
  readonly value: number;
}

/** Reads sample lines; comments (# HELP, # TYPE) and empty lines say nothing here. Any other line is a problem. */
export function parsePrometheusText(lines: readonly string[]): {
  readonly samples: readonly Sample[];
  readonly problems: readonly DumpProblem[];
} {
  const samples: Sample[] = [];
  const problems: DumpProblem[] = [];
  lines.forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const sample = readSample(line);
    if (sample === undefined)
      problems.push({
        line: index + 1,
        message: `is not a line of metrics: ${line.length > 80 ? `${line.slice(0, 80)}…` : line}`,
      });
    else samples.push(sample);
  });
  return { samples, problems };
}

const label = /\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))/y;

function readSample(line: string): Sample | undefined {
  const name = /^[A-Za-z_:][A-Za-z0-9_:]*/.exec(line)?.[0];
  if (name === undefined) return undefined;
  let rest = line.slice(name.length);
  const labels = new Map<string, string>();
  if (rest.trimStart().startsWith('{')) {
    rest = rest.trimStart();
    let at = 1;
    for (;;) {
      label.lastIndex = at;
      const match = label.exec(rest);
      if (match === null) break;
      labels.set(match[1] ?? '', unescape(match[2] ?? ''));
      at = label.lastIndex;
    }
    const end = /\s*\}/y;
    end.lastIndex = at;
    if (!end.test(rest)) return undefined;
    rest = rest.slice(end.lastIndex);
  }
  const [, text] =
    /^\s+(\S+)(?:\s+-?\d+)?$/.exec(rest) ?? /^\s*(\S+)(?:\s+-?\d+)?$/.exec(labels.size > 0 ? rest : '') ?? [];
  const value = text === undefined ? undefined : numberOf(text);
  return value === undefined ? undefined : { name, labels, value };
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
}

/** As Go's strconv.ParseFloat writes and reads them. */
function numberOf(text: string): number | undefined {
  const infinity = /^([+-]?)inf(inity)?$/i.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}
