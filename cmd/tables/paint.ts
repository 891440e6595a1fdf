/** Colours for printed text, by meaning. */
import { styleText } from 'node:util';
import type { ColorMode } from '../cli/request.ts';
import type { Cell, Tone } from './tone.ts';

export type Paint = (tone: Tone, text: string) => string;

type Style = Parameters<typeof styleText>[0];

/** The 16 colours are what the terminal's theme makes of them; of 256, those past the first 16 are the same everywhere. */
export type Palette = 16 | 256;

const styles: Readonly<Record<Exclude<Tone, 'plain'>, Style>> = {
  ok: 'green',
  warning: 'yellow',
  error: 'red',
  dim: 'dim',
  heading: 'bold',
};

/** Of 256 colours, those of the tones: to be read on black and on white (docs/decisions/032). */
const indexes: Readonly<Partial<Record<Tone, number>>> = { ok: 28, warning: 130, error: 196 };

export function createPaint(useColor: boolean, palette: Palette = 16): Paint {
  if (!useColor) return (_tone, text) => text;
  // Whether the stream takes colour has been decided; styleText would look at the environment again.
  return (tone, text) => {
    if (tone === 'plain' || text === '') return text;
    const index = palette === 256 ? indexes[tone] : undefined;
    return index === undefined ? styleText(styles[tone], text, { validateStream: false }) : paintIndex(index, text);
  };
}

/** The colour of this number among 256. */
export function paintIndex(index: number, text: string): string {
  return `\u001b[38;5;${String(index)}m${text}\u001b[39m`;
}

/** How many colours the terminal has, as node finds by TERM, COLORTERM and the like; true colour has the 256 too. */
export function paletteOf(stream: { getColorDepth?(env?: object): number }, env: object): Palette {
  return (stream.getColorDepth?.(env) ?? 1) >= 8 ? 256 : 16;
}

export function paintCell(paint: Paint, { tone, text }: Cell): string {
  return paint(tone, text);
}

/** https://no-color.org: any value that is not empty; a flag of the user comes first. */
export function wantsColor(
  mode: ColorMode,
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (mode !== 'auto') return mode === 'always';
  const noColor = env['NO_COLOR'];
  return isTerminal && (noColor === undefined || noColor === '') && env['TERM'] !== 'dumb';
}
