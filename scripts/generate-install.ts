/**
 * Writes config/install.yaml, what `kubectl svctrace install` applies, from config/default: `npm run generate:install`.
 * It takes the embedded cluster's kubectl, so that everybody's kustomize is the same; a cluster test compares the two.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { buildPrograms } from '../test/cluster/programs.ts';

const here = fileURLToPath(new URL('../config', import.meta.url));
const { kubernetesDirectory } = await buildPrograms();
const { stdout } = await execa(join(kubernetesDirectory, 'kubectl'), ['kustomize', join(here, 'default')]);
await writeFile(join(here, 'install.yaml'), `${stdout}\n`);
