/** The cases of all findings that need no dumped node. */
import type { FindingCase } from './finding-case.ts';
import { connectionCases } from './connections.ts';
import { conntrackCases } from './conntrack.ts';
import { dataCases } from './data.ts';
import { dnsCases } from './dns.ts';
import { endpointsCases } from './endpoints.ts';
import { kubeProxyCases } from './kube-proxy.ts';
import { latencyCases } from './latency.ts';
import { networkPolicyCases } from './network-policies.ts';
import { podCases } from './pods.ts';
import { rulesCases } from './rules.ts';
import { serviceCases } from './service.ts';
import { systemCases } from './system.ts';

export const findingCases: readonly FindingCase[] = [
  ...rulesCases,
  ...endpointsCases,
  ...serviceCases,
  ...podCases,
  ...networkPolicyCases,
  ...dnsCases,
  ...kubeProxyCases,
  ...conntrackCases,
  ...systemCases,
  ...connectionCases,
  ...latencyCases,
  ...dataCases,
];
