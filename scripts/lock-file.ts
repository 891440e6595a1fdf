/** What a lock file of npm has to say of each package. */
import * as z from 'zod';

const lockFile = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
    }),
  ),
});

/**
 * The packages whose content the lock file does not fix, each with what it has instead; what is a link, or comes within
 * another package, has no content of its own. @throws ZodError where it is not a lock file of version 3
 */
export function packagesWithoutIntegrity(text: string): string[] {
  const { packages } = lockFile.parse(JSON.parse(text));
  return Object.entries(packages).flatMap(([path, { version, integrity, link, inBundle }]) => {
    if (
      path === '' ||
      link === true ||
      inBundle === true ||
      (integrity !== undefined && /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity))
    )
      return [];
    return [
      `${path} ${version ?? ''}: ${integrity === undefined ? 'no integrity' : `not a hash by SHA-512: ${integrity}`}`,
    ];
  });
}
