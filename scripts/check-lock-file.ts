/** `node scripts/check-lock-file.ts`: fails where package-lock.json does not fix the content of a package (docs/decisions/086). */
import { readFile } from 'node:fs/promises';
import { packagesWithoutIntegrity } from './lock-file.ts';

const file = process.argv[2] ?? new URL('../package-lock.json', import.meta.url);
const without = packagesWithoutIntegrity(await readFile(file, 'utf8'));
if (without.length > 0) {
  process.stderr.write(
    `${without.map((each) => `package-lock.json: ${each}\n`).join('')}Write each one's integrity as \`npm view NAME@VERSION dist.integrity\` gives it: without it, whatever is served under that name is installed.\n`,
  );
  process.exitCode = 1;
}
