import type { FrontendProgram } from '../../program/program.ts';
import { plural } from '../../lib/plural.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { kubectl } from '../../api/command.ts';
import type { Facts, FindingKind, Occurrence } from '../checks/finding.ts';
import { namesText } from '../checks/listed.ts';
import { checkNode } from '../checks/node-check.ts';
import { serviceFlows } from '../checks/service-flows.ts';

interface Dropping {
  readonly node: string;
  readonly frontend: FrontendProgram;
  /** What shows that clients send packets there, which are dropped. */
  readonly seen: readonly string[];
}

export const ruleLocalDrop: FindingKind = {
  id: 'RULE-LOCAL-DROP',
  topic: 'rules',
  severity: 'info',
  isLasting: true,
  otherSeverities: {
    warning: 'where it is the internalTrafficPolicy: pods do not choose the node that they send from',
    error:
      'where clients of an internal one are seen on such a node (packets that its rule counted, entries of conntrack, the client of --from)',
  },
  condition:
    'A traffic policy is Local, and some nodes have no endpoint of their own: they drop packets of a frontend, as the policy asks.',
  notReported: 'Services without any endpoint, whose packets are rejected.',
  source:
    'kubernetes/kubernetes#66354, #92761; pkg/proxy/iptables/proxier.go ("has no local endpoints"); Service Internal Traffic Policy',
  find: (facts) => {
    const dropping = facts.nodes.flatMap((node): Dropping[] =>
      (checkNode(node, facts.desired, facts.cluster)?.frontends ?? [])
        .filter(
          ({ frontend, desired: wanted, known, policy }) =>
            frontend.verdict === 'DROP' &&
            wanted.length === 0 &&
            known.some(({ ready }) => ready) &&
            policy === undefined,
        )
        .map(({ frontend }) => ({ node: node.node, frontend, seen: seenOf(node, frontend, facts) })),
    );
    const internal = dropping.filter(({ frontend }) => frontend.frontend === 'ClusterIP');
    const external = dropping.filter(({ frontend }) => frontend.frontend !== 'ClusterIP');
    return [
      ...(internal.length === 0 ? [] : [ofInternal(internal, facts)]),
      ...(external.length === 0 ? [] : [ofExternal(external, facts)]),
    ];
  },
};

function ofInternal(dropping: readonly Dropping[], facts: Facts): Occurrence {
  const { namespace, name } = facts.desired;
  const seen = dropping.filter((each) => each.seen.length > 0);
  const clients = seen.length === 0 ? '' : ` Clients are seen on ${namesText(nodesOf(seen))}.`;
  return {
    severity: seen.length > 0 ? 'error' : 'warning',
    where: `service/${name}`,
    message: `${messageOf(dropping, 'internalTrafficPolicy', facts)} Pods on them have no answer.${clients}`,
    evidence: ['internalTrafficPolicy: Local', ...seen.flatMap((each) => each.seen)],
    advice:
      'Let pods use endpoints of other nodes, or have a pod of the Service on every node that has clients, as a DaemonSet does.',
    commands: [
      kubectl('-n', namespace, 'patch', `service/${name}`, '-p', '{"spec":{"internalTrafficPolicy":"Cluster"}}'),
    ],
  };
}

function ofExternal(dropping: readonly Dropping[], facts: Facts): Occurrence {
  return {
    where: `service/${facts.desired.name}`,
    message: messageOf(dropping, 'externalTrafficPolicy', facts),
    evidence: ['externalTrafficPolicy: Local', ...dropping.flatMap(({ seen }) => seen)],
    advice:
      'Nothing is to be done where clients keep to nodes with endpoints (a load balancer does by healthCheckNodePort). Otherwise spread the pods over the nodes, or set externalTrafficPolicy: Cluster.',
  };
}

function messageOf(dropping: readonly Dropping[], kind: string, { nodes }: Facts): string {
  const names = nodesOf(dropping);
  const shown =
    names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${String(names.length - 5)} more` : names.join(', ');
  return `${String(names.length)} of ${plural(nodes.length, 'node')} (${shown}) ${names.length === 1 ? 'drops' : 'drop'} packets of ${[...new Set(dropping.map(({ frontend }) => frontendText(frontend)))].join(', ')}, because ${kind} is Local and ${names.length === 1 ? 'it has' : 'they have'} no endpoint.`;
}

function nodesOf(dropping: readonly Dropping[]): string[] {
  return [...new Set(dropping.map(({ node }) => node))];
}

/** Counted since kube-proxy wrote the rule; connections of before it was there stay in conntrack. */
function seenOf(facts: Facts['nodes'][number], frontend: FrontendProgram, { desired, from, cluster }: Facts): string[] {
  const { node } = facts;
  const packets = frontend.counters?.packets ?? 0;
  const entries = serviceFlows(facts, desired)
    .filter((flow) => flow.frontend === frontend)
    .reduce((sum, { group }) => sum + group.entries, 0);
  const isClientHere = from !== undefined && (from.node ?? cluster?.client?.node) === node;
  return [
    ...(packets === 0
      ? []
      : [`the rule of ${node} dropped ${plural(packets, 'packet')}: ${frontend.refusedBy?.rule ?? ''}`]),
    ...(entries === 0
      ? []
      : [`conntrack of ${node} holds ${plural(entries, 'connection')} to ${frontendText(frontend)}`]),
    ...(isClientHere ? [`the client ${from.pod ?? from.addresses.join(', ')} is on ${node}`] : []),
  ];
}
