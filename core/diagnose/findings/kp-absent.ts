import { plural } from '../../lib/plural.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { kubeProxyConfigOf } from '../checks/kube-proxy-config-of.ts';

export const kpAbsent: FindingKind = {
  id: 'KP-ABSENT',
  topic: 'kube-proxy',
  severity: 'error',
  condition:
    'Nobody listens on 127.0.0.1:10249 and 127.0.0.1:10256 of a node: kube-proxy does not run there, and the rules stay as they are.',
  notReported:
    'A node where another datapath serves Services (KP-REPLACED); a kube-proxy that is configured to listen elsewhere.',
  source: 'Debug Services, "Is kube-proxy running?"; cmd/kube-proxy/app/server.go',
  find: ({ nodes, cluster }) =>
    nodes.flatMap((node) => {
      const { read } = node;
      if (read?.kubeProxy?.silence !== 'refused' || read.datapath?.replacesKubeProxy === true) return [];
      const config = kubeProxyConfigOf(node, cluster)?.config;
      if (
        config !== undefined &&
        !listensAsUsual(config.healthzBindAddress, 10256) &&
        !listensAsUsual(config.metricsBindAddress, 10249)
      )
        return [];
      const pods = cluster?.kubeProxy?.pods.filter((pod) => pod.node === node.node) ?? [];
      return [
        onNode(node.node, {
          message: `kube-proxy does not run on ${node.node}: its rules stay as they are, however the endpoints change.`,
          evidence: [
            read.kubeProxy.message ?? 'connections to 127.0.0.1:10249 and 127.0.0.1:10256 are refused',
            ...pods.map(
              ({ name, ready, restarts }) =>
                `pod ${name}: ${ready ? 'ready' : 'not ready'}, ${plural(restarts, 'restart')}`,
            ),
          ],
          ...kubeProxyLogs(node.node, cluster, 'shows why it does not run'),
        }),
      ];
    }),
};

/** kube-proxy's own defaults hold where nothing is set. */
function listensAsUsual(address: string | undefined, port: number): boolean {
  if (address === undefined || address === '') return true;
  return (
    /^(0\.0\.0\.0|127\.0\.0\.1|\[?::\]?)?(:\d+)?$/.test(address) &&
    (address.endsWith(`:${String(port)}`) || !/:\d+$/.test(address))
  );
}
