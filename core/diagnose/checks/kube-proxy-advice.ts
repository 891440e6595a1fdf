/** Advice about the kube-proxy of one node: by how it runs there. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { kubectl, shellOn, type Action, type Command } from '../../api/command.ts';

type Run =
  | {
      readonly as: 'pod';
      readonly pod: string;
      readonly owner: { readonly kind: string; readonly name: string } | undefined;
    }
  /** As a service of the host: the API server knows no pod of its. */
  | { readonly as: 'service'; readonly units: readonly string[] }
  /** The pods were not read. */
  | { readonly as: 'unknown' };

/** Distributions that run kube-proxy within a program of their own: by the word of theirs in the kubelet's version. */
const ownPrograms: readonly { readonly version: RegExp; readonly units: readonly string[] }[] = [
  { version: /\+k3s\d/, units: ['k3s', 'k3s-agent'] },
];

function runOf(node: string, cluster: ClusterFacts | undefined): Run {
  const pods = cluster?.kubeProxy?.pods;
  if (pods === undefined) return { as: 'unknown' };
  const pod = pods.find((each) => each.node === node);
  if (pod !== undefined) return { as: 'pod', pod: pod.name, owner: pod.owner };
  const version = cluster?.nodes?.find(({ name }) => name === node)?.kubeletVersion ?? '';
  return { as: 'service', units: ownPrograms.find((each) => each.version.test(version))?.units ?? ['kube-proxy'] };
}

/** @param what the log says, such as `shows why it did not write this rule` */
export function kubeProxyLogs(
  node: string,
  cluster: ClusterFacts | undefined,
  what: string,
): Action & { readonly commands: readonly Command[] } {
  return logsOf(node, runOf(node, cluster), `The log of kube-proxy on ${node} ${what}.`);
}

/** How to look at, and then renew, what kube-proxy wrote on a node. */
export function restartKubeProxy(
  node: string,
  cluster: ClusterFacts | undefined,
): Action & { readonly commands: readonly Command[] } {
  const run = runOf(node, cluster);
  const { how, commands } = restartOf(node, run);
  const logs = logsOf(
    node,
    run,
    `The log of kube-proxy on ${node} shows why it did not write what it should; ${how} writes all rules again.`,
  );
  return { advice: logs.advice, commands: [...logs.commands, ...commands] };
}

function logsOf(node: string, run: Run, advice: string): Action & { readonly commands: readonly Command[] } {
  switch (run.as) {
    case 'pod':
      return { advice, commands: [kubectl('-n', 'kube-system', 'logs', `pod/${run.pod}`)] };
    case 'service':
      return {
        advice: `${advice} No pod of kube-proxy is known on ${node}, so it is a service of the host.`,
        commands: [shellOn(node, 'journalctl', ...run.units.flatMap((unit) => ['-u', unit]))],
      };
    case 'unknown':
      return {
        advice: `${advice} Whether it runs in a pod there is not known.`,
        commands: [
          kubectl('-n', 'kube-system', 'get', 'pods', '-o', 'wide', '--field-selector', `spec.nodeName=${node}`),
        ],
      };
  }
}

function restartOf(node: string, run: Run): { readonly how: string; readonly commands: readonly Command[] } {
  if (run.as === 'pod' && run.owner?.kind === 'DaemonSet')
    return {
      how: 'the pod that the DaemonSet starts once this one is deleted',
      commands: [kubectl('-n', 'kube-system', 'delete', `pod/${run.pod}`)],
    };
  // The kubelet does not restart a static pod when its mirror pod is deleted.
  if (run.as === 'pod' && run.owner?.kind === 'Node')
    return {
      how: 'the container that the kubelet starts once the one of this static pod is stopped',
      commands: [{ node, run: 'crictl stop $(crictl ps -q --name kube-proxy)' }],
    };
  const [unit] = run.as === 'service' && run.units.length === 1 ? run.units : [];
  return {
    how: `kube-proxy, restarted on ${node},`,
    commands: unit === undefined ? [] : [shellOn(node, 'systemctl', 'restart', unit)],
  };
}
