/** Where package.json's version stands again. */

/** What each file has around the version, in groups before and behind it. */
export const versionPlaces: Readonly<Record<string, RegExp>> = {
  'core/lib/version.ts': /(release = ')([^']+)(')/g,
  'config/image/Containerfile': /(svctrace\/(?:probe|operator):v)(\S+)()/g,
  'config/install.yaml': /(svctrace\/(?:probe|operator):v)(\S+)()/g,
  'config/manager/deployment.yaml': /(svctrace\/(?:probe|operator):v)(\S+)()/g,
  'config/manager/settings.yaml': /(svctrace\/(?:probe|operator):v)(\S+)()/g,
};

/** @throws Error where the text has no such place: a file that moved would go unnoticed */
export function withVersion(text: string, place: RegExp, version: string, path: string): string {
  if (text.search(place) < 0) throw new Error(`${path} has no version at ${String(place)}`);
  return text.replace(place, (_, before: string, _old: string, behind: string) => `${before}${version}${behind}`);
}
