/** Screens as pictures, and the pictures of the README. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sax from 'sax';
import { describe, expect, it } from 'vitest';
import { printTerminalSvg } from './terminal-svg.ts';
import { screenshotViews } from './views.ts';

interface Text {
  readonly x: number;
  readonly y: number;
  readonly look: string;
  readonly color: string | undefined;
  readonly width: number;
  text: string;
}

/** The texts of a picture behind its title bar. @throws where it is not XML */
function textsOf(svg: string): Text[] {
  const texts: Text[] = [];
  const parser = sax.parser(true);
  let isIn = false;
  parser.onerror = (error) => {
    throw error;
  };
  parser.onopentag = ({ name, attributes }) => {
    isIn = name === 'text';
    const value = (of: string): string => {
      const own = attributes[of];
      return typeof own === 'string' ? own : '';
    };
    if (isIn)
      texts.push({
        x: Number(value('x')),
        y: Number(value('y')),
        look: value('class'),
        color: /fill:(.*)/.exec(value('style'))?.[1],
        width: Number(value('textLength')),
        text: '',
      });
  };
  parser.ontext = (text) => {
    const last = texts.at(-1);
    if (isIn && last !== undefined) last.text += text;
  };
  parser.onclosetag = () => {
    isIn = false;
  };
  parser.write(svg).close();
  return texts.slice(1);
}

const size = { columns: 40, rows: 3 };

describe('a terminal as SVG', () => {
  it('has each word in its row and column, as wide as in the terminal', () => {
    const [first, second, third] = textsOf(printTerminalSvg('ab  cd\n\n  ● ok', 't', size));
    expect(first).toMatchObject({ text: 'ab', x: 14, y: 61, width: 16.8 });
    expect(second).toMatchObject({ text: 'cd', x: 14 + 4 * 8.4, y: 61 });
    expect(third).toMatchObject({ text: '● ok', x: 14 + 2 * 8.4, y: 61 + 2 * 18 });
  });

  it('has the colours and weights of the escape sequences, and they end where they end', () => {
    const texts = textsOf(
      printTerminalSvg('\u001b[31mred\u001b[39m plain \u001b[1mbold\u001b[0m\n\u001b[2mdim\u001b[22m', 't', size),
    );
    expect(texts.map(({ text, look, color }) => [text, look, color])).toEqual([
      ['red', '', '#ff7b72'],
      ['plain', '', undefined],
      ['bold', 'b', undefined],
      ['dim', 'd', undefined],
    ]);
  });

  it('draws what is shown in reverse on its colour', () => {
    const svg = printTerminalSvg('\u001b[7mtab\u001b[27m', 't', size);
    expect(svg).toContain('<rect x="14" y="48" width="25.2" height="18" fill="#d6dbe1"/>');
    expect(textsOf(svg)[0]).toMatchObject({ text: 'tab', color: '#14181d' });
  });

  it('keeps text text', () => {
    expect(textsOf(printTerminalSvg('a <b> & "c"', '<t>', size)).map(({ text }) => text)).toEqual(['a <b> & "c"']);
  });

  it('has as many rows as the terminal', () => {
    expect(textsOf(printTerminalSvg('1\n2\n3\n4', 't', size)).map(({ text }) => text)).toEqual(['1', '2', '3']);
  });
});

describe('the pictures of the README', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const readme = readFileSync(`${root}README.md`, 'utf8');

  it('are those that npm run screenshots takes', () => {
    const shown = [...readme.matchAll(/docs\/screenshots\/([\w.-]+)/g)].map((match) => match[1] ?? '');
    expect(new Set(shown)).toEqual(new Set([...screenshotViews.map(({ name }) => `${name}.svg`), 'report.png']));
    expect(readdirSync(`${root}docs/screenshots`).sort()).toEqual([...new Set(shown)].sort());
  });

  it.each(screenshotViews)('$name shows what it is to show', ({ name, shows }) => {
    const file = `${root}docs/screenshots/${name}.svg`;
    expect(existsSync(file)).toBe(true);
    const rows = Map.groupBy(textsOf(readFileSync(file, 'utf8')), ({ y }) => y);
    expect([...rows.values()].map((row) => row.map(({ text }) => text).join(' ')).join('\n')).toMatch(shows);
  });
});
