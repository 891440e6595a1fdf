/** Colours for printed text, by meaning. */
import { styleText } from 'node:util';
import type { ColorMode } from '../request.ts';
import type { Cell, Tone } from '../tone.ts';

export type Paint = (tone: Tone, text: string) => string;

type Style = Parameters<typeof styleText>[0];

const styles: Readonly<Record<Exclude<Tone, 'plain'>, Style>> = { ok: 'green', warning: 'yellow', error: 'red', dim: 'dim', heading: 'bold' };

export function createPaint(useColor: boolean): Paint {
  if (!useColor) return (_tone, text) => text;
  // Whether the stream takes colour has been decided; styleText would look at the environment again.
  return (tone, text) => (tone === 'plain' || text === '' ? text : styleText(styles[tone], text, { validateStream: false }));
}

export function paintCell(paint: Paint, { tone, text }: Cell): string {
  return paint(tone, text);
}

/** https://no-color.org: any value that is not empty; a flag of the user comes first. */
export function wantsColor(mode: ColorMode, isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  if (mode !== 'auto') return mode === 'always';
  const noColor = env['NO_COLOR'];
  return isTerminal && (noColor === undefined || noColor === '') && env['TERM'] !== 'dumb';
}
