/** The field's words: in what users read, and in the names and comments of the code. */
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
  [
    /\bwhole way\b|\bway back\b|\bon (?:the|its) way (?:to an?|back)\b|\b(?:packet|client)'s way\b|\bway of an? (?:packet|client)\b|\bend of the way\b/i,
    'packet path',
  ],
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

/** In comments, beside what users read: a comment is about the code, so that no other meaning of these is needed. */
const insteadInComments: readonly (readonly [RegExp, string])[] = [
  ...insteadOf,
  [/\b(?:told|tells?|telling)\b/i, 'report, log, show, distinguish'],
  [/\bhangs? (?:itself|where)\b/i, 'is registered at a hook'],
  [/\b(?:becomes?|became) of\b/i, 'the result of'],
  [/\b(?:leads?|led) (?:on )?to\b/i, 'jumps to (rule), is DNATed to (packet), points to (conntrack)'],
  [/\b(?:torn|twins?|strangers?|strays?|mood|slips?|patience|journeys?|heard)\b/i, 'the word of the field'],
  [/\b(?:rules|chains|tables) of other programs\b/i, 'third-party rules'],
];

/** The words of names that are not written, and what is written instead. */
const insteadInNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'tell tells told teller untold': 'report, log, show, describe',
    'hung hangs': 'registered, base chain',
    'journey journeys': 'packetPath',
    'leads led': 'jumpsTo, dispatched',
    torn: 'truncated',
    anew: 'again, recreated',
    'stranger strangers': 'third-party, outside',
    'stray strays': 'leftover, unrecognized',
    heard: 'responses',
    said: 'text',
    wish: 'pendingAction',
    mood: 'severity',
    'twin twins': 'identicalNodes',
    'slip slips': 'typos',
    patience: 'timeout',
  }).flatMap(([words, instead]) => words.split(' ').map((word): [string, string] => [word, instead])),
);

/** Names that have such a word for a reason. */
const allowedNames: ReadonlyMap<string, string> = new Map([
  ['dataTorn', 'named for its finding, whose id DATA-TORN is in statuses that were written'],
  ['data-torn', 'the file of that finding'],
  ['LED', "iptables' target of that name"],
]);

/** `#isHooked-at` → is, hooked, at */
const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);

function problemsOfName(name: string, where: string): string[] {
  if (allowedNames.has(name)) return [];
  return wordsOf(name).flatMap((word) => {
    const instead = insteadInNames.get(word);
    return instead === undefined ? [] : [`${where}: the name ${name}: write ${instead}`];
  });
}

interface Parts {
  /** Strings, templates piece by piece, and text of JSX. */
  readonly texts: { text: string; line: number }[];
  readonly comments: { text: string; line: number }[];
  readonly names: { text: string; line: number }[];
  /** The names of interfaces, classes and type aliases. */
  readonly types: { text: string; line: number }[];
}

/** What people wrote into a file of TypeScript. */
function partsOf(source: string, file: string): Parts {
  const parsed = ts.createSourceFile(file, source, ts.ScriptTarget.Latest);
  const parts: Parts = { texts: [], comments: [], names: [], types: [] };
  const lineAt = (position: number): number => parsed.getLineAndCharacterOfPosition(position).line + 1;
  /** Between what looks like a comment and is none. */
  let bare = '';
  let end = 0;
  const visit = (node: ts.Node): void => {
    const isText =
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) ||
      ts.isJsxText(node);
    if (isText) parts.texts.push({ text: node.text, line: lineAt(node.getStart(parsed)) });
    if (isText || ts.isRegularExpressionLiteral(node)) {
      const start = node.getStart(parsed);
      bare += source.slice(end, start) + source.slice(start, node.end).replace(/[^\n]/g, ' ');
      end = node.end;
    }
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node))
      parts.names.push({ text: node.text, line: lineAt(node.getStart(parsed)) });
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node))
      parts.types.push({ text: node.name.text, line: lineAt(node.name.getStart(parsed)) });
    if (ts.isClassDeclaration(node) && node.name !== undefined)
      parts.types.push({ text: node.name.text, line: lineAt(node.name.getStart(parsed)) });
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  bare += source.slice(end);
  for (const { 0: comment, index } of bare.matchAll(/\/\*[^]*?\*\/|\/\/[^\n]*/g))
    parts.comments.push(
      ...lines(comment).map(({ text, line }) => ({ text: text.trim(), line: line + lineAt(index) - 1 })),
    );
  return parts;
}

