import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleSvcMissing: FindingKind = {
  id: 'RULE-SVC-MISSING',
  topic: 'rules',
  severity: 'error',
  condition:
    'A node has no rule for a frontend of the Service, or none that leads on: packets to it leave the node unchanged, or go nowhere.',
  notReported:
    'Headless and ExternalName Services and those of another proxy, which kube-proxy leaves out; Services without endpoints; NodePorts alone (RULE-NODEPORT); the IPVS mode (IPVS-VS-MISSING).',
  source: 'Debug Services, "Is kube-proxy writing rules?"; kubernetes/kubernetes#129128',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) =>
      frontends
        .filter(
          ({ frontend, desired: wanted, explainedBy, isUnreached, chains }) =>
            !isIpvs &&
            ((frontend.verdict === 'None' && wanted.length > 0) || isUnreached) &&
            explainedBy === undefined &&
            (frontend.frontend !== 'NodePort' || chains.length > 0),
        )
        .map(({ frontend, known: wanted, chains }) => ({
          message:
            chains.length === 0
              ? `${node} has no rule for ${frontendText(frontend)}.`
              : `The rules of ${node} for ${frontendText(frontend)} send packets to no endpoint.`,
          evidence: [
            `the EndpointSlices have: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
            `proxy mode ${read?.program.proxyMode ?? 'unknown'}: ${read?.program.proxyModeSource ?? 'not read'}`,
            ...(frontend.entry === undefined ? [] : [`entry: ${frontend.entry.rule}`]),
          ],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
