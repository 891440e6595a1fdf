import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { destinationText, hostPort, isSameAddress, isSameTarget } from '../../net/address.ts';
import { realServerText } from '../../evaluate/walk-ipvs.ts';
import type { DesiredService } from '../../api/service.ts';
import { shellOn } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind, Occurrence } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { realServersOf } from '../checks/ipvs-servers.ts';
import type { NodeCheck } from '../checks/node-check.ts';
import { rulesOfChain, type FrontendCheck } from '../checks/frontend-check.ts';
import { onNodes } from '../checks/on-nodes.ts';

const setting = 'net/ipv4/vs/expire_quiescent_template';

export const svcAffinityStuck: FindingKind = {
  id: 'SVC-AFFINITY-STUCK',
  topic: 'service',
  severity: 'error',
  condition:
    'The Service has sessionAffinity ClientIP, and clients that were there before are kept with an endpoint that is none any more: a rule still sends them there, though no new client, or (IPVS) expire_quiescent_template is 0 while a real server drains.',
  notReported:
    "An endpoint to which new clients are sent too (RULE-EP-STALE); within 10 s and minSyncPeriod of a change of the EndpointSlices. Which clients a node remembers is not read: their addresses are nobody's business here.",
  source:
    'kubernetes/kubernetes#110302, #55429; pkg/proxy/iptables/proxier.go (recent), nftables/proxier.go (affinity sets), ipvs/proxier.go NewProxier (expire_quiescent_template)',
  find: (facts) =>
    facts.desired.service.sessionAffinity !== 'ClientIP'
      ? []
      : onNodes(facts, (check) => (check.isIpvs ? quiescent(check, facts.desired) : remembered(check, facts.cluster))),
};

type Found = Omit<Occurrence, 'where' | 'node'>;

function remembered({ node, frontends }: NodeCheck, cluster: ClusterFacts | undefined): Found[] {
  const found = frontends
    .filter(({ explainedBy, frontend }) => explainedBy === undefined && frontend.verdict === 'DNAT')
    .flatMap((each) => rememberedTargets(each).map((target) => ({ ...target, frontend: each.frontend })));
  return [...Map.groupBy(found, ({ rule }) => rule)].map(([rule, [first]]) => ({
    message: `${node} sends clients of ${first === undefined ? 'the Service' : frontendText(first.frontend)} that were there before back to ${first?.text ?? ''}, which is not an endpoint for it any more.`,
    evidence: [rule],
    ...restartKubeProxy(node, cluster),
  }));
}

/**
 * Where rules for remembered clients lead, and neither the EndpointSlices nor rules for new ones do. Under the policy
 * Local, the node's own packets and those of pods may still go to any ready endpoint.
 */
function rememberedTargets(check: FrontendCheck): { readonly text: string; readonly rule: string }[] {
  const { chains, desired, known, frontend, family } = check;
  return chains
    .filter((chain) => ['cluster', 'local'].includes(family?.rules.kindOf(chain) ?? ''))
    .flatMap((chain) => rulesOfChain(check, chain).filter(({ remembers }) => remembers !== undefined))
    .flatMap(({ text, dnat, chains: to }) =>
      [...dnat, ...to.flatMap((chain) => rulesOfChain(check, chain).flatMap((summary) => summary.dnat))].map(
        (target) => ({
          rule: text,
          target,
        }),
      ),
    )
    .flatMap(({ rule, target }) => {
      const isThere = [...desired, ...known.filter(({ ready }) => ready), ...frontend.dnatTargets].some(
        (each) => isSameAddress(each.address, target.address) && each.port === target.port,
      );
      return isThere ? [] : [{ text: destinationText(target), rule }];
    });
}

function quiescent({ node, frontends, facts: { read } }: NodeCheck, service: DesiredService): Found[] {
  const drains = frontends.flatMap(({ frontend, desired }) =>
    realServersOf(read?.report, service, frontend).filter(
      (real) => real.weight === 0 && !desired.some((each) => isSameTarget(each, real)),
    ),
  );
  const [first] = drains;
  if (first === undefined || read?.system?.sysctls[setting] !== '0') return [];
  return [
    {
      message: `On ${node}, clients that were at ${hostPort(first.address, first.port)} stay there while it drains, with new connections too.`,
      evidence: [`${setting.replaceAll('/', '.')} = 0`, ...drains.slice(0, 5).map(realServerText)],
      advice: `Set the sysctl on ${node} to 1, as kube-proxy does when it starts.`,
      commands: [shellOn(node, 'sysctl', '-w', 'net.ipv4.vs.expire_quiescent_template=1')],
    },
  ];
}
