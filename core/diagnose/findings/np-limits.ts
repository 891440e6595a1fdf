import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { egressVerdicts, ingressVerdicts } from '../checks/service-policies.ts';
import { servicePortText } from '../checks/target-port.ts';

export const npLimits: FindingKind = {
  id: 'NP-LIMITS',
  topic: 'network-policies',
  severity: 'info',
  isLasting: true,
  condition:
    'NetworkPolicies let only some clients connect to the Service; with spec.from: whether that client is one of them is not known from here.',
  notReported: 'Ports that are open for everybody, and clients that are surely let in.',
  source: 'networking/v1 NetworkPolicyPeer',
  find: (facts) => {
    const { desired, from } = facts;
    const limited = [...ingressVerdicts(facts), ...egressVerdicts(facts)].filter(({ answer }) => answer === 'unknown');
    const client = from === undefined ? undefined : (from.pod ?? from.node ?? from.addresses.join(', '));
    return [...Map.groupBy(limited, ({ port }) => port)].map(([port, all]) => ({
      where: `service/${desired.name}`,
      message:
        client === undefined
          ? `NetworkPolicies let only some clients connect to port ${servicePortText(port)} on ${namesText([...new Set(all.map(({ pod }) => pod.name))])}.`
          : `Whether NetworkPolicies let ${client} connect to port ${servicePortText(port)} on ${namesText([...new Set(all.map(({ pod }) => pod.name))])} is not known.`,
      evidence: listed([
        ...new Set(
          all.flatMap(({ peers, policies, target }) =>
            peers.length === 0
              ? [`${policies.map((name) => `networkpolicy/${name}`).join(', ')}: ${target}/${port.protocol}`]
              : peers.map(
                  (peer) =>
                    `${policies.map((name) => `networkpolicy/${name}`).join(', ')}: ${target}/${port.protocol} from ${peer}`,
                ),
          ),
        ),
      ]),
      ...(client === undefined
        ? { advice: 'A trace with --from and the name of a pod says whether that client is let in.' }
        : {
            advice: 'The rules of the policy say whom it lets in.',
            commands: all
              .slice(0, 1)
              .flatMap(({ policies }) => policies.slice(0, 1))
              .map((policy) => kubectl('-n', desired.namespace, 'describe', `networkpolicy/${policy}`)),
          }),
    }));
  },
};
