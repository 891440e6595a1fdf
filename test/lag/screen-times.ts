/**
 * How long after a change has come into a node's rules it is on the screen of `kubectl svctrace`: the operator in the cluster, the
 * plugin in a real terminal, and when the rules really changed (rule-times.ts). The screen is read again and again, which takes some
 * milliseconds each time; these are part of what is measured.
 */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { fullPath } from '../cluster/requirements.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';
import { startRuleTimes, type RuleTimes } from './rule-times.ts';
import { applyObjects, freshNamespace, serviceByHand, sliceByHand } from './service-by-hand.ts';

/** In milliseconds after the moment in which the rules had the change, at the latest. */
export interface ScreenTimes {
  readonly node: string;
  readonly changes: number;
  readonly median: number;
  readonly worst: number;
}

const namespace = 'screen-times';
const service = 'shown';
const plugin = fileURLToPath(new URL('../../dist/kubectl-svctrace.mjs', import.meta.url));

/** @param changes on each node; with none, nothing is done. The operator must run in the cluster. */
export async function measureScreen(cluster: Cluster, changes: number): Promise<ScreenTimes[]> {
  if (changes === 0) return [];
  const write = async (address: string): Promise<void> =>
    applyObjects(cluster, sliceByHand(namespace, service, [address]));
  let terminal: Terminal | undefined;
  const times = new Map<ClusterNode, RuleTimes>();
  try {
    await freshNamespace(cluster, namespace);
    await applyObjects(cluster, serviceByHand(namespace, service));
    await write('198.19.0.1');
    for (const node of cluster.nodes) times.set(node, await startRuleTimes(cluster, node, '198.18.0.0/15'));
    terminal = await openTerminal(`${process.execPath} ${plugin} ${service} -n ${namespace}`, {
      env: { KUBECONFIG: cluster.kubeconfigPath, PATH: fullPath() },
    });
    await terminal.waitFor(shown('198.19.0.1'));
    // Until its nodes are watched; before that they are asked at an interval.
    await sleep(5000);
    const measured: ScreenTimes[] = [];
    for (const [index, node] of cluster.nodes.entries()) {
      if (index > 0) await terminal.press('Down');
      await terminal.waitFor(`of ${node.name}`);
      const delays: number[] = [];
      for (let count = 1; count <= changes; count += 1) {
        const address = `198.19.${String(index + 1)}.${String(count)}`;
        await write(address);
        const at = await firstSeen(terminal, shown(address));
        const came = times.get(node)?.cameAt(address);
        if (came === undefined)
          throw new Error(`${address} is on the screen, and did not come into the rules of ${node.name}`);
        delays.push(at - came.from);
        // Without a pause, kube-proxy puts it off by its minSyncPeriod.
        await sleep(1500);
      }
      delays.sort((one, other) => one - other);
      measured.push({
        node: node.name,
        changes,
        median: delays[Math.floor(delays.length / 2)] ?? NaN,
        worst: delays.at(-1) ?? NaN,
      });
    }
    return measured;
  } finally {
    await terminal?.press('q');
    await terminal?.close();
    for (const each of times.values()) await each.end().catch(() => undefined);
    await cluster.kubectl(['delete', 'namespace', namespace], { reject: false });
  }
}

/** The row of a DNAT target that the rules have, in the path of a node. */
function shown(address: string): RegExp {
  return new RegExp(`^ *${address.replaceAll('.', '\\.')}:8080 .*ready`, 'm');
}

/** When the screen had it, in milliseconds since 1970, at the latest. @throws after 30 s */
async function firstSeen(terminal: Terminal, text: RegExp): Promise<number> {
  const end = Date.now() + 30_000;
  for (;;) {
    const screen = await terminal.screen();
    const at = Date.now();
    if (text.test(screen)) return at;
    if (at > end) throw new Error(`${String(text)} did not come to the screen within 30 s; the screen is:\n${screen}`);
    await sleep(5);
  }
}
