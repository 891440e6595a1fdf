import { plural } from '../../lib/plural.ts';
import { datapathAction } from '../checks/datapath-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const kpReplaced: FindingKind = {
  id: 'KP-REPLACED',
  topic: 'kube-proxy',
  severity: 'info',
  isLasting: true,
  condition:
    'Kube-proxy is silent on a node, it has no rules there, and the node has the interfaces of a CNI that serves Services itself: what the node does with the Service is unknown here, and no rule is missing.',
  notReported: 'The same CNI beside a kube-proxy that answers, or whose rules are still there.',
  source:
    'docs.cilium.io kube-proxy replacement; antrea.io AntreaProxy; ovn-kubernetes.io; docs.tigera.io eBPF dataplane; kube-router.io',
  find: ({ nodes, desired, cluster }) => {
    const replaced = nodes.flatMap(({ node, read }) =>
      read?.datapath?.replacesKubeProxy === true ? [{ node, datapath: read.datapath }] : [],
    );
    return [...new Set(replaced.map(({ datapath }) => datapath.name))].map((name) => {
      const own = replaced.filter(({ datapath }) => datapath.name === name);
      const message = `${own.length === 1 ? (own[0]?.node ?? '') : `${plural(own.length, 'node')}`}: ${name} serves Services in kube-proxy's place; ${own[0]?.datapath.keeps ?? ''}.`;
      const rest = {
        message,
        evidence: [
          ...own
            .slice(0, 10)
            .map(({ node, datapath }) => `${node} has the interfaces ${datapath.interfaces.join(', ')}`),
          'EndpointSlices, pods and DNS are compared as elsewhere',
        ],
        ...datapathAction(own, desired, cluster),
      };
      return own.length === 1 ? onNode(own[0]?.node ?? '', rest) : { where: 'nodes', ...rest };
    });
  },
};
