import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { limitsNodePorts } from '../checks/pod-addresses.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleNoReject: FindingKind = {
  id: 'RULE-NO-REJECT',
  topic: 'rules',
  severity: 'warning',
  condition:
    'There is no endpoint for a frontend on a node, and no rule refuses or drops its packets: clients wait for a time-out, or reach something else.',
  notReported:
    "Where a rule for all addresses refuses them (cluster-ips-check of the nftables mode); where kube-proxy's nodePortAddresses leave out the node; the IPVS mode.",
  source:
    'pkg/proxy/iptables/proxier.go syncProxyRules ("has no endpoints"); pkg/proxy/nftables/README.md no-endpoint-services',
  find: (facts) =>
    onNodes(facts, ({ node, facts: own, isIpvs, frontends }) =>
      frontends
        .filter(({ frontend, desired: wanted, family, outside, explainedBy }) => {
          if (
            isIpvs ||
            family === undefined ||
            frontend.verdict !== 'None' ||
            wanted.length > 0 ||
            explainedBy !== undefined
          )
            return false;
          if (frontend.frontend === 'NodePort' && limitsNodePorts(own, facts.cluster)) return false;
          return outside.length > 0 && outside.every(({ verdict }) => verdict !== 'REJECT' && verdict !== 'DROP');
        })
        .map(({ frontend, known }) => ({
          message: `${node} has no endpoint for ${frontendText(frontend)}, and does not refuse its packets.`,
          evidence: [
            known.length === 0
              ? 'no EndpointSlice has an endpoint for it'
              : `endpoints that this node may not use: ${known.map(({ address }) => address).join(', ')}`,
            'no rule of KUBE-SERVICES or KUBE-EXTERNAL-SERVICES (filter), or element of no-endpoint-services or no-endpoint-nodeports, is for it',
          ],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
