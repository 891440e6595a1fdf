/** What a piece of text means; the printers and the views choose a colour for it, and never say it by colour alone. */
export type Tone = 'plain' | 'ok' | 'warning' | 'error' | 'dim' | 'heading';

export interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

export function cell(text: string, tone: Tone = 'plain'): Cell {
  return { text, tone };
}

/** They say what a colour says; every terminal font has them. */
export const marks = { ok: '●', warning: '▲', error: '✖', selected: '▸', arrow: '→' } as const;
