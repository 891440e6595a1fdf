import type { FindingKind } from '../checks/finding.ts';

export const probeRefused: FindingKind = {
  id: 'PROBE-REFUSED',
  topic: 'connections',
  severity: 'info',
  isLasting: true,
  condition:
    'The active check (--connect) made no connection, because the Service has no ready endpoint, or an address in the EndpointSlices is none of a running pod of the namespace: whoever may write an EndpointSlice must not choose where nodes connect.',
  source: 'docs/decisions/061-the-active-check.md; CVE-2021-25740',
  find: ({ cluster, desired }) =>
    cluster?.connectRefusal === undefined
      ? []
      : [
          {
            where: `service/${desired.name}`,
            message: `Nothing was connected to for ${desired.name}, so nothing is said of it.`,
            evidence: [cluster.connectRefusal],
            advice: 'Connect from a client of your own, such as a pod that you start for it.',
          },
        ],
};
