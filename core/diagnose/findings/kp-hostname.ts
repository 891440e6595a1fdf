import { onNode, type FindingKind } from '../checks/finding.ts';

export const kpHostname: FindingKind = {
  id: 'KP-HOSTNAME',
  topic: 'kube-proxy',
  severity: 'error',
  isLasting: true,
  condition:
    "kube-proxy's hostnameOverride is another name than its node's: it takes no endpoint for local, so that the policy Local drops everything.",
  notReported:
    'Differences of upper and lower case, which kube-proxy does not see either; a name that is not overridden.',
  source: 'pkg/util/node GetHostname; kubernetes/kubernetes#66062',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const name = read?.kubeProxy?.config?.hostnameOverride?.trim().toLowerCase();
      if (name === undefined || name === '' || name === node.toLowerCase()) return [];
      return [
        onNode(node, {
          message: `kube-proxy on ${node} believes to be on node ${name}: no endpoint is local to it.`,
          evidence: [`hostnameOverride: ${name}, by 127.0.0.1:10249/configz`],
          advice: `Remove hostnameOverride from kube-proxy's configuration, or start it with --hostname-override=${node}.`,
        }),
      ];
    }),
};
