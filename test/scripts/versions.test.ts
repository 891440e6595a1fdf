import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { release } from '../../core/lib/version.ts';
import { versionPlaces, withVersion } from '../../scripts/versions.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

it('is the version of package.json that programs, manifests and images have', () => {
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(read('package.json')));
  expect(release).toBe(version);
  for (const [path, place] of Object.entries(versionPlaces))
    expect(withVersion(read(path), place, version, path), path).toBe(read(path));
});

it('writes a new version at each place of each file, and nothing else', () => {
  for (const [path, place] of Object.entries(versionPlaces)) {
    const text = read(path);
    const written = withVersion(text, place, '9.8.7-rc.1', path);
    expect(written, path).not.toBe(text);
    expect(withVersion(written, place, release, path), path).toBe(text);
    expect(written, path).not.toContain(`:v${release}`);
  }
});

it('names the file that has no such place', () => {
  expect(() => withVersion('image: other/probe:v1', /(svctrace\/probe:v)(\S+)()/g, '1', 'config/x.yaml')).toThrow(
    /^config\/x\.yaml has no version/,
  );
});
