/**
 * `node scripts/generate-versions.ts` writes package.json's version where it stands again (scripts/versions.ts); with
 * `--check`, it fails where another one stands.
 */
import { readFile, writeFile } from 'node:fs/promises';
import * as z from 'zod';
import { versionPlaces, withVersion } from './versions.ts';

const root = new URL('..', import.meta.url);
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(await readFile(new URL('package.json', root), 'utf8')));
for (const [path, place] of Object.entries(versionPlaces)) {
  const text = await readFile(new URL(path, root), 'utf8');
  const written = withVersion(text, place, version, path);
  if (!process.argv.includes('--check')) await writeFile(new URL(path, root), written);
  else if (written !== text)
    throw new Error(`${path} has another version than package.json: run \`npm run generate\` and commit the result`);
}
