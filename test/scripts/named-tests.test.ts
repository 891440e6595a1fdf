/** The pages that name tests as their proof name tests that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const testFiles = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => join('test', file));

/** `"says of a node that hangs …"` behind the file that it is in: what comes before the dots is the beginning of its name. */
function problemsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/\s+/g, ' ');
  const problems: string[] = [];
  for (const [, file = ''] of text.matchAll(/(?<![\w./-])((?:test\/)?[\w./-]+\.test\.tsx?)/g))
    if (file.startsWith('test/') ? !existsSync(join(root, file)) : !testFiles.some((each) => basename(each) === file))
      problems.push(`${page}: there is no ${file}`);
  for (const [, file = '', name = ''] of text.matchAll(/([\w./-]+\.test\.tsx?):? "([^"]+)"/g)) {
    const begin = name.replace(/ …$/, '').replaceAll(/ …/g, '');
    const of = testFiles.filter((each) => each === file || basename(each) === file);
    const quotes = new RegExp(begin.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll("'", "(?:\\\\)?'"));
    if (!of.some((each) => quotes.test(readFileSync(join(root, each), 'utf8'))))
      problems.push(`${page}: ${file} has no test "${name}"`);
  }
  return problems;
}

it.each(['docs/security.md', 'docs/privilege.md', 'docs/gitops.md', 'docs/decisions/158-from-v1alpha1-to-v1beta1.md'])(
  '%s',
  (page) => {
    expect(problemsOf(page)).toEqual([]);
  },
);
