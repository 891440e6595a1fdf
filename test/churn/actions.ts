/** What is done to the objects while they are traced; each action leaves them as they were. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/cluster.ts';
import type { KubernetesObject } from '../faults/fault.ts';
import type { Dice } from '../fuzz/dice.ts';
import { namespace, serviceNamed } from './objects.ts';

export interface Workbench {
  readonly cluster: Cluster;
  readonly dice: Dice;
  readonly signal: AbortSignal;
}

export interface Action {
  readonly name: string;
  readonly run: (bench: Workbench) => Promise<void>;
}

export async function kubectl(
  { cluster }: Pick<Workbench, 'cluster'>,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const { stdout } = await cluster.kubectl(['-n', namespace, ...args], {
    timeout: 120_000,
    ...(input === undefined ? {} : { input }),
  });
  return stdout;
}

export async function apply(bench: Pick<Workbench, 'cluster'>, objects: readonly KubernetesObject[]): Promise<void> {
  await kubectl(
    bench,
    ['apply', '--validate=false', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  );
}

/** Ends early where the run does. */
export async function pause({ signal }: Pick<Workbench, 'signal'>, seconds: number): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
}

async function patch(bench: Workbench, name: string, body: unknown, type = 'merge'): Promise<void> {
  await kubectl(bench, ['patch', 'service', name, `--type=${type}`, '--patch', JSON.stringify(body)]);
}

/** Deletes a Service and makes it again, at once or after a while. */
function renew(name: string): Action {
  return {
    name: `delete and make ${name}`,
    run: async (bench) => {
      await kubectl(bench, ['delete', 'service', name, '--wait=true']);
      await pause(bench, bench.dice.below(4));
      await apply(bench, [serviceNamed(name)]);
    },
  };
}

/** A type for a while, then the one of before: a load balancer nobody makes here, so that it stays within the grace of SVC-LB-PENDING. */
function switchType(type: string, spec: object, back: object): Action {
  return {
    name: `make switched a ${type} and back`,
    run: async (bench) => {
      await patch(bench, 'switched', { spec: { type, ...spec } });
      await pause(bench, 6 + bench.dice.below(12));
      await patch(bench, 'switched', { spec: { type: 'ClusterIP', ...back } });
    },
  };
}

function movePort(what: string, port: object): Action {
  return {
    name: `change the ${what} of moved and back`,
    run: async (bench) => {
      const { spec } = serviceNamed('moved');
      const ports = typeof spec === 'object' && spec !== null && 'ports' in spec ? spec.ports : undefined;
      await patch(bench, 'moved', {
        spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP', ...port }] },
      });
      await pause(bench, 4 + bench.dice.below(12));
      await patch(bench, 'moved', { spec: { ports } });
    },
  };
}

export const actions: readonly Action[] = [
  renew('renewed'),
  renew('renewed-headless'),
  switchType('NodePort', {}, {}),
  switchType('LoadBalancer', {}, {}),
  switchType(
    'ExternalName',
    { externalName: 'auth.example.com', clusterIP: null, clusterIPs: null },
    { externalName: null },
  ),
  movePort('port', { port: 81 }),
  movePort('target port', { targetPort: 9090 }),
  movePort("port's name", { name: 'web' }),
  movePort('protocol', { name: 'udp', protocol: 'UDP', targetPort: 5353 }),
  {
    name: 'label quiet and take the label away',
    run: async (bench) => {
      await kubectl(bench, ['label', 'service', 'quiet', 'churn.example/seen=yes']);
      await pause(bench, 3);
      await kubectl(bench, ['label', 'service', 'quiet', 'churn.example/seen-']);
    },
  },
  ...['calm', 'web'].map((app): Action => ({
    name: `roll ${app}`,
    run: async (bench) => {
      await kubectl(bench, ['rollout', 'restart', `deployment/${app}`]);
    },
  })),
  {
    name: 'reschedule a pod of calm',
    run: async (bench) => {
      const names = (
        await kubectl(bench, ['get', 'pods', '-l', 'app=calm', '-o', 'jsonpath={.items[*].metadata.name}'])
      )
        .split(' ')
        .filter((name) => name !== '');
      if (names.length >= 2) await kubectl(bench, ['delete', 'pod', bench.dice.of(names), '--wait=false']);
    },
  },
];

/** From one replica to many and back, until the run ends. */
export async function scaleUpAndDown(bench: Workbench, most: number, log: (line: string) => void): Promise<void> {
  while (!bench.signal.aborted) {
    for (const replicas of [most, 1]) {
      log(`scale web to ${String(replicas)}`);
      await kubectl(bench, ['scale', 'deployment/web', `--replicas=${String(replicas)}`]);
      await pause(bench, 15 + most);
      if (bench.signal.aborted) return;
    }
  }
}

/** Takes all of the machine's CPUs, and one more. */
export async function burnCpu(seconds: number, cpus: number, signal: AbortSignal): Promise<void> {
  const burning = Array.from({ length: cpus + 1 }, () =>
    spawn(process.execPath, ['-e', 'for (;;) {}'], { stdio: 'ignore' }),
  );
  try {
    await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
  } finally {
    for (const child of burning) child.kill('SIGKILL');
  }
}
