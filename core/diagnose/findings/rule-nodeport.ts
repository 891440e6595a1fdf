import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { limitsNodePorts } from '../checks/pod-addresses.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleNodeport: FindingKind = {
  id: 'RULE-NODEPORT',
  topic: 'rules',
  severity: 'error',
  condition:
    'A node has no rule for a NodePort of the Service (KUBE-NODEPORTS, or the map service-nodeports), or none that leads there.',
  notReported:
    "Where kube-proxy's nodePortAddresses leave out the node's addresses; where no rule at all jumps to kube-proxy's (RULE-NO-JUMP).",
  source: 'pkg/proxy/iptables/proxier.go syncProxyRules ("Nodeports"); pkg/proxy/nftables/README.md service-nodeports',
  find: (facts) =>
    onNodes(facts, ({ node, facts: own, isIpvs, frontends }) =>
      frontends
        .filter(
          ({ frontend, desired: wanted, explainedBy, isUnreached, chains }) =>
            !isIpvs &&
            frontend.frontend === 'NodePort' &&
            !limitsNodePorts(own, facts.cluster) &&
            ((frontend.verdict === 'None' && wanted.length > 0) || isUnreached) &&
            chains.length === 0 &&
            explainedBy === undefined,
        )
        .map(({ frontend, known: wanted, destination }) => ({
          message: `${node} has no rule for ${frontendText(frontend)}: its clients reach no endpoint by this node.`,
          evidence: [
            `no rule takes packets to ${destination === undefined ? 'the node' : hostPort(destination, frontend.port)}`,
            `the EndpointSlices have: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
          ],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
