/**
 * `npm run demo`: boots the embedded cluster, deploys the operator and a Service with three replicas, makes some
 * connections, and runs `kubectl svctrace auth-service` on it. Where this machine cannot run the cluster, it shows a
 * trace that was recorded on one, and says so. `npm run demo -- --keep` leaves the cluster running.
 */
import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, stopCluster, type Cluster } from './cluster/cluster.ts';
import { progressPrinter } from './cluster/progress.ts';
import { canInstallPackages, installPackages } from './cluster/packages.ts';
import { clusterRequirements, fullPath, missingPackages } from './cluster/requirements.ts';
import { deployAuthService, deployOperator, loadProjectImages } from './setup/deploy.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const recorded = `${root}test/fixtures/auth-service.svctrace`;
const name = 'demo';
const keep = process.argv.includes('--keep');

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Runs a program in the user's terminal; its exit status. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/** What is missing after the Debian packages have been installed (the script says which, before it does it). */
function prepare(): readonly string[] {
  if (canInstallPackages() && missingPackages().length > 0) installPackages();
  return clusterRequirements().missing;
}

function replay(missing: readonly string[]): number {
  say(`The demo's cluster cannot run here: it needs ${missing.join('; ')}.`);
  say('Instead, this is a trace that was recorded on such a cluster (test/fixtures/auth-service.svctrace):');
  run(process.execPath, ['scripts/build.ts']);
  return run('dist/kubectl-svctrace', ['auth-service', '--bundle', recorded]);
}

async function live(signal: AbortSignal): Promise<number> {
  say(
    'Starting a real Kubernetes cluster with three nodes, in network namespaces of its own. The first time, it is compiled from its Go modules.',
  );
  const cluster = await startCluster({ name, onProgress: progressPrinter('  '), signal });
  say(
    'Building and loading the images of the operator and the probe; kubectl apply -k config/default; auth-service with three replicas.',
  );
  await loadProjectImages(cluster);
  signal.throwIfAborted();
  await Promise.all([deployOperator(cluster), deployAuthService(cluster)]);
  signal.throwIfAborted();
  await makeConnections(cluster);
  say('$ kubectl svctrace auth-service');
  const path = [`${root}dist`, cluster.programs.kubernetesDirectory, fullPath()].join(delimiter);
  const status = run('kubectl', ['svctrace', 'auth-service'], { PATH: path, KUBECONFIG: cluster.kubeconfigPath });
  if (keep)
    say(
      `The cluster goes on. To use it:\nexport KUBECONFIG=${cluster.kubeconfigPath} PATH=${root}dist:${cluster.programs.kubernetesDirectory}:$PATH\nTo end it: npm run cluster -- down --name ${name}`,
    );
  return status;
}

/** Some traffic from each node, so that there are counters and conntrack entries to see. */
async function makeConnections(cluster: Cluster): Promise<void> {
  await Promise.all(
    ['client-a', 'client-b', 'client-c'].map((client, index) =>
      cluster.kubectl([
        'exec',
        client,
        '--',
        '/testpod',
        'connect',
        '--count',
        String(30 + 10 * index),
        '--to',
        'auth-service:80',
      ]),
    ),
  );
}

async function main(): Promise<number> {
  const missing = prepare();
  if (missing.length > 0) return replay(missing);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      abort.abort(new Error(`ended by ${signal}`));
    });
  try {
    return await live(abort.signal);
  } catch (error) {
    if (abort.signal.aborted) return 130;
    throw error;
  } finally {
    if (!keep) {
      say('Removing the cluster.');
      await stopCluster(name);
    }
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
