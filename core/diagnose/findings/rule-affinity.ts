import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { rulesOfChain, type FrontendCheck } from '../checks/frontend-check.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleAffinity: FindingKind = {
  id: 'RULE-AFFINITY',
  topic: 'rules',
  severity: 'error',
  condition:
    "The Service has sessionAffinity ClientIP and a node's rules do not keep its clients with their endpoints for as long as it asks; or the rules do so for a Service that has none.",
  notReported: 'A time-out that the report does not hold.',
  source:
    'pkg/proxy/iptables/proxier.go writeServiceToEndpointRules (recent); pkg/proxy/nftables/proxier.go (affinity sets)',
  find: (facts) => {
    const { sessionAffinity, sessionAffinityTimeoutSeconds } = facts.desired.service;
    const wanted: Wanted = sessionAffinity === 'ClientIP' ? { seconds: sessionAffinityTimeoutSeconds } : undefined;
    return onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(
          ({ frontend, family, explainedBy }) =>
            frontend.verdict === 'DNAT' && family !== undefined && explainedBy === undefined,
        )
        .flatMap((check) => {
          const faults = isIpvs ? ipvsFaults(check, wanted) : ruleFaults(check, wanted);
          if (faults.length === 0) return [];
          return [
            {
              message: `The rules of ${node} for ${frontendText(check.frontend)} do not do what ${wanted === undefined ? 'sessionAffinity None' : `sessionAffinity ClientIP${wanted.seconds === undefined ? '' : ` for ${String(wanted.seconds)} s`}`} asks: ${faults.map(({ fault }) => fault).join('; ')}.`,
              evidence: faults.map(({ rule }) => rule),
              ...restartKubeProxy(node, facts.cluster),
            },
          ];
        }),
    );
  },
};

/** undefined: no affinity. The API server always has seconds; traces that were recorded without them have none. */
type Wanted = { readonly seconds: number | undefined } | undefined;

interface Fault {
  readonly fault: string;
  readonly rule: string;
}

function ruleFaults(check: FrontendCheck, wanted: Wanted): Fault[] {
  const kindOf = (chain: string): string | undefined => check.family?.rules.kindOf(chain);
  return check.chains
    .filter((chain) => kindOf(chain) === 'cluster' || kindOf(chain) === 'local')
    .flatMap((chain): Fault[] => {
      const summaries = rulesOfChain(check, chain);
      const remembering = summaries.filter(({ remembers }) => remembers !== undefined);
      if (wanted === undefined)
        return remembering
          .slice(0, 1)
          .map(({ text }) => ({ fault: 'they send clients back to where they were', rule: text }));
      const choosing = summaries.filter(({ remembers }) => remembers === undefined);
      const direct = choosing.find(({ dnat }) => dnat.length > 0);
      if (direct !== undefined) return [{ fault: 'they choose again for each connection', rule: direct.text }];
      const faults: Fault[] = [];
      const expected = wanted.seconds ?? remembering.flatMap(({ remembers }) => remembers?.seconds ?? [])[0];
      for (const endpoint of new Set(
        choosing.flatMap(({ chains }) =>
          chains.filter(
            (to) => kindOf(to) === 'endpoint' && rulesOfChain(check, to).some(({ dnat }) => dnat.length > 0),
          ),
        ),
      )) {
        const back = remembering.find(({ chains }) => chains.includes(endpoint));
        const seconds = back?.remembers?.seconds;
        if (back === undefined)
          faults.push({
            fault: `no rule sends a client back to ${endpoint}`,
            rule: `${chain} has: ${remembering.map(({ text }) => text).join('; ') || 'no rule for clients that were there before'}`,
          });
        else if (seconds !== undefined && seconds !== expected)
          faults.push({ fault: `a client is sent back to ${endpoint} for ${String(seconds)} s`, rule: back.text });
        if (!rulesOfChain(check, endpoint).some(({ records }) => records))
          faults.push({
            fault: `${endpoint} does not remember its clients`,
            rule: `${endpoint} has: ${
              rulesOfChain(check, endpoint)
                .map(({ text }) => text)
                .join('; ') || 'no rule'
            }`,
          });
      }
      return faults;
    });
}

function ipvsFaults({ frontend }: FrontendCheck, wanted: Wanted): Fault[] {
  const fact = frontend.sessionAffinity;
  const rule = fact?.by.rule ?? frontend.entry?.rule ?? 'the virtual server is not persistent';
  if (wanted !== undefined && fact === undefined) return [{ fault: 'the virtual server is not persistent', rule }];
  if (fact === undefined || (wanted !== undefined && (wanted.seconds === undefined || wanted.seconds === fact.value)))
    return [];
  return [{ fault: `the virtual server keeps clients for ${String(fact.value ?? 0)} s`, rule }];
}
