import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onNodes } from '../checks/on-nodes.ts';
import { dispatchEntries, isFrontendOf } from '../checks/dispatch-entries.ts';

export const ruleSvcExtra: FindingKind = {
  id: 'RULE-SVC-EXTRA',
  topic: 'rules',
  severity: 'warning',
  condition:
    'A node has rules for an address or port that the Service does not have: of a port, node port, external IP or load balancer IP that it had before, or that somebody has added.',
  notReported:
    'Rules of other Services, which may share an external IP; within 10 s and minSyncPeriod of a change of the EndpointSlices; of a watched trace, between every tenth collection and the next one, until it is found.',
  source: 'Debug Services, "Is kube-proxy writing rules?"; pkg/proxy/iptables/proxier.go syncProxyRules',
  find: (facts) =>
    onNodes(facts, ({ node, facts: { read } }) =>
      (read === undefined ? [] : dispatchEntries(read.report, facts.desired))
        .filter((entry) => !isFrontendOf(entry, facts.desired))
        .map(({ address, protocol, port, rule, table, chain }) => ({
          message: `${node} has a rule for ${address === undefined ? `NodePort ${String(port)}` : hostPort(address, port)}/${protocol}, which Service ${facts.desired.name} does not have.`,
          evidence: [`${table} ${chain}: ${rule}`],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
