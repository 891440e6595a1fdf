import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { ingressVerdicts } from '../checks/service-policies.ts';
import { servicePortText } from '../checks/target-port.ts';

export const npDeny: FindingKind = {
  id: 'NP-DENY',
  topic: 'network-policies',
  severity: 'error',
  isLasting: true,
  condition:
    'NetworkPolicies isolate pods of the Service and no rule of theirs has the target port; with spec.from: no rule lets in exactly that client.',
  notReported:
    'Ports that a rule opens for some clients, and clients of which the API does not say enough (NP-LIMITS); pods of the host network; a node that reaches its own pods. A network plugin that does not enforce policies (flannel alone) lets the packets through all the same.',
  source:
    'networking/v1 NetworkPolicySpec; Debug Services, "Is the Service working by IP?"; KubeSkoop CheckNetworkPolicy',
  find: (facts) => {
    const { desired, from } = facts;
    const denied = ingressVerdicts(facts).filter(({ answer }) => answer === 'no');
    const client = from === undefined ? undefined : (from.pod ?? from.node ?? from.addresses.join(', '));
    return [...Map.groupBy(denied, ({ port }) => port)].map(([port, all]) => ({
      where: `service/${desired.name}`,
      message:
        client === undefined
          ? `NetworkPolicies let nobody connect to port ${servicePortText(port)} on ${namesText(all.map(({ pod }) => pod.name))}.`
          : `NetworkPolicies do not let ${client} connect to port ${servicePortText(port)} on ${namesText(all.map(({ pod }) => pod.name))}.`,
      evidence: listed(
        all.map(
          ({ pod, target, policies, peers }) =>
            `pod ${pod.name} is isolated by ${policies.map((name) => `networkpolicy/${name}`).join(', ')}; for ${target}/${port.protocol} the rules let in: ${peers.join('; ') || 'nobody'}`,
        ),
      ),
      advice: `Add an ingress rule for port ${all[0]?.target ?? port.port}/${port.protocol}.`,
      commands: all
        .slice(0, 1)
        .flatMap(({ policies }) => policies.slice(0, 1))
        .map((policy) => kubectl('-n', desired.namespace, 'edit', `networkpolicy/${policy}`)),
    }));
  },
};
