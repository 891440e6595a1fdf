import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { deleteFlow, flowDeletion, flowText, serviceFlows } from '../checks/service-flows.ts';

export const ctUdpNoEp: FindingKind = {
  id: 'CT-UDP-NOEP',
  topic: 'conntrack',
  severity: 'warning',
  condition:
    'The Service has no serving endpoint, and UDP conntrack entries still point to an address: clients get no refusal, and keep sending there.',
  notReported: 'Within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source:
    'kubernetes/kubernetes#139628; pkg/proxy/conntrack/cleanup.go: from 1.32 to 1.36 a Service without endpoints is left out, in 1.37 its NodePort alone',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) => {
        const version = node.read?.kubeProxy?.metrics?.version;
        return serviceFlows(node, desired)
          .filter(
            ({ group, serving, isUnnatted }) =>
              group.protocol === 'udp' &&
              serving.length === 0 &&
              !isUnnatted &&
              reusedBy(group.replySource, desired, cluster) === undefined,
          )
          .map((flow) =>
            onNode(node.node, {
              message: `${plural(flow.group.entries, 'UDP conntrack entry', 'UDP conntrack entries')} of ${node.node} ${flow.group.entries === 1 ? 'sends' : 'send'} packets of ${hostPort(flow.group.destination, flow.group.destinationPort)} to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, and the Service has no serving endpoint.`,
              evidence: [flowText(flow), `kube-proxy ${version ?? 'of a version that is not known'}`],
              advice: `${deleteFlow(node.node, flow).advice}${leavesThem(version) ? ' From 1.37 on, kube-proxy deletes the entries of a Service without endpoints itself.' : ''}`,
              commands: [flowDeletion(node.node, flow)],
            }),
          );
      }),
};

function leavesThem(version: string | undefined): boolean {
  const minor = Number(/^v1\.(\d+)/.exec(version ?? '')?.[1]);
  return minor >= 32 && minor <= 36;
}
