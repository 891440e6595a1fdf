/** A captured terminal screen as a picture: the text stays text, and each letter stays in its column whatever the font. */
import {
  createAnsiSequenceParser,
  createColorPalette,
  defaultNamedColorsMap,
  type ParseToken,
} from 'ansi-sequence-parser';
import stringWidth from 'string-width';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Of a letter of 14 pixels. */
const letterWidth = 8.4;
const lineHeight = 18;
const fontSize = 14;
const padding = 14;
const barHeight = 34;

/** A dark terminal, which can be looked at on a light page and on a dark one. */
const foreground = '#d6dbe1';
const background = '#14181d';
const bar = '#22282f';
const palette = createColorPalette({
  ...defaultNamedColorsMap,
  black: '#4a5561',
  red: '#ff7b72',
  green: '#6fce83',
  yellow: '#e6b84d',
  blue: '#79b3ff',
  magenta: '#d6a0ff',
  cyan: '#6fd0d6',
  white: foreground,
});

/** @param screen as `tmux capture-pane -e -p` prints it */
export function printTerminalSvg(screen: string, title: string, { columns, rows }: TerminalSize): string {
  const width = Math.ceil(columns * letterWidth + 2 * padding);
  const height = barHeight + rows * lineHeight + 2 * padding;
  const parser = createAnsiSequenceParser();
  const lines = screen
    .split('\n')
    .slice(0, rows)
    .flatMap((line, row) => printLine(parser.parse(line), barHeight + padding + row * lineHeight));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${String(width)} ${String(height)}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>text{font:${String(fontSize)}px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${foreground};white-space:pre}.b{font-weight:700}.d{fill-opacity:.62}.i{font-style:italic}.u{text-decoration:underline}</style>`,
    `<rect width="${String(width)}" height="${String(height)}" rx="8" fill="${background}"/>`,
    `<path d="M0,${String(barHeight)}V8a8,8 0 0 1 8,-8H${String(width - 8)}a8,8 0 0 1 8,8V${String(barHeight)}z" fill="${bar}"/>`,
    ...['#ff6159', '#f5bd4f', '#61c554'].map(
      (color, index) => `<circle cx="${String(20 + 20 * index)}" cy="${String(barHeight / 2)}" r="6" fill="${color}"/>`,
    ),
    `<text x="${String(width / 2)}" y="${String(barHeight / 2 + 5)}" text-anchor="middle" class="d">${escape(title)}</text>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

function printLine(tokens: readonly ParseToken[], top: number): string[] {
  const parts: string[] = [];
  let column = 0;
  for (const token of tokens) {
    const isReversed = token.decorations.has('reverse');
    const ink = token.foreground === null ? undefined : palette.value(token.foreground);
    const paper = token.background === null ? undefined : palette.value(token.background);
    const [fill, behind] = isReversed ? [paper ?? background, ink ?? foreground] : [ink, paper];
    const tokenWidth = stringWidth(token.value);
    if (behind !== undefined)
      parts.push(
        `<rect x="${place(column)}" y="${String(top)}" width="${round(tokenWidth * letterWidth)}" height="${String(lineHeight)}" fill="${behind}"/>`,
      );
    const look = classesOf(token);
    let at = column;
    // Words apart from each other: a font whose letters have another width moves none of them out of its column.
    for (const piece of token.value.split(/( {2,})/)) {
      const wide = stringWidth(piece);
      const blanks = piece.length - piece.trimStart().length;
      const text = piece.trim();
      if (text !== '')
        parts.push(
          `<text x="${place(at + blanks)}" y="${String(top + 13)}" textLength="${round(stringWidth(text) * letterWidth)}" lengthAdjust="spacingAndGlyphs"${look === '' ? '' : ` class="${look}"`}${fill === undefined ? '' : ` style="fill:${fill}"`}>${escape(text)}</text>`,
        );
      at += wide;
    }
    column += tokenWidth;
  }
  return parts;
}

function classesOf({ decorations }: ParseToken): string {
  return [
    decorations.has('bold') ? ['b'] : [],
    decorations.has('dim') ? ['d'] : [],
    decorations.has('italic') ? ['i'] : [],
    decorations.has('underline') ? ['u'] : [],
  ]
    .flat()
    .join(' ');
}

function place(column: number): string {
  return round(padding + column * letterWidth);
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
