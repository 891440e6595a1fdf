/** The part of the screen below the header: rows of which only those in the window are painted. */
import type { LiveState } from '../state/live-state.ts';
import type { Theme } from '../state/theme.ts';

export interface BodyOptions {
  readonly width: number;
  readonly theme: Theme;
}

/** What Enter, Space and y do to a row. */
export interface RowMeaning {
  /** Enter. */
  readonly open?:
    | { readonly kind: 'node'; readonly node: string }
    | { readonly kind: 'row'; readonly row: number }
    | { readonly kind: 'fold'; readonly key: string };
  /** Space. */
  readonly fold?: string;
  /** y. */
  readonly copy?: string;
}

export interface Body {
  /** Stay on top of the rows. */
  readonly fixed: readonly string[];
  readonly count: number;
  readonly line: (index: number) => string;
  /** The explanation of the chosen row, in a pane below; absent where there is no pane. */
  readonly detail?: (index: number) => readonly string[];
  /** Absent where rows are only read, and the keys scroll. */
  readonly meaning?: (index: number) => RowMeaning;
  /** Of everything that can be folded. */
  readonly foldable?: readonly string[];
}

/** What a body is made of: where none of it changed, the body is the same. */
export type BodyState = Pick<
  LiveState,
  | 'trace'
  | 'rates'
  | 'history'
  | 'timeline'
  | 'selectedNode'
  | 'view'
  | 'filters'
  | 'order'
  | 'isGrouped'
  | 'folded'
  | 'isByBackend'
  | 'logs'
>;

/** Lines that are only read. */
export function textBody(lines: readonly string[], fixed: readonly string[] = []): Body {
  return { fixed, count: lines.length, line: (index) => lines[index] ?? '' };
}
