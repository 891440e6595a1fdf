/** What node runs first: compiled code is kept for the next start, and then everything else is loaded. */
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** As in `engines` of package.json. An older one may not even load the rest. */
const oldest = { major: 22, minor: 19 };
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < oldest.major || (major === oldest.major && minor < oldest.minor)) {
  process.stderr.write(
    `kubectl svctrace needs Node.js ${String(oldest.major)}.${String(oldest.minor)} or newer, and ${process.execPath} is ${process.versions.node}: put a newer one first on the PATH.\n`,
  );
  process.exitCode = 2;
} else {
  // Where kubectl keeps what it knows already. A folder that cannot be written only makes the start slower.
  module.enableCompileCache(
    join(
      process.env['KUBECACHEDIR'] ?? join(process.env['HOME'] ?? homedir(), '.kube', 'cache'),
      'svctrace',
      'compiled',
    ),
  );
  await import('./main.ts');
}
