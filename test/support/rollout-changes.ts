/** Changes of EndpointSlices as a trace has them while a Deployment rolls out: one node or several, each with its lag. */
import type { EndpointChangeStatus, NodeLagStatus, SliceChangeStatus } from '../../core/api/service-trace.ts';
import type { RolloutInput } from '../../core/rollout/build-result.ts';
import type { RolloutPod } from '../../core/rollout/pod-termination.ts';

const start = Date.parse('2026-11-30T12:00:00Z');

/** Milliseconds after the start, as the status has it. */
export function at(milliseconds: number): string {
  return new Date(start + milliseconds).toISOString();
}

export const serving = { ready: true, serving: true, terminating: false } as const;
export const terminating = { ready: false, serving: true, terminating: true } as const;
export const stopped = { ready: false, serving: false, terminating: true } as const;

export interface ChangeInput {
  readonly version: number;
  /** Milliseconds after the start; `latest` is that of `earliest` where it is not given. */
  readonly earliest: number;
  readonly latest?: number;
  readonly address: string;
  readonly pod?: string;
  readonly was?: EndpointChangeStatus['was'];
  readonly is?: EndpointChangeStatus['is'];
  /** What is asked of the rules; absent where nothing is. */
  readonly present?: boolean;
  readonly nodes?: readonly NodeLagStatus[];
}

export function change({
  version,
  earliest,
  latest = earliest,
  address,
  pod,
  was,
  is,
  present,
  nodes = [],
}: ChangeInput): SliceChangeStatus {
  const count = (state: NodeLagStatus['state']): number => nodes.filter((node) => node.state === state).length;
  return {
    endpointSlice: 'auth-service-1',
    resourceVersion: String(version),
    earliest: at(earliest),
    latest: at(latest),
    endpoints: [
      {
        address,
        change: was === undefined ? 'Added' : is === undefined ? 'Removed' : 'Changed',
        ...(pod === undefined ? {} : { pod, nodeName: 'node-a' }),
        ...(was === undefined ? {} : { was }),
        ...(is === undefined ? {} : { is }),
      },
    ],
    expected:
      present === undefined ? [] : [{ targets: [{ portName: 'http', protocol: 'TCP', address, port: 8080, present }] }],
    lag: {
      nodes: nodes.length,
      arrived: count('Arrived'),
      pending: count('Pending'),
      neverArrived: count('NeverArrived'),
      unseen: count('Unseen'),
    },
    nodes: [...nodes],
    omittedNodes: 0,
  };
}

export function arrived(node: string, minMilliseconds: number, maxMilliseconds = minMilliseconds): NodeLagStatus {
  return { node, state: 'Arrived', minMilliseconds, maxMilliseconds };
}

export function pending(node: string, minMilliseconds = 0): NodeLagStatus {
  return { node, state: 'Pending', minMilliseconds };
}

/** A pod with one container that sleeps so long before SIGTERM, deleted so many milliseconds after the start. */
export function pod(
  name: string,
  address: string,
  {
    deletedAt,
    sleep = 0,
    grace = 30,
  }: { readonly deletedAt?: number; readonly sleep?: number; readonly grace?: number } = {},
): RolloutPod {
  return {
    name,
    addresses: [address],
    ...(deletedAt === undefined ? {} : { deletedAt: start + deletedAt }),
    terminationGracePeriodSeconds: grace,
    containers: [{ ports: [8080], ...(sleep === 0 ? {} : { preStop: { kind: 'sleep', seconds: sleep } as const }) }],
  };
}

export function rolloutInput(changes: readonly SliceChangeStatus[], more: Partial<RolloutInput> = {}): RolloutInput {
  const nodes = [...new Set(changes.flatMap((each) => each.nodes.map(({ node }) => node)))];
  return {
    service: 'auth-service',
    namespace: 'shop',
    startedAt: at(0),
    endedAt: at(40_000),
    command: {
      words: ['kubectl', 'rollout', 'restart', 'deploy/auth'],
      startedAt: at(0),
      endedAt: at(300),
      exitCode: 0,
    },
    followed: {
      since: '100',
      uid: 'uid-1',
      before: 0,
      changes: new Map(changes.map((each) => [`${each.endpointSlice} ${each.resourceVersion}`, each])),
      lost: 0,
      isReplaced: false,
    },
    nodes: nodes.map((name) => ({ name, hasAnswered: true })),
    terminating: [],
    pods: [],
    following: { notFollowed: new Set(), isOfAllOthers: true },
    gaps: [],
    ...more,
  };
}

/** The same of a trace that follows no connections. */
export function withoutConnections({ following: _following, ...input }: RolloutInput): RolloutInput {
  return input;
}
