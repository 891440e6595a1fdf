import { effectText } from '../../evaluate/action.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { isSent } from '../../program/client-walks.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const rulePolicy: FindingKind = {
  id: 'RULE-POLICY',
  topic: 'rules',
  severity: 'error',
  condition:
    "A node's rules follow another traffic policy than the Service asks for: they use endpoints of other nodes under Local, give up the client's address there, or keep to their own under Cluster.",
  notReported:
    'Packets of pods and of the node itself to external addresses, which kube-proxy sends to any endpoint even under Local.',
  source:
    'pkg/proxy/iptables/proxier.go syncProxyRules (KUBE-SVL, KUBE-EXT); "Virtual IPs and Service Proxies", traffic policies',
  find: (facts) =>
    onNodes(facts, ({ node, frontends }) =>
      frontends.flatMap(({ frontend, policy, explainedBy, outside }) => {
        const field = frontend.frontend === 'ClusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
        if (policy !== undefined && explainedBy === 'policy') {
          return [
            {
              message:
                policy.clients === 'clients'
                  ? `The rules of ${node} for ${frontendText(frontend)} follow ${field} ${policy.rules}, where the Service has ${policy.spec}.`
                  : `The rules of ${node} send packets of ${policy.clients} to ${frontendText(frontend)} to endpoints of the node alone, though ${field} Local is for clients outside of the cluster.`,
              evidence: policy.evidence,
              ...restartKubeProxy(node, facts.cluster),
            },
          ];
        }
        const losesClient =
          explainedBy === undefined &&
          frontend.frontend !== 'ClusterIP' &&
          facts.desired.service.externalTrafficPolicy === 'Local'
            ? outside.find((leaf) => isSent(leaf) && leaf.masquerade)
            : undefined;
        if (losesClient === undefined) return [];
        return [
          {
            message: `${node} gives packets of clients outside to ${frontendText(frontend)} another source address, which ${field} Local promises to keep.`,
            evidence: losesClient.path.map((step) => `${step.rule} (${effectText(step)})`).slice(0, 10),
            ...restartKubeProxy(node, facts.cluster),
          },
        ];
      }),
    ),
};
