/**
 * Writes docs/findings.md from the catalogue: `node docs/write-findings.ts`; with --check it fails where the file is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { catalogue } from '../core/diagnose/catalogue.ts';
import { severityText } from '../core/diagnose/finding.ts';
import { notLookedFor } from '../core/diagnose/not-looked-for.ts';
import { present } from '../core/present.ts';

const file = new URL('findings.md', import.meta.url);

const text = [
  '# Findings',
  '',
  'Everything that `kubectl svctrace` can find, in the order in which it is decided. Written by `npm run generate` from',
  'core/diagnose/findings; `kubectl svctrace findings ID` says the same.',
  '',
  ...catalogue.flatMap(({ id, severity, otherSeverities, condition, notReported, source }) => [
    `## ${id}`,
    `*${severityText({ severity, ...present({ otherSeverities }) })}.* ${condition}`,
    ...(notReported === undefined ? [] : ['', `Not reported: ${notReported}`]),
    '',
    `Source: ${source}`,
    '',
  ]),
  '# Not looked for',
  '',
  'What goes wrong with Services too, and cannot be decided from what is collected.',
  '',
  ...notLookedFor.flatMap(({ id, what, why }) => [`## ${id}`, what, '', `Not found, because: ${why}`, '']),
].join('\n');

if (process.argv.includes('--check')) {
  if ((await readFile(file, 'utf8').catch(() => '')) !== text)
    throw new Error('docs/findings.md is stale: run `npm run generate`');
} else await writeFile(file, text);
