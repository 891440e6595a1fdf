/**
 * Connections from within a pod, with the user's own rights: the pod's own programs make them, whichever of them there
 * is. Nothing is put into the pod, and its spec stays as it is (docs/decisions/100-connections-from-a-pod.md).
 */
import { CoreV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node';
import type { ConnectTarget } from '../../core/api/connect-targets.ts';
import { isReached } from '../../core/diagnose/checks/connections.ts';
import type { Connection } from '../../core/program/node-facts.ts';
import { explainError } from './explain-error.ts';
import { execInPod, NoSuchCommandError } from './pod-exec.ts';
import { connectTools, type ConnectTool } from './pod-connect-tools.ts';
import { reasonOf } from '../cli/one-line.ts';
import * as z from 'zod';

export interface PodConnections {
  readonly connections: Connection[];
  /** The program that made them. */
  readonly by?: string;
  /** Why none was made: half a sentence. */
  readonly untried?: string;
}

/** What is asked of the API server, with the user's rights. */
export interface PodApi {
  readonly read: (place: Place) => Promise<V1Pod>;
  /** @throws NoSuchProgramError; ClusterError */
  readonly exec: (
    command: Place & { readonly container: string; readonly command: readonly string[] },
  ) => Promise<string>;
}

interface Place {
  readonly namespace: string;
  readonly pod: string;
}

/** Pods have few containers, and all of them share the network. */
const maxContainers = 5;

function podApi(kubeConfig: KubeConfig): PodApi {
  return {
    read: ({ namespace, pod }) => kubeConfig.makeApiClient(CoreV1Api).readNamespacedPod({ namespace, name: pod }),
    exec: (command) => execInPod(kubeConfig, command),
  };
}

/** Where the pod is, and its running containers; or why that is not known. */
export async function readClientPod(
  kubeConfig: KubeConfig,
  place: Place,
  api: PodApi = podApi(kubeConfig),
): Promise<
  | { readonly node: string | undefined; readonly addresses: readonly string[]; readonly containers: readonly string[] }
  | { readonly problem: string }
> {
  try {
    const { spec, status } = await api.read(place);
    const running = new Set(
      (status?.containerStatuses ?? []).filter(({ state }) => state?.running !== undefined).map(({ name }) => name),
    );
    return {
      node: spec?.nodeName,
      addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
      containers: (spec?.containers ?? [])
        .map(({ name }) => name)
        .filter((name) => running.has(name))
        .slice(0, maxContainers),
    };
  } catch (error) {
    return { problem: problemText(explainError(error)) };
  }
}

/** Never rejects: what cannot be tried is reported. */
export async function connectFromPod(
  kubeConfig: KubeConfig,
  {
    namespace,
    pod,
    containers,
    targets,
  }: Place & { readonly containers: readonly string[]; readonly targets: readonly ConnectTarget[] },
  api: PodApi = podApi(kubeConfig),
): Promise<PodConnections> {
  if (containers.length === 0) return { connections: [], untried: 'none of its containers runs' };
  if (targets.length === 0)
    return { connections: [], untried: 'no node connected to an address of a family that it has' };
  try {
    for (const container of containers) {
      for (const tool of connectTools) {
        const run = (command: readonly string[]): Promise<string> => api.exec({ namespace, pod, container, command });
        const output = await tryTool(tool, targets, run);
        if (output === undefined) continue;
        const connections = readConnections(output, targets, tool);
        // A lost packet is not lost again: what fails is tried twice, as the engine does it for nodes.
        const failed = connections.filter((connection) => isReached(connection) === false);
        const again =
          failed.length === 0 ? [] : readConnections((await tryTool(tool, failed, run)) ?? '', failed, tool);
        const later = new Map(
          failed.flatMap((connection, index) => {
            const second = again[index];
            return second === undefined || isReached(second) === undefined ? [] : [[connection, second] as const];
          }),
        );
        return {
          connections: connections.map((connection) => later.get(connection) ?? connection),
          by: `${tool.name} in container ${container}`,
        };
      }
    }
    return {
      connections: [],
      untried: `its containers have none of ${connectTools.map(({ name }) => name).join(', ')}`,
    };
  } catch (error) {
    return { connections: [], untried: problemText(error) };
  }
}

function problemText(error: unknown): string {
  return reasonOf(error).replace(/\.$/, '');
}

/** Undefined where the container does not have the program, or lacks what it needs. */
async function tryTool(
  { argv }: ConnectTool,
  targets: readonly ConnectTarget[],
  run: (command: readonly string[]) => Promise<string>,
): Promise<string | undefined> {
  try {
    const output = await run([
      ...argv,
      ...targets.map(({ protocol, address, port }) => `${protocol}/${address}/${String(port)}`),
    ]);
    return readLines(output).length === 0 ? undefined : output;
  } catch (error) {
    if (error instanceof NoSuchCommandError) return undefined;
    throw error;
  }
}

const line = z.tuple([
  z.coerce.number().int().min(0),
  z.enum(['connected', 'answered', 'refused', 'timeout', 'unreachable', 'failed', 'noReply', 'untried']),
  z.coerce.number().min(0),
  z.string().max(200),
]);

/** `INDEX OUTCOME MILLISECONDS TEXT`; other lines are what the image's shell prints besides. */
function readLines(output: string): z.infer<typeof line>[] {
  return output.split('\n').flatMap((text) => {
    const [index, outcome, milliseconds, ...rest] = text.trim().split(' ');
    const read = line.safeParse([
      index === '' ? undefined : index,
      outcome,
      milliseconds,
      rest.join(' ').slice(0, 200),
    ]);
    return read.success ? [read.data] : [];
  });
}

/** Of each target one; what the program did not report was not tried. @returns in the order of the targets */
export function readConnections(
  output: string,
  targets: readonly ConnectTarget[],
  { name }: Pick<ConnectTool, 'name'>,
): Connection[] {
  const byIndex = new Map(readLines(output).map((each) => [each[0], each]));
  return targets.map(({ hop, address, port, protocol, portName }, index): Connection => {
    const [, outcome, milliseconds, error] = byIndex.get(index) ?? [
      index,
      'untried' as const,
      0,
      `${name} did not report it`,
    ];
    return {
      hop,
      address,
      port,
      protocol,
      ...(portName === undefined ? {} : { portName }),
      outcome,
      milliseconds,
      ...(error === '' ? {} : { error }),
    };
  });
}
