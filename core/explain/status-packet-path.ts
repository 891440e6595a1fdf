/** One client's packet path, as far as a status holds it: the walk of spec.from, in the steps of `followClient`. */
import { hostPort } from '../net/address.ts';
import { connectionText } from '../diagnose/checks/connections.ts';
import { isKubeStep } from '../diagnose/checks/foreign-rules.ts';
import { ipvsTable } from '../api/chain-name.ts';
import type { DesiredService } from '../api/service.ts';
import { familyOf } from '../net/family.ts';
import type { FindingStatus, NodeStatus, ProgramStatus, ServiceTraceStatus, WalkStatus } from '../api/service-trace.ts';
import { explainStatusProgram } from './explain-status.ts';
import { withPod } from './explained.ts';
import { frontendName } from './rule-frontends.ts';
import type { PacketPath, PacketPathRule } from './follow-client.ts';
import { shareSuffix } from './sentence.ts';
import { serviceNames } from './service-names.ts';

type ConnectionStatus = NonNullable<NodeStatus['connections']>[number];

/**
 * A walk of a status as a packet path. The share of each rule, and the path of the answers, are not in a status; what
 * third-party rules do to the client is in its findings.
 * @param pod the client's, where it is one
 */
export function statusPacketPath(
  walk: WalkStatus,
  status: Pick<ServiceTraceStatus, 'nodes' | 'programs' | 'findings'>,
  desired: DesiredService,
  pod: string | undefined,
): PacketPath {
  const node = status.nodes?.find(({ name }) => name === walk.node);
  const program = status.programs?.find(({ fingerprint }) => fingerprint === node?.program);
  const frontend = {
    frontend: 'ClusterIP',
    address: walk.destination,
    port: walk.destinationPort,
    protocol: walk.protocol,
  } as const;
  const who = pod === undefined ? `The client ${walk.source}` : `Pod ${pod} (${walk.source})`;
  const names = serviceNames(desired);
  const isDnat = walk.verdict === 'DNAT';
  return {
    node: walk.node,
    client: { address: walk.source, ...(pod === undefined ? {} : { pod }) },
    frontend: frontendName(frontend),
    verdict: walk.verdict,
    steps: [
      { letter: 'A', title: 'the name becomes an address', sentences: [dnsSentence(node)], rules: [], outcome: [] },
      {
        letter: 'B',
        title: 'the client connects',
        sentences: [
          `${who} opens a ${walk.protocol} connection to ${hostPort(walk.destination, walk.destinationPort)} (${frontendName(frontend)}).`,
        ],
        rules: [],
        outcome: tried(
          node,
          ({ hop, address, port }) =>
            hop === 'ClusterIP' && address === walk.destination && port === walk.destinationPort,
        ),
      },
      {
        letter: 'C',
        title: 'the rules of the node, to the end of the packet path',
        sentences: walk.path.length === 0 ? ['No rule of this Service matches it.'] : [],
        rules: rulesOf(walk, node, program, desired),
        outcome: [
          ...walk.destinations.map(
            ({ address, port, ...share }) =>
              `${hostPort(walk.destination, walk.destinationPort)} → DNAT → ${withPod(hostPort(address, port), address, names)}${shareSuffix(share)}.`,
          ),
          ...(isDnat
            ? [
                walk.masquerade
                  ? 'The node puts its own address in the place of the source, for at least one endpoint.'
                  : "The client's address stays the source.",
              ]
            : [`The verdict is ${walk.verdict}.`]),
        ],
      },
      ...(isDnat
        ? [
            {
              letter: 'E' as const,
              title: 'the pod',
              sentences: [],
              rules: [],
              outcome: tried(
                node,
                ({ hop, address, port }) =>
                  hop === 'Endpoint' &&
                  walk.destinations.some((each) => each.address === address && each.port === port),
              ),
            },
          ].filter(({ outcome }) => outcome.length > 0)
        : []),
    ],
    unknown: walk.unknown,
    faults: faultsOf(walk, status.findings ?? []),
  };
}

function dnsSentence(node: NodeStatus | undefined): string {
  if (node?.dns === undefined) return "The cluster's DNS was not asked from the node.";
  const { name, server, answers, error } = node.dns;
  const responses = [...(answers.length === 0 ? [] : [answers.join(' and ')]), ...(error === undefined ? [] : [error])];
  return `Asked from ${node.name}, ${server} answered ${responses.join('; ') || 'no address'} for ${name}.`;
}

function tried(node: NodeStatus | undefined, isMeant: (connection: ConnectionStatus) => boolean): string[] {
  return (node?.connections ?? [])
    .filter(isMeant)
    .map((each) => `Active check from node ${node?.name ?? ''} itself: ${connectionText(each)}.`);
}

function rulesOf(
  walk: WalkStatus,
  node: NodeStatus | undefined,
  program: ProgramStatus | undefined,
  desired: DesiredService,
): PacketPathRule[] {
  const explainer =
    node === undefined || program === undefined ? undefined : explainStatusProgram(program, desired, node.ports);
  const family = familyOf(walk.source);
  return walk.path.map(({ table, chain: name, rule: text, effect }): PacketPathRule => {
    const chain = program?.chains.find((each) => each.family === family && each.table === table && each.name === name);
    const index = chain?.rules.findIndex((rule) => rule.text === text) ?? -1;
    if (explainer === undefined || chain === undefined || index === -1)
      return { table, chain: name, text, sentence: `${effect}.`, lines: [], unknown: [], countsAll: false };
    const { sentence, lines, unknown, countsAll } = explainer.rule(chain, index);
    return { table, chain: name, text, sentence, lines, unknown, countsAll };
  });
}

/** What third-party rules do to the client: where one ends its packet, and what was found of such rules. */
function faultsOf(walk: WalkStatus, findings: readonly FindingStatus[]): string[] {
  const last = walk.path.at(-1);
  const ends =
    last !== undefined &&
    (walk.verdict === 'DROP' || walk.verdict === 'REJECT') &&
    !isKubeStep(last) &&
    last.table !== ipvsTable
      ? [`A third-party rule (${last.table} ${last.chain}: ${last.rule}) ends its packet: ${walk.verdict}.`]
      : [];
  const found = findings.flatMap(({ rule, severity, node, message }) =>
    rule === undefined || severity !== 'error' || (node !== undefined && node !== walk.node) ? [] : [message],
  );
  return [...ends, ...found];
}
