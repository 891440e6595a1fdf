import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

/** iptables keeps probabilities as 31 bits, so that 1/n is not exact. */
const tolerance = 1e-3;

export const ruleProb: FindingKind = {
  id: 'RULE-PROB',
  topic: 'rules',
  severity: 'warning',
  condition:
    'The rules of a node for a frontend send packets to the right endpoints, but not to each of n with probability 1/n: somebody has changed the probabilities.',
  notReported:
    'The IPVS mode, whose schedulers and weights may differ; new clients alone count where there is session affinity; shares that are not known; other findings of rules that explain it.',
  source:
    'pkg/proxy/iptables/proxier.go writeServiceToEndpointRules (1/n, 1/(n-1) … 1); pkg/proxy/nftables/proxier.go (numgen random mod n)',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) => {
      if (isIpvs || (read?.program.unrecognized.length ?? 0) > 0) return [];
      return frontends
        .filter(({ frontend, missing, stale, duplicates, explainedBy }) => {
          const { dnatTargets, verdict } = frontend;
          if (verdict !== 'DNAT' || explainedBy !== undefined || missing.length + stale.length + duplicates.length > 0)
            return false;
          return dnatTargets.some(
            ({ probability }) =>
              probability !== undefined && Math.abs(probability * dnatTargets.length - 1) > tolerance,
          );
        })
        .map(({ frontend }) => ({
          message: `${node} does not send packets of ${frontendText(frontend)} to each of ${plural(frontend.dnatTargets.length, 'endpoint')} alike: ${frontend.dnatTargets.map(({ address, port, probability = 0 }) => `${hostPort(address, port)} gets ${(probability * 100).toFixed(1)} %`).join(', ')}.`,
          evidence: frontend.dnatTargets.flatMap(({ by }) => (by === undefined ? [] : [by.rule])),
          ...restartKubeProxy(node, facts.cluster),
        }));
    }),
};