/** One word has one meaning: a report is the HTML page, or a probe's NodeReport; a view is a tab of the live view. */
function problemsOfType(type: string, file: string): string[] {
  const isReport = /Report$/.test(type) && type !== 'NodeReport';
  const isView = /View$/.test(type) && !file.startsWith('cmd/views/') && file !== 'test/screenshots/views.ts';
  return isReport || isView ? [`${file}: the type ${type}: a report is the HTML page, a view is a tab`] : [];
}

function problemsOfCode({ comments, names, types }: Parts, file: string): string[] {
  return [
    ...problemsOf(comments, file, insteadInComments),
    ...names.flatMap(({ text, line }) => problemsOfName(text, `${file}:${String(line)}`)),
    ...types.flatMap(({ text }) => problemsOfType(text, file)),
    ...file.split(/[/.]/).flatMap((part) => problemsOfName(part, file)),
  ];
}

function problemsOf(
  texts: readonly { text: string; line: number }[],
  file: string,
  patterns: readonly (readonly [RegExp, string])[] = insteadOf,
): string[] {
  return texts.flatMap(({ text, line }) =>
    patterns.flatMap(([pattern, instead]) => {
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
    const problems = files.flatMap((file) => problemsOf(partsOf(readFileSync(root + file, 'utf8'), file).texts, file));
    expect(problems).toEqual([]);
  });

  it.each(['core', 'cmd', 'engine', 'operator', 'probe', 'scripts', 'bench', 'test'])(
    'are in the comments, identifiers and file names of %s',
    (folder) => {
      // This file has what is not written.
      const files = filesUnder(folder, /\.tsx?$/).filter((file) => file !== 'test/scripts/words.test.ts');
      expect(files.length).toBeGreaterThan(5);
      expect(files.flatMap((file) => problemsOfCode(partsOf(readFileSync(root + file, 'utf8'), file), file))).toEqual(
        [],
      );
    },
    60_000,
  );

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

  it.each([
    ['core/a.ts', 'const heardLate = 1;', ['core/a.ts:1: the name heardLate: write responses']],
    ['core/a.ts', 'class A {\n  #twins = 1;\n}', ['core/a.ts:2: the name #twins: write identicalNodes']],
    ['core/a.ts', 'const a = { said: 1 };', ['core/a.ts:1: the name said: write text']],
    ['core/told-apart.ts', '', ['core/told-apart.ts: the name told-apart: write report, log, show, describe']],
    ['core/a.ts', 'interface DnsReport {}', [expect.stringContaining('the type DnsReport')]],
    ['core/a.ts', 'type RuleView = 1;', [expect.stringContaining('the type RuleView')]],
    ['cmd/views/a.ts', 'type TabView = 1;', []],
    ['core/a.ts', 'f();\n/**\n * What hangs on a hook.\n */', [expect.stringContaining('core/a.ts:3: "hangs on"')]],
    ['core/a.ts', 'f(); // which leads to a chain', [expect.stringContaining('core/a.ts:1: "leads to"')]],
    ['core/a.ts', "const a = 'https://hung'; const b = /[/]* hung/;", []],
    ['core/a.ts', 'const b = `${a}// told`; // shown', []],
    ['core/diagnose/findings/data-torn.ts', 'const dataTorn = LED;', []],
    ['core/a.ts', 'const hideAsked = storytelling + installed + retold1;', []],
  ])('finds in %s: %s', (file, source, problems) => {
    expect(problemsOfCode(partsOf(source, file), file)).toEqual(problems);
  });

  it.each([...allowedNames])('allow %s, which is there: %s', (name) => {
    const everywhere = ['core', 'cmd'].flatMap((folder) => filesUnder(folder, /\.tsx?$/));
    expect(everywhere.some((file) => file.includes(name) || readFileSync(root + file, 'utf8').includes(name))).toBe(
      true,
    );
  });
});
