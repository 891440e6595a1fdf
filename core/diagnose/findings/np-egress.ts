import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { egressVerdicts } from '../checks/service-policies.ts';
import { servicePortText } from '../checks/target-port.ts';

export const npEgress: FindingKind = {
  id: 'NP-EGRESS',
  topic: 'network-policies',
  severity: 'error',
  isLasting: true,
  condition:
    "NetworkPolicies isolate the egress of the pod of spec.from, and no rule of theirs lets it reach the Service's pods.",
  notReported:
    'Where the API does not say enough, as for address blocks that hold pods. A network plugin that does not enforce policies lets the packets through all the same.',
  source: 'networking/v1 NetworkPolicySpec.egress: it is evaluated after the cluster IP became the address of a pod',
  find: (facts) => {
    const { desired, cluster } = facts;
    const denied = egressVerdicts(facts).filter(({ answer }) => answer === 'no');
    return [...Map.groupBy(denied, ({ port }) => port)].map(([port, all]) => ({
      where: `pod/${cluster?.client?.pod ?? ''}`,
      message: `NetworkPolicies do not let pod ${cluster?.client?.pod ?? ''} connect to port ${servicePortText(port)} on ${namesText(all.map(({ pod }) => pod.name))}.`,
      evidence: listed(
        all.map(
          ({ pod, target, policies }) =>
            `no egress rule of ${policies.map((name) => `networkpolicy/${name}`).join(', ')} has pod ${pod.name} and ${target}/${port.protocol}`,
        ),
      ),
      advice: `Add an egress rule for port ${all[0]?.target ?? port.port}/${port.protocol}.`,
      commands: all
        .slice(0, 1)
        .flatMap(({ policies }) => policies.slice(0, 1))
        .map((policy) => kubectl('-n', desired.namespace, 'edit', `networkpolicy/${policy}`)),
    }));
  },
};
