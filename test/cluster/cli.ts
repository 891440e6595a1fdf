import process from 'node:process';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { findLeftovers, isNothing } from './cleanup.ts';
import { attachCluster, startCluster, stopCluster } from './cluster.ts';
import { Components } from './components.ts';
import { defaultName, stateDirectory } from './paths.ts';
import { isAlive, isStopped } from './process-identity.ts';
import { installPackages } from './packages.ts';
import { progressPrinter } from './progress.ts';
import { clusterRequirements } from './requirements.ts';

async function up(name: string): Promise<void> {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!abort.signal.aborted) process.stderr.write(`\n${signal}: removing what was started…\n`);
      abort.abort(new Error(`The start was ended by ${signal}.`));
    });
  }
  const started = Date.now();
  const cluster = await startCluster({ name, onProgress: progressPrinter(), signal: abort.signal });
  process.stderr.write(
    `The cluster "${name}" is up, after ${((Date.now() - started) / 1000).toFixed(1)} s. To use it:\n`,
  );
  process.stdout.write(
    `export KUBECONFIG=${cluster.kubeconfigPath} PATH=${cluster.programs.kubernetesDirectory}:$PATH\n`,
  );
}

async function down(name: string): Promise<void> {
  if (isNothing(findLeftovers(name))) {
    process.stderr.write(`There is no cluster "${name}".\n`);
    return;
  }
  await stopCluster(name);
  process.stderr.write(`The cluster "${name}" is gone.\n`);
}

async function status(name: string): Promise<void> {
  const leftovers = findLeftovers(name);
  if (isNothing(leftovers)) {
    process.stdout.write(`There is no cluster "${name}".\n`);
    process.exitCode = 1;
    return;
  }
  const components = new Components(name, stateDirectory(name)).list();
  for (const record of components) {
    const state = isStopped(record) ? 'paused' : isAlive(record) ? 'running' : 'ended';
    process.stdout.write(`${record.name.padEnd(26)}${state.padEnd(10)}${String(record.pid).padEnd(10)}${record.log}\n`);
  }
  try {
    const { stdout } = await (await attachCluster(name)).kubectl(['get', 'nodes,pods', '-A', '-o', 'wide']);
    process.stdout.write(`\n${stdout}\n`);
  } catch (error) {
    process.stdout.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

await yargs(hideBin(process.argv))
  .scriptName('test/cluster/cli.ts')
  .option('name', { type: 'string', default: defaultName, describe: 'Name of the cluster' })
  .command('up', 'Start the cluster, or find it running', {}, async ({ name }) => up(String(name)))
  .command('down', 'End the cluster and remove all of it', {}, async ({ name }) => down(String(name)))
  .command('status', 'Show what runs', {}, async ({ name }) => status(String(name)))
  .command('packages', 'Install the Debian packages that are missing', {}, () => {
    installPackages();
    const { ok, missing } = clusterRequirements();
    if (!ok) throw new Error(`Still missing: ${missing.join('; ')}.`);
  })
  .demandCommand(1, 'Name a command.')
  .strict()
  .fail((message, error) => {
    process.stderr.write(`${message || error.message}\n`);
    process.exit(1);
  })
  .parseAsync();
