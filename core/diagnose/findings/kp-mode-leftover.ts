import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const kpModeLeftover: FindingKind = {
  id: 'KP-MODE-LEFTOVER',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    'A node still has rules for the Service of another proxy mode than the one that its kube-proxy runs in: nobody renews them, and they act on packets all the same.',
  notReported: 'The few KUBE- chains that the mode ipvs and the kubelet have too; virtual servers of other addresses.',
  source: 'kubernetes/kubernetes#109811, #71305; kube-proxy --cleanup',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const found = read?.otherModes?.found ?? [];
      if (read === undefined || found.length === 0) return [];
      const modes = [...new Set(found.map(({ mode }) => mode))];
      return [
        onNode(node, {
          message: `${node} has rules of the mode ${modes.join(' and ')}, and its kube-proxy runs in mode ${read.kubeProxy?.proxyMode ?? read.program.proxyMode}.`,
          evidence: found.slice(0, 10).map(({ mode, family, what }) => `${mode}, ${family}: ${what}`),
          advice: `kube-proxy, run on ${node} with --cleanup, removes the rules of all modes. It writes those of its own mode again when it starts.`,
          commands: [shellOn(node, 'kube-proxy', '--cleanup')],
        }),
      ];
    }),
};
