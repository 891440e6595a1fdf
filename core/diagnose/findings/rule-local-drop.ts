import { frontendText } from '../frontend-drift.ts';
import type { FindingKind } from '../finding.ts';
import { checkNode } from '../node-check.ts';

export const ruleLocalDrop: FindingKind = {
  id: 'RULE-LOCAL-DROP',
  severity: 'info',
  condition: 'A traffic policy is Local, and some nodes have no endpoint of their own: they drop packets of a frontend, as the policy asks.',
  notReported: 'Services without any endpoint, whose packets are rejected.',
  source: 'kubernetes/kubernetes#66354, #92761; pkg/proxy/iptables/proxier.go ("has no local endpoints")',
  find: ({ desired, nodes, cluster }) => {
    const dropping = nodes.flatMap((facts) =>
      (checkNode(facts, desired, cluster)?.frontends ?? [])
        .filter(({ frontend, desired: wanted, known, policy }) => frontend.verdict === 'DROP' && wanted.length === 0 && known.some(({ ready }) => ready) && policy === undefined)
        .map(({ frontend }) => ({ node: facts.node, kind: frontend.frontend === 'ClusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy', text: frontendText(frontend) })),
    );
    return [...Map.groupBy(dropping, ({ kind }) => kind)].map(([kind, each]) => {
      const names = [...new Set(each.map(({ node }) => node))];
      const shown = names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${String(names.length - 5)} more` : names.join(', ');
      return {
        where: `service/${desired.name}`,
        message: `${String(names.length)} of ${String(nodes.length)} nodes (${shown}) drop packets of ${[...new Set(each.map(({ text }) => text))].join(', ')}, because ${kind} is Local and they have no endpoint.`,
        evidence: [`${kind}: Local`],
        advice: `nothing to do where clients keep to nodes with endpoints (a load balancer does by healthCheckNodePort); otherwise spread the pods over the nodes, or set ${kind}: Cluster`,
      };
    });
  },
};
