/** How the views look: marks that say what a colour says too, and the colours by meaning. */
import { createPaint, type Paint } from '../printers/paint.ts';
import type { Tone } from '../tone.ts';

export interface Theme {
  readonly paint: Paint;
  readonly marks: Readonly<Record<Exclude<Tone, 'plain' | 'heading' | 'dim'>, string>> & { readonly selected: string; readonly arrow: string };
}

/** Of signs that every terminal font has. */
export const marks: Theme['marks'] = { ok: '●', warning: '▲', error: '✖', selected: '▸', arrow: '→' };

export function createTheme(useColor: boolean): Theme {
  return { paint: createPaint(useColor), marks };
}
