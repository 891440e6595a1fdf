import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const kpNoAnswer: FindingKind = {
  id: 'KP-NO-ANSWER',
  topic: 'kube-proxy',
  severity: 'warning',
  condition:
    'The ports 10249 and 10256 of a node are open, and nobody answers on any of them in time: kube-proxy is stopped, or hangs.',
  notReported: 'A kube-proxy of which one port answers; ports that are closed (KP-ABSENT).',
  source: 'cmd/kube-proxy/app/server.go; kubernetes/kubernetes#135639',
  find: ({ nodes, cluster }) =>
    nodes.flatMap(({ node, read }) => {
      if (read?.kubeProxy?.silence !== 'late') return [];
      return [
        onNode(node, {
          message: `kube-proxy on ${node} takes connections, and answers none: it is stopped, or hangs, and its rules stay as they are.`,
          evidence: [read.kubeProxy.message ?? 'no answer on 127.0.0.1:10249 and 127.0.0.1:10256'],
          ...kubeProxyLogs(
            node,
            cluster,
            `shows its last words; the state of its process shows why it does not answer (T: stopped, D: waits for the kernel)`,
          ),
        }),
      ];
    }),
};
