import { hostPort, isSameAddress } from '../../net/address.ts';
import type { DesiredTarget } from '../../api/desired-targets.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import { oncePer } from '../../lib/once-per.ts';
import type { FrontendProgram } from '../../program/program.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { leavingBranches } from '../checks/node-check.ts';
import { markedBy } from '../checks/frontend-check.ts';
import { isSent } from '../../program/client-walks.ts';
import { onNodes } from '../checks/on-nodes.ts';

/** The same for endpoints of which all rules are alike: those for their packets as for all others, and the chain that sends packets to them. */
function hairpinClass(rules: NodeRules, frontend: FrontendProgram, { address, port }: DesiredTarget): string {
  const target = targetsByPlace(frontend).get(hostPort(address, port));
  const chain = target?.by?.chain ?? '';
  const own =
    rules.kindOf(chain) === 'endpoint'
      ? (rules.chain(chain) ?? []).map(({ text }) => withoutAddress(text.replaceAll(chain, 'CHAIN'), address))
      : [];
  // A target that no packet comes to is like no other.
  return target === undefined
    ? hostPort(address, port)
    : [rules.sourceClass(address), String(target.hairpin?.value), ...own].join('\n');
}

/** The text with this address left out wherever it is one by itself, and no part of another one. */
function withoutAddress(text: string, address: string): string {
  let left = '';
  let from = 0;
  for (let at = text.indexOf(address); at >= 0; at = text.indexOf(address, at + 1)) {
    const end = at + address.length;
    const behind = text.charAt(end);
    const isPort = behind === ':' && !address.includes(':');
    if (ofAddress.test(text.charAt(at - 1)) || (!isPort && ofAddress.test(behind))) continue;
    left += `${text.slice(from, at)}ADDRESS`;
    from = end;
  }
  return left + text.slice(from);
}

const ofAddress = /[\da-f.:]/i;

const targetsByPlace = oncePer(
  ({ dnatTargets }: Pick<FrontendProgram, 'dnatTargets'>) =>
    new Map(dnatTargets.map((target) => [hostPort(target.address, target.port), target])),
);

export const ruleNoHairpinMasq: FindingKind = {
  id: 'RULE-NO-HAIRPIN-MASQ',
  topic: 'rules',
  severity: 'warning',
  condition:
    'Packets of an endpoint to the Service that come back to itself keep its address as their source: the endpoint answers itself directly, and the connection hangs.',
  notReported: "Endpoints on other nodes, whose own rules do it; endpoints on the node's own address.",
  source:
    'Debug Services, "A Pod fails to reach itself via the Service IP"; pkg/proxy/iptables/proxier.go ("Handle traffic that loops back to the originator with SNAT")',
  find: (facts) =>
    onNodes(facts, (check) =>
      check.frontends
        .filter(
          ({ frontend, explainedBy }) =>
            frontend.frontend === 'ClusterIP' && explainedBy === undefined && frontend.verdict === 'DNAT',
        )
        .flatMap(({ frontend, desired, family, destination }) => {
          if (
            family === undefined ||
            destination === undefined ||
            check.families.some(({ orderFaults }) => orderFaults.length > 0)
          )
            return [];
          const isLost = ({ address, port }: DesiredTarget): boolean => {
            const { leaves } = family.rules.walk({
              source: address,
              destination,
              destinationPort: frontend.port,
              protocol: frontend.protocol,
              entersAt: 'PREROUTING',
            });
            const back = leaves.filter(({ dnat }) => dnat?.port === port && isSameAddress(dnat.address, address));
            return leavingBranches(check, back).some(
              (leaf) => isSent(leaf) && !leaf.masquerade && markedBy(leaf) === undefined,
            );
          };
          // One endpoint of those that the rules treat alike is walked for all of them.
          const alike = Map.groupBy(
            desired.filter(({ nodeName }) => nodeName === check.node),
            (target) => hairpinClass(family.rules, frontend, target),
          );
          const lostTargets = new Set(
            [...alike.values()].flatMap((targets) => (targets[0] !== undefined && isLost(targets[0]) ? targets : [])),
          );
          const lost = desired.filter((target) => lostTargets.has(target));
          if (lost.length === 0) return [];
          const lostAddresses = new Set(lost.map(({ address }) => address));
          return [
            {
              message: `On ${check.node}, ${lost.map(({ address, port }) => hostPort(address, port)).join(', ')} cannot reach ${frontend.dnatTargets.length === 1 ? 'itself' : 'itself among others'} by ${frontendText(frontend)}: its packets are not masqueraded when they come back to it.`,
              evidence: frontend.dnatTargets
                .filter(({ address }) => lostAddresses.has(address))
                .map(
                  ({ address, by }) =>
                    `no rule masquerades packets from ${address} to itself${by === undefined ? '' : `; it is reached by ${by.rule}`}`,
                ),
              ...restartKubeProxy(check.node, facts.cluster),
            },
          ];
        }),
    ),
};
