/** `kubectl svctrace install` and `uninstall`: the manifests of config/install.yaml, applied and removed. */
import { plural } from '../../core/lib/plural.ts';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import * as z from 'zod';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { operatorName, operatorNamespace } from '../cluster/installation.ts';
import type { Manifest } from '../cluster/manifests.ts';
import { ClusterError, UsageError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { isForbidden } from '../cluster/explain-error.ts';
import { isInteractive, type Io } from '../cli/io.ts';
import { createProgress } from '../cli/progress.ts';
import type { InstallRequest, UninstallRequest } from '../cli/request.ts';

const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

/** The objects of a YAML stream, as they are written. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const value: unknown = document.toJS();
    return value === null || value === undefined ? [] : [manifestSchema.parse(value)];
  });
}

type InstallClient = Pick<ClusterClient, 'apply' | 'has' | 'remove' | 'readCrd' | 'readOperator' | 'listTraces'>;

export async function runInstall(
  request: InstallRequest,
  io: Io,
  manifests: string,
  clusterClient: InstallClient,
): Promise<number> {
  if (request.dryRun) {
    io.stdout.write(manifests);
    return exitStatus.ok;
  }
  const progress = createProgress(io.stderr);
  const end = deadline(request.timeoutMilliseconds);
  const objects = parseManifests(manifests);
  const isCrd = ({ kind }: Manifest): boolean => kind === 'CustomResourceDefinition';
  try {
    for (const object of objects) {
      io.signal.throwIfAborted();
      progress.update(`Applying ${nameOf(object)}`);
      await clusterClient.apply(object);
      progress.say(`applied ${nameOf(object)}`);
    }
    if (objects.some(isCrd)) {
      await until(
        async () => (await clusterClient.readCrd()) === 'established',
        end,
        io.signal,
        () => 'the CRD is not established yet',
      );
    }
    let missing = 'it is not there';
    await until(
      async () => {
        const operator = await clusterClient.readOperator();
        missing = operator === undefined ? 'it is not there' : operator.message;
        progress.update(`Waiting for deployment/${operatorName}: ${missing}`);
        return (operator?.availableReplicas ?? 0) > 0;
      },
      end,
      io.signal,
      () =>
        `deployment/${operatorName} in namespace ${operatorNamespace} is not available: ${missing} (kubectl describe pods -n ${operatorNamespace})`,
    );
    progress.say('The operator is available. Try: kubectl svctrace SERVICE');
    return exitStatus.ok;
  } finally {
    progress.end();
  }
}

/**
 * The CRD goes first, and its traces with it, while the operator still runs and can end its probes; then the rest in
 * the reverse of the order in which it was applied.
 */
export async function runUninstall(
  request: UninstallRequest,
  io: Io,
  manifests: string,
  clusterClient: InstallClient,
): Promise<number> {
  const all = parseManifests(manifests);
  const crds = all.filter(({ kind }) => kind === 'CustomResourceDefinition');
  const others = all.filter(({ kind }) => kind !== 'CustomResourceDefinition').reverse();
  if (request.dryRun) {
    io.stdout.write([...crds, ...others].map((object) => `${nameOf(object)}\n`).join(''));
    return exitStatus.ok;
  }
  if (!request.yes) await confirm(clusterClient, io);
  const progress = createProgress(io.stderr);
  const end = deadline(request.timeoutMilliseconds);
  try {
    for (const group of [crds, others]) {
      for (const object of group) {
        io.signal.throwIfAborted();
        progress.update(`Removing ${nameOf(object)}`);
        progress.say(`${(await clusterClient.remove(object)) ? 'removed' : 'was not there:'} ${nameOf(object)}`);
      }
      for (const object of group) {
        progress.update(`Waiting until ${nameOf(object)} is gone`);
        await until(
          async () => !(await clusterClient.has(object)),
          end,
          io.signal,
          () => `${nameOf(object)} is still being removed`,
        );
      }
    }
    progress.say('The operator, its CRD and all ServiceTraces are gone.');
    return exitStatus.ok;
  } finally {
    progress.end();
  }
}

/** @throws UsageError where nobody can be asked, or the answer is no */
async function confirm(clusterClient: Pick<InstallClient, 'listTraces'>, io: Io): Promise<void> {
  if (!isInteractive(io))
    throw new UsageError(
      'uninstall removes the operator, the CRD and all ServiceTraces; without a terminal to ask on, say --yes.',
    );
  const traces = await clusterClient.listTraces(undefined).catch((error: unknown) => {
    if (isForbidden(error) || (error instanceof Error && 'code' in error && error.code === 404)) return [];
    throw error;
  });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(
      `This removes the operator, the CRD and, with it, ${plural(traces.length, 'ServiceTrace')} in all namespaces. Go on? [y/N] `,
      { signal: io.signal },
    );
    if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError('Nothing was removed.');
  } finally {
    lines.close();
  }
}

function nameOf({ kind, metadata }: Manifest): string {
  return `${kind.toLowerCase()}/${metadata.name}${metadata.namespace === undefined ? '' : ` in namespace ${metadata.namespace}`}`;
}

function deadline(timeoutMilliseconds: number): number {
  return timeoutMilliseconds > 0 ? Date.now() + timeoutMilliseconds : Infinity;
}

async function until(
  check: () => Promise<boolean>,
  end: number,
  signal: AbortSignal,
  problem: () => string,
): Promise<void> {
  while (!(await check())) {
    if (Date.now() > end) throw new ClusterError(`Gave up waiting: ${problem()}.`);
    await sleep(500, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}
