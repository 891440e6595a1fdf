/** A colour for each pod of a log; red is left to errors, and the name stands beside it. */
import { styleText } from 'node:util';
import { paintIndex, type Palette } from '../tables/paint.ts';

/** Without red, and without the bright ones, which light terminals swallow. */
const named = ['cyan', 'magenta', 'blue', 'green', 'yellow'] as const;
/** To be read on black and on white. */
const indexes = [31, 133, 63, 64, 132, 30, 98, 66] as const;

/** Colours are given in the order in which pods come, and stay. */
export function createLogColors(useColor: boolean, palette: Palette = 16): (pod: string, text: string) => string {
  const given = new Map<string, number>();
  return (pod, text) => {
    if (!useColor) return text;
    const place = given.get(pod) ?? given.size;
    given.set(pod, place);
    if (palette === 256) return paintIndex(indexes[place % indexes.length] ?? 31, text);
    return styleText(named[place % named.length] ?? 'cyan', text, { validateStream: false });
  };
}
