/** How the views look: marks, and the colours by meaning. */
import { createPaint, type Paint } from '../printers/paint.ts';
import { marks } from '../tone.ts';

export interface Theme {
  readonly paint: Paint;
  readonly marks: typeof marks;
}

export function createTheme(useColor: boolean): Theme {
  return { paint: createPaint(useColor), marks };
}
