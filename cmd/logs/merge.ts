/** Lines of several logs, put in the order of their times as far as that is possible without waiting long. */

export interface LogLine {
  /** Where it comes from: `pod/container`. */
  readonly from: string;
  /** RFC 3339, as the kubelet writes it in front of each line; empty where there is none. */
  readonly time: string;
  readonly text: string;
  /** Where the pod is. */
  readonly node?: string | undefined;
  /** Not a line of the log, but a change of its pod or container: whether that is bad. */
  readonly news?: 'good' | 'bad' | undefined;
}

/** A line that the API server gave with timestamps=true: `2026-11-24T10:00:00.123456789Z text`. */
export function parseLogLine(from: string, line: string): LogLine {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/.exec(line)?.[0];
  if (time === undefined) return { from, time: '', text: line };
  return { from, time, text: line.slice(time.length + 1) };
}

export interface LogMerge {
  add(line: LogLine): void;
  /** Gives what is held, in order. */
  flush(): void;
}

/** Holds lines until `flush`; a line without a time stays behind the one before it of the same log. */
export function createLogMerge(onLines: (lines: readonly LogLine[]) => void): LogMerge {
  let held: { readonly line: LogLine; readonly time: string }[] = [];
  const last = new Map<string, string>();
  return {
    add(line) {
      const time = line.time === '' ? (last.get(line.from) ?? '') : comparableTime(line.time);
      last.set(line.from, time);
      held.push({ line, time });
    },
    flush() {
      const lines = held.sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
      held = [];
      if (lines.length > 0) onLines(lines.map(({ line }) => line));
    },
  };
}

/** A text that compares as its time does: kubelets cut the zeros at the end of the fraction. */
export function comparableTime(time: string): string {
  const [, seconds = '', fraction = ''] = /^([^.Z+]+)(?:\.(\d+))?/.exec(time) ?? [];
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}
