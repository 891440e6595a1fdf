/** The field's words in what users read: texts of the program, of the CRD and of the docs. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What is not written, and what is written instead. */
const insteadOf: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/, 'again, recreated'],
  [/\bany more an? endpoint\b|\bis no (?:ready )?endpoint any ?more\b/, 'is no longer an endpoint'],
  [/\botherwise than\b/i, 'differently from, unlike'],
  [/\b(?:is|are|was|be) torn\b/, 'truncated'],
  [/\bhangs? (?:on|at)\b|\bhung\b/, 'depends on; is registered at a hook'],
  [/\bwhat (?:became|becomes) of\b/i, 'result of'],
  [/\brules? of (?:other|another) programs?\b|\brules of others\b/i, 'third-party rule'],
  [/\btold from (?:an)?other|\btold apart\b/, 'which dispatches by, separated'],
  [/\btells? (?:why|whether|what)\b|\bis told\b|\bare told\b/, 'reports, shows, logs'],
  [/\bwhole way\b/, 'packet path'],
  [/\breally (?:tried|connect|made)\b/i, 'active check'],
  [/\bKEPT AS\b|\bA CHANGE SENDS\b|\bMODE KNOWN FROM\b/, 'OBJECT, BYTES PER UPDATE, MODE SOURCE'],
  [/\bgo on where there is no live view\b/i, 'stream changes instead of exiting'],
  [/(?<!\bthere )\bis no (?!longer\b|more\b|less\b|such\b|better\b)\w/i, 'is not a'],
];

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file))
    .map((file) => `${folder}/${file}`);
}

/** The texts that a file of TypeScript has in it: strings, templates piece by piece, and text of JSX. */
function textsOf(source: string, file: string): { text: string; line: number }[] {
  const parsed = ts.createSourceFile(file, source, ts.ScriptTarget.Latest);
  const texts: { text: string; line: number }[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) ||
      ts.isJsxText(node)
    )
      texts.push({ text: node.text, line: parsed.getLineAndCharacterOfPosition(node.pos).line + 1 });
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return texts;
}

function problemsOf(texts: readonly { text: string; line: number }[], file: string): string[] {
  return texts.flatMap(({ text, line }) =>
    insteadOf.flatMap(([pattern, instead]) => {
      const found = pattern.exec(text);
      return found === null ? [] : [`${file}:${String(line)}: "${found[0]}": write ${instead}: ${text.slice(0, 80)}`];
    }),
  );
}

const lines = (text: string): { text: string; line: number }[] =>
  text.split('\n').map((each, index) => ({ text: each, line: index + 1 }));

describe('the words of the field', () => {
  // docs/diagnosis.md is written from the texts of the faults.
  it.each(['core', 'cmd', 'engine', 'operator', 'probe', 'test/faults'])('are in the texts of %s', (folder) => {
    const files = filesUnder(folder, /\.tsx?$/);
    expect(files.length).toBeGreaterThan(5);
    const problems = files.flatMap((file) => problemsOf(textsOf(readFileSync(root + file, 'utf8'), file), file));
    expect(problems).toEqual([]);
  });

  it('are in the CRD and the docs', () => {
    const files = ['README.md', 'CONTRIBUTING.md', 'crds/servicetraces.yaml', ...filesUnder('docs', /^[\w-]+\.md$/)];
    expect(files.length).toBeGreaterThan(8);
    expect(files.flatMap((file) => problemsOf(lines(readFileSync(root + file, 'utf8')), file))).toEqual([]);
  });

  it.each([
    ['it is no rule of a dump', true],
    ['There is no Service of that name', false],
    ['it is no longer an endpoint', false],
    ['the dump is torn; make it anew', true],
    ['rules of other programs', true],
    ['the rules of the nodes', false],
  ])('finds in "%s" what is not written: %s', (text, isFound) => {
    expect(problemsOf([{ text, line: 1 }], 'x').length > 0).toBe(isFound);
  });
});
