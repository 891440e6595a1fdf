/** How the lines of the screen are shared out. */
import { wrapped } from '../printers/wrapped.ts';
import { nodesOf, type LiveState } from './state/live-state.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Layout {
  /** Rows of the node table above the path, without its titles; 0 in the other views. */
  readonly nodeRows: number;
  /** Lines of the body, its fixed ones among them. */
  readonly bodyRows: number;
  /** Rows of the palette, while it is open. */
  readonly paletteRows: number;
}

/** The title of the screen, and the views. */
const fixedLines = 2;
const mostAnswerLines = 5;

/** The result of the user's last action; a refusal with the role that gives it takes some lines. */
export function answerLines({ answer, input }: Pick<LiveState, 'answer' | 'input'>, columns: number): string[] {
  return answer === undefined || input !== undefined ? [] : wrapped(answer, columns).slice(0, mostAnswerLines);
}

/** In the path, the nodes get up to a third of what the header leaves. */
export function layOut(
  { rows, columns }: Size,
  state: Pick<LiveState, 'trace' | 'view' | 'input' | 'answer'>,
  headerLines: number,
): Layout {
  const room = Math.max(2, rows - fixedLines - headerLines - Math.max(1, answerLines(state, columns).length));
  const paletteRows = state.input?.kind === 'command' ? Math.max(1, Math.min(10, Math.floor(room / 2))) : 0;
  if (state.view !== 'path' || nodesOf(state).length === 0)
    return { nodeRows: 0, bodyRows: Math.max(1, room - paletteRows), paletteRows };
  // A blank line and the titles stand above the rows.
  const left = room - 2 - paletteRows;
  const nodeRows = Math.max(1, Math.min(nodesOf(state).length, Math.ceil(left / 3)));
  return { nodeRows, bodyRows: Math.max(1, left - nodeRows), paletteRows };
}
