/** When the containers of a deleted pod get SIGTERM, by the pod's spec. */

/** A pod as a rollout needs it. */
export interface RolloutPod {
  readonly name: string;
  readonly addresses: readonly string[];
  /** When it was asked to terminate, by the API server's clock in whole seconds cut off: milliseconds since 1970. */
  readonly deletedAt?: number;
  readonly terminationGracePeriodSeconds: number;
  /** Without init containers. */
  readonly containers: readonly ContainerHook[];
}

export interface ContainerHook {
  /** That it declares. */
  readonly ports: readonly number[];
  readonly preStop?: PreStopHook;
}

export type PreStopHook =
  | { readonly kind: 'sleep'; readonly seconds: number }
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  | { readonly kind: 'httpGet' };

/** How long it takes from the deletion to SIGTERM. */
export interface PreStopBounds {
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/**
 * Of the containers that declare a port that the Service's packets are sent to; where none does, of all: the first that gets
 * SIGTERM counts.
 */
export function preStopBounds(
  { containers, terminationGracePeriodSeconds }: RolloutPod,
  ports: readonly number[],
): PreStopBounds {
  const declaring = containers.filter((container) => container.ports.some((port) => ports.includes(port)));
  const bounds = (declaring.length === 0 ? containers : declaring).map(({ preStop }) =>
    boundsOf(preStop, terminationGracePeriodSeconds),
  );
  if (bounds.length === 0) return { minSeconds: 0, maxSeconds: 0 };
  return {
    minSeconds: Math.min(...bounds.map(({ minSeconds }) => minSeconds)),
    maxSeconds: Math.min(...bounds.map(({ maxSeconds }) => maxSeconds)),
  };
}

/** The kubelet ends a hook that outlasts the grace period. How long a program or a request takes, no spec says. */
function boundsOf(hook: PreStopHook | undefined, graceSeconds: number): PreStopBounds {
  if (hook === undefined) return { minSeconds: 0, maxSeconds: 0 };
  const seconds = hook.kind === 'sleep' ? hook.seconds : hook.kind === 'exec' ? sleepSeconds(hook.command) : undefined;
  if (seconds === undefined) return { minSeconds: 0, maxSeconds: graceSeconds };
  const bounded = Math.min(seconds, graceSeconds);
  return { minSeconds: bounded, maxSeconds: bounded };
}

/** Of `sleep 5` and `sh -c "sleep 5"`, as they were written before Kubernetes had a hook that sleeps. */
function sleepSeconds(command: readonly string[]): number | undefined {
  const [program = '', ...args] = command;
  const words =
    /(?:^|\/)(?:ba|da|a)?sh$/.test(program) && args[0] === '-c' ? (args[1] ?? '').trim().split(/\s+/) : command;
  if (words.length !== 2 || !/(?:^|\/)sleep$/.test(words[0] ?? '')) return undefined;
  const [, seconds] = /^(\d+(?:\.\d+)?)s?$/.exec(words[1] ?? '') ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}
