/** The healthy cluster: Services of every kind, each with the findings that it is made to show. */
import { factsOfTheMachine } from './run-group.ts';
import { fileURLToPath } from 'node:url';
import type { FindingAt } from './fault.ts';
import type { Place } from './place.ts';
import { findingsAt } from './place.ts';

/** Of Services that are as they should be, and all the same have findings. */
const meant: ReadonlyMap<string, readonly FindingAt[]> = new Map([
  ['kinds/elsewhere', ['SVC-NOT-PROXIED']],
  ['kinds/headless', ['SVC-NOT-PROXIED']],
  ['kinds/nobody-home', ['EPS-EMPTY', 'SVC-SELECTOR-NOMATCH']],
  ['kinds/internal-local', ['RULE-LOCAL-DROP (warning)']],
  ['kinds/node-port-local', ['RULE-LOCAL-DROP']],
  ['kinds/load-balancer-local', ['RULE-LOCAL-DROP', 'SVC-LB-PENDING']],
  // Pending 30 s after it was made.
  ['kinds/load-balancer', ['SVC-LB-PENDING']],
]);

export const healthyServices: readonly string[] = [
  'default/auth-service',
  'default/kubernetes',
  'kube-system/kube-dns',
  ...[
    'elsewhere',
    'external-ip',
    'headless',
    'host-network',
    'internal-local',
    'load-balancer',
    'load-balancer-local',
    'many-ports',
    'nobody-home',
    'node-port',
    'node-port-local',
    'only-ipv6',
    'same-zone',
    'sticky',
  ].map((name) => `kinds/${name}`),
];

export async function deployKinds(place: Place): Promise<void> {
  await place.kubectl(['apply', '-f', fileURLToPath(new URL('../cluster/service-kinds.yaml', import.meta.url))]);
  await place.kubectl(['-n', 'kinds', 'wait', '--for=condition=Available', 'deployment', '--all', '--timeout=90s']);
  await place.untilKubeProxiesKnowTheirZone();
}

/** Findings beyond those that are meant, each with the Service that it is of. */
export async function healthyFindings(place: Place): Promise<FindingAt[]> {
  const found = await place.findings(healthyServices);
  return [...found].flatMap(([service, findings]) =>
    findingsAt(findings.filter(({ id }) => !factsOfTheMachine.has(id)))
      .filter((finding) => meant.get(service)?.includes(finding) !== true)
      .map((finding) => `${finding} (${service})`),
  );
}
