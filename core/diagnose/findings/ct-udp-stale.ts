import { desiredTargets } from '../../desired-targets.ts';
import type { FindingKind } from '../finding.ts';
import { hostPort } from '../../address.ts';
import { isSyncing } from '../frontend-drift.ts';

export const ctUdpStale: FindingKind = {
  id: 'CT-UDP-STALE',
  severity: 'error',
  condition: 'UDP conntrack entries of the Service lead to an address that is no desired endpoint: the client keeps sending there.',
  notReported: 'TCP, whose entries kube-proxy never cleans; within 10 s of a change of the EndpointSlices.',
  source: 'pkg/proxy/conntrack/cleanup.go CleanStaleEntries; kubernetes/kubernetes#125467',
  find: ({ desired, nodes }) =>
    nodes.filter((node) => !isSyncing(node, desired)).flatMap((node) => {
      const read = node.read;
      if (read?.conntrack === undefined) return [];
      return read.conntrack.groups.flatMap((group) => {
        if (group.protocol.toLowerCase() !== 'udp') return [];
        const frontend = read.program.frontends.find(
          ({ protocol, family, port, address }) =>
            protocol === 'UDP' && family === group.family && port === group.destinationPort && (address === group.destination || address === ''),
        );
        if (frontend === undefined) return [];
        const wanted = desiredTargets(desired, frontend, {
          node: node.node,
          traffic: frontend.frontend === 'ClusterIP' ? 'internal' : 'external',
          ...(node.zone === undefined ? {} : { zone: node.zone }),
        });
        if (wanted.some(({ address, port }) => address === group.replySource && port === group.replySourcePort)) return [];
        return [
          {
            where: `node/${node.node}`,
            node: node.node,
            message: `${group.entries} UDP conntrack entries of ${node.node} send packets of ${hostPort(group.destination, group.destinationPort)} to ${hostPort(group.replySource, group.replySourcePort)}, which is no endpoint.`,
            evidence: [`udp dst=${group.destination} dport=${group.destinationPort} reply src=${group.replySource} sport=${group.replySourcePort}${group.unreplied ? ' [UNREPLIED]' : ''} x ${group.entries}`],
            advice: `on ${node.node}: conntrack -D -p udp --orig-dst ${group.destination} --orig-port-dst ${group.destinationPort} --reply-src ${group.replySource}`,
          },
        ];
      });
    }),
};
