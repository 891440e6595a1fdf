import { kubeProxyOutliers, nodeOutliers } from '../checks/compare-nodes.ts';
import { alsoLook } from '../../api/command.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind, type Topic } from '../checks/finding.ts';
import { dataUnparsed } from './data-unparsed.ts';

/** Topics of what is wrong with a node's rules; why it is not known says DATA-UNPARSED. */
const explaining: ReadonlySet<Topic> = new Set(['rules', 'kube-proxy', 'latency']);

export const nodeOutlier: FindingKind = {
  id: 'NODE-OUTLIER',
  topic: 'nodes',
  severity: 'warning',
  condition:
    'A node does something else with the Service than most of at least two other nodes: it sends packets elsewhere, gives them another source address, or schedules otherwise (IPVS); and no other finding of its rules or its kube-proxy says so.',
  notReported:
    "What each node should do in its own way: the traffic policy Local, topology hints, node ports on some addresses, endpoints of the node's own network; while kube-proxy may still be writing; a node of which another finding reports what differs (status.comparison.outliers names those too).",
  source: 'this project: node compared with node; kubernetes/kubernetes#28674, #70493',
  find: ({ desired, nodes, cluster }, found) => {
    const explained = new Set(
      found.flatMap(({ kind, finding: { node } }) =>
        node !== undefined && (explaining.has(kind.topic) || kind === dataUnparsed) ? [node] : [],
      ),
    );
    const settings = new Map(kubeProxyOutliers(nodes, cluster).map(({ node, differences }) => [node, differences]));
    return nodeOutliers(desired, nodes, cluster)
      .filter(({ node }) => !explained.has(node))
      .map(({ node, differences: [first = '', ...rest] }) =>
        onNode(node, {
          message: `${node} treats Service ${desired.name} differently from its peers: ${first}.`,
          evidence: [...rest, ...(settings.get(node) ?? [])],
          ...alsoLook(
            `Compare kube-proxy's configuration and version on ${node} with that of another node.`,
            kubeProxyLogs(node, cluster, 'may say what differs'),
          ),
        }),
      );
  },
};
