/** How the lines of the screen are shared out. */
import type { LiveState } from './live-state.ts';
import { nodesOf } from './live-state.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Layout {
  /** Rows of the node table without its titles. */
  readonly nodeRows: number;
  readonly detailRows: number;
}

/** Title, a blank line, the titles of the nodes, the tabs, and the keys. */
const fixedLines = 5;

/** The nodes get up to a third of what the header leaves, the detail the rest. */
export function layOut({ rows }: Size, state: Pick<LiveState, 'trace'>, headerLines: number): Layout {
  const room = Math.max(2, rows - fixedLines - headerLines);
  const nodeRows = Math.max(1, Math.min(nodesOf(state).length, Math.ceil(room / 3)));
  return { nodeRows, detailRows: Math.max(1, room - nodeRows) };
}
