/** What node runs first: compiled code is kept for the next start, and then everything else is loaded. */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// Where kubectl keeps what it knows already. A folder that cannot be written only makes the start slower.
enableCompileCache(
  join(process.env['KUBECACHEDIR'] ?? join(process.env['HOME'] ?? homedir(), '.kube', 'cache'), 'svctrace', 'compiled'),
);
await import('./main.ts');
