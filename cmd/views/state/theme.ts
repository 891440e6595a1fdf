/** How the views look: marks that say what a colour says too, and the colours by meaning. */
import { createLogColors } from '../../printers/log-colors.ts';
import { createPaint, type Paint, type Palette } from '../../tables/paint.ts';
import { marks } from '../../tables/tone.ts';

export interface Theme {
  readonly paint: Paint;
  /** A text in the colour of a pod. */
  readonly paintPod: (pod: string, text: string) => string;
  readonly marks: typeof marks;
}

export function createTheme(useColor: boolean, palette: Palette = 16): Theme {
  return { paint: createPaint(useColor, palette), paintPod: createLogColors(useColor, palette), marks };
}
