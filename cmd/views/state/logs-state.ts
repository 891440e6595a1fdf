/** The logs in the live view: the last lines, and how their reading stands. */
import { stripVTControlCharacters } from 'node:util';
import type { LogLine } from '../../logs/merge.ts';
import type { LogEvent } from '../../logs/event.ts';
import { rowFilter } from './row-filter.ts';

export interface LogsState {
  /** The newest last; bounded. */
  readonly lines: readonly LogLine[];
  /** Older lines that have left: the number of the first one in `lines`. */
  readonly left: number;
  /** The newest line is the chosen one, and stays in sight. */
  readonly isTailing: boolean;
  /** Whose logs are followed; undefined before the first answer. */
  readonly pods: number | undefined;
  /** Their containers that do not run, with the reasons. */
  readonly waiting: readonly string[];
  /** What the user should know while there is no newer line. */
  readonly notice: string | undefined;
  /** Why nothing more comes. */
  readonly failure: string | undefined;
  /** Why there are no logs here, whoever asks. */
  readonly absence: string | undefined;
  /** How often the logs were opened. */
  readonly attempt: number;
}

const kept = 5000;
/** Of one line; a longer one is cut. */
const keptCharacters = 1000;

export const openedLogs: LogsState = {
  lines: [],
  left: 0,
  isTailing: true,
  pods: undefined,
  waiting: [],
  notice: undefined,
  failure: undefined,
  absence: undefined,
  attempt: 1,
};

export type LogsEvent = LogEvent | { readonly kind: 'failed'; readonly reason: string } | { readonly kind: 'retried' };

export function reduceLogs(state: LogsState, event: LogsEvent): LogsState {
  switch (event.kind) {
    case 'pods':
      return {
        ...state,
        pods: event.pods,
        waiting: event.waiting,
        notice: event.pods === 0 ? `${event.none} Waiting for one.` : state.pods === 0 ? undefined : state.notice,
      };
    case 'lines': {
      const lines = [...state.lines, ...event.lines.slice(-kept).map(shownLine)];
      const leaving = Math.max(0, lines.length - kept);
      return {
        ...state,
        lines: leaving === 0 ? lines : lines.slice(leaving),
        left: state.left + leaving,
        notice: event.lines.every(isNews) ? state.notice : undefined,
      };
    }
    case 'notice':
      return { ...state, notice: event.message };
    case 'absent':
      return { ...state, absence: event.reason };
    case 'failed':
      return { ...state, failure: event.reason };
    case 'retried':
      return state.failure === undefined ? state : { ...openedLogs, attempt: state.attempt + 1 };
  }
}

/** How many of the rows that the filter shows leave from one state to the next. */
export function leavingRows(before: LogsState, after: LogsState, filter: string): number {
  const isShown = rowFilter(filter);
  return before.lines.slice(0, after.left - before.left).filter((line) => isShown(filteredText(line))).length;
}

/** What a filter looks at. */
export function filteredText({ from, node, text }: LogLine): string {
  return `${node ?? ''} ${from} ${text}`;
}

/** Not a line of a log, but a change of its pod. */
export function isNews({ news }: LogLine): boolean {
  return news !== undefined;
}

/** What a program writes to its log must not move the cursor, or change the colours, of this terminal. */
function shownLine(line: LogLine): LogLine {
  const text = stripVTControlCharacters(line.text)
    .replaceAll('\t', '    ')
    .replaceAll(/\p{Cc}/gu, '');
  const more = text.length - keptCharacters;
  return { ...line, text: more > 0 ? `${text.slice(0, keptCharacters)}… (${String(more)} more characters)` : text };
}
