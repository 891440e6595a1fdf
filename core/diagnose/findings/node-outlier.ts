import { kubeProxyOutliers, nodeOutliers } from '../checks/compare-nodes.ts';
import { alsoLook } from '../../api/command.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

/** Kinds that say what is wrong with a node's rules, or why it is not known. */
const explaining = /^(?:RULE|IPVS|KP|LAT)-|^DATA-UNPARSED$/;

export const nodeOutlier: FindingKind = {
  id: 'NODE-OUTLIER',
  severity: 'warning',
  condition:
    'A node does something else with the Service than most of at least two other nodes: it sends packets elsewhere, gives them another source address, or schedules otherwise (IPVS); and no other finding of its rules or its kube-proxy says so.',
  notReported:
    "What each node should do in its own way: the traffic policy Local, topology hints, node ports on some addresses, endpoints of the node's own network; while kube-proxy may still be writing; a node of which another finding tells what differs (status.comparison.outliers names those too).",
  source: 'this project: node compared with node; kubernetes/kubernetes#28674, #70493',
  find: ({ desired, nodes, cluster }, found) => {
    const explained = new Set(
      found.flatMap(({ id, node }) => (node !== undefined && explaining.test(id) ? [node] : [])),
    );
    const settings = new Map(kubeProxyOutliers(nodes, cluster).map(({ node, differences }) => [node, differences]));
    return nodeOutliers(desired, nodes, cluster)
      .filter(({ node }) => !explained.has(node))
      .map(({ node, differences: [first = '', ...rest] }) =>
        onNode(node, {
          message: `${node} treats Service ${desired.name} otherwise than its peers: ${first}.`,
          evidence: [...rest, ...(settings.get(node) ?? [])],
          ...alsoLook(
            `Compare kube-proxy's configuration and version on ${node} with that of another node.`,
            kubeProxyLogs(node, cluster, 'may say what differs'),
          ),
        }),
      );
  },
};
