/** `kubectl svctrace explain SERVICE`: every rule that its packets meet, in plain words; with --from, one client's packet path. */
import { hostPort, isSameAddress } from '../../core/net/address.ts';
import { clientStatus } from '../../core/status/client-status.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import { comparisonOf } from '../../core/diagnose/checks/compare-service.ts';
import { desiredOfTrace } from '../../core/api/desired-of-trace.ts';
import { explainProgram } from '../../core/explain/explain-program.ts';
import { frontendMatches, frontendName } from '../../core/explain/rule-frontends.ts';
import type { FamilyExplanation } from '../../core/explain/explanation.ts';
import type { PacketPath } from '../../core/explain/follow-client.ts';
import { readNodeFacts } from '../../core/program/node-facts.ts';
import { type Frontend, checkedFrontends } from '../../core/api/frontends.ts';
import { recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import { present } from '../../core/lib/present.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { familyOf } from '../../core/net/family.ts';
import type {
  ComparisonStatus,
  NodePortStatus,
  NodeStatus,
  ServiceTrace,
  ServiceTraceStatus,
} from '../../core/api/service-trace.ts';
import { isTried, untriedOf, untriedTexts } from '../../core/status/untried.ts';
import type { connect } from '../cluster/cluster-client.ts';
import {
  checkFamilies,
  clientsOf,
  ownNodeOf,
  packetPathsOf,
  type PlacedClient,
} from '../tables/client-packet-paths.ts';
import { UsageError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { widthOf, type Io } from '../cli/io.ts';
import {
  nodesByProgram,
  identicalNodesText,
  unreadOf,
  withProgram,
  type NodeAndProgram,
} from '../tables/node-programs.ts';
import { writeResult } from '../cli/output.ts';
import { printColumns } from '../tables/columns.ts';
import { comparisonLines } from '../printers/comparison.ts';
import { printFamily, printPacketPath } from '../printers/explanation.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';
import { visible } from '../../core/lib/visible.ts';
import { wrapped } from '../printers/wrapped.ts';
import { readService, sayLacking } from '../sources/read-service.ts';
import type { ExplainRequest } from '../cli/request.ts';
import { connectionsTable, type NodeConnections } from '../tables/result-tables.ts';
import { statusPacketPaths, statusPrograms } from '../tables/status-programs.ts';
import { checkNodes } from '../cli/trace-nodes.ts';

/** What one node does: the keys of -o json. */
interface NodeExplanation {
  readonly node: string;
  readonly sameOn: readonly string[];
  readonly proxyMode: string;
  readonly backend?: string;
  readonly proxyModeSource: string;
  readonly families?: readonly FamilyExplanation[];
  readonly packetPaths?: readonly PacketPath[];
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

/** All of it: the keys of -o json. */
interface Explanation {
  readonly service: string;
  readonly frontends: readonly string[];
  readonly nodes: readonly NodeExplanation[];
  /** Of all nodes, whichever are explained. */
  readonly comparison: ComparisonStatus;
  readonly connections?: readonly NodeConnections[];
  readonly client?: ServiceTraceStatus['client'];
  /** What was not tried. */
  readonly untried: readonly string[];
}

/**
 * @param connectTo replaced by tests
 * @returns 5 where a node did not answer, or a part of one's rules could not be read; 1 where third-party rules keep a
 * client of --from from an answer
 * @throws UsageError where the node, the client or the frontend is none of the Service's
 * @throws ClusterError where the user may neither collect nor ask the operator
 */
export async function runExplain(request: ExplainRequest, io: Io, connectTo?: typeof connect): Promise<number> {
  if (request.changes) return explainLastChange(request, io, connectTo);
  const reading = await readService(
    request,
    {
      conntrack: 'Entries',
      dns: request.from !== undefined,
      ...(request.connect === 'None' ? {} : { connect: request.connect }),
    },
    io,
    connectTo,
  );
  const { desired, missing, explanation } =
    reading.kind === 'trace' ? explainTrace(reading.trace, request) : explainBundle(reading.bundle, request);
  for (const line of missing) io.stderr.write(`${line}\n`);
  writeResult(io, request.output, explanation, (shown) => textOf(visible(desired), shown, request, io));
  if (reading.kind === 'trace')
    sayLacking(
      io,
      reading.lacking,
      request.from === undefined
        ? 'the third-party rules are shown too, and who meets each rule'
        : 'the packet is followed past the rules, and its answer back, and to more than cluster IPs',
    );
  const { nodes } = explanation;
  if (missing.length > 0 || nodes.some(({ unread }) => unread.length > 0)) return exitStatus.partial;
  return nodes.some(({ packetPaths }) => packetPaths?.some(({ faults }) => faults.length > 0) === true)
    ? exitStatus.findings
    : exitStatus.ok;
}

/** @returns 5 where some node is not known to have the change */
async function explainLastChange(
  { origin, flags, output, color }: ExplainRequest,
  io: Io,
  connectTo?: typeof connect,
): Promise<number> {
  // combinations.ts refuses recorded traces.
  if (origin.kind === 'bundle') throw new UsageError('A recorded trace is of one moment: it has no changes.');
  const [{ connect: connectHere }, { traceWithChange }, { changeToExplain, explainChange }, { printChange }] =
    await Promise.all([
      import('../cluster/cluster-client.ts'),
      import('../sources/last-change.ts'),
      import('../../core/explain/explain-change.ts'),
      import('../printers/slice-change.ts'),
    ]);
  const clusterClient = (connectTo ?? connectHere)(flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const { status = {}, metadata } = await traceWithChange(clusterClient, origin, io);
  const change = changeToExplain(status.convergence ?? {});
  if (change === undefined) throw new UsageError(`No change of the EndpointSlices of ${origin.service} is known.`);
  const service = `${metadata.namespace ?? clusterClient.namespace}/${origin.service}`;
  const paint = createPaint(wantsColor(color, io.stdout.isTTY === true, io.env));
  writeResult(io, output, { service, change, explanation: explainChange(change, status) }, (shown) =>
    printChange(shown.service, shown.explanation, { width: widthOf(io), paint }),
  );
  return change.lag.pending > 0 ? exitStatus.partial : exitStatus.ok;
}

interface Explained {
  readonly desired: DesiredService;
  /** Which nodes did not answer, and why. */
  readonly missing: readonly string[];
  readonly explanation: Explanation;
}

function explainBundle(bundle: Bundle, request: ExplainRequest): Explained {
  const { from, to } = request;
  const { desired } = bundle;
  const missing = bundle.answers.flatMap((answer) =>
    'report' in answer || !isChosen(request, answer.node) ? [] : [`${answer.node} did not answer: ${answer.message}`],
  );
  const frontends = checkedFrontends(desired);
  const wanted = chooseFrontends(bundle, request, frontends);
  const clients = from === undefined ? undefined : clientsOf(bundle, from);
  if (clients !== undefined) checkFamilies(clients, to === undefined ? frontends : wanted, desired);
  const chosen = nodesToExplain(bundle, request, clients);
  const explained = chosen.map(({ report, program, identicalNodes }): NodeExplanation => ({
    node: report.node,
    sameOn: identicalNodes,
    proxyMode: program.proxyMode,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    proxyModeSource: program.proxyModeSource,
    ...(clients === undefined
      ? {
          families: explainProgram(report, desired, {
            wants: (frontend) => wanted.some((each) => frontendName(each) === frontendName(frontend)),
            cluster: bundle.cluster,
            isFolded: isFolded(request),
          }),
        }
      : { packetPaths: packetPathsOf(bundle, report, clients, wanted) }),
    unread: unreadOf(report, `${desired.namespace}/${desired.name}`),
  }));
  const nodes = bundle.answers.map((answer) => readNodeFacts(answer, desired, bundle.nodeZones?.[answer.node]));
  const comparison = comparisonOf({ desired, nodes, now: bundle.recordedAt, ...present({ cluster: bundle.cluster }) });
  const { cluster } = bundle;
  const client =
    cluster?.client?.connected === undefined ? undefined : clientStatus(cluster.client, cluster.client.connected);
  const connections = nodes.flatMap(({ node, read }) =>
    read?.connections === undefined || !isChosen(request, node) ? [] : [{ name: node, connections: read.connections }],
  );
  const untried = untriedTexts({
    hasEndpoints: desired.endpointSlices.some(({ endpoints }) => endpoints.some(({ ready }) => ready)),
    isTriedFromNodes: connections.some((each) => each.connections.some(isTried)),
    isRefused: cluster?.connectRefusal !== undefined,
    ...present({ client }),
  });
  return {
    desired,
    missing,
    explanation: {
      service: `${desired.namespace}/${desired.name}`,
      frontends: frontends.map(frontendName),
      nodes: explained,
      comparison,
      ...(connections.length === 0 ? {} : { connections }),
      ...present({ client }),
      untried,
    },
  };
}

/** What an operator's trace holds of it: not the third-party rules, nor who meets a rule. */
function explainTrace(trace: ServiceTrace, request: ExplainRequest): Explained {
  const { from, to } = request;
  const { status = {} } = trace;
  const desired = desiredOfTrace(trace);
  const nodes = (status.nodes ?? []).filter(({ name }) => isChosen(request, name));
  const missing = nodes.flatMap(({ name, probe }) =>
    probe.state === 'Collected' ? [] : [`${name} did not answer: ${probe.message ?? probe.reason ?? probe.state}`],
  );
  const frontends = distinctFrontends(nodes);
  const isWanted = ({ address, port }: { readonly address: string; readonly port: number }): boolean =>
    to === undefined ||
    (port === to.port && (to.address === undefined || (address !== '' && isSameAddress(address, to.address))));
  if (to !== undefined && frontends.length > 0 && !frontends.some(isWanted)) throw noFrontend(to, desired, frontends);
  if (from !== undefined && 'ip' in from) checkFamilies([{ address: from.ip }], frontends.filter(isWanted), desired);
  const packetPaths = from === undefined ? [] : statusPacketPaths(trace, from, request.nodes, isWanted);
  const programs = statusPrograms(trace, request.nodes, { wants: isWanted, isFolded: isFolded(request) });
  const explained = programs.flatMap(({ node, identicalNodes, families, unread }): NodeExplanation[] => {
    const own = packetPaths.filter(
      (packetPath) => packetPath.node === node.name || identicalNodes.includes(packetPath.node),
    );
    if (from !== undefined && own.length === 0) return [];
    return [
      {
        node: own[0]?.node ?? node.name,
        sameOn: from === undefined ? identicalNodes : [],
        proxyMode: node.proxyMode,
        ...(node.backend === undefined ? {} : { backend: node.backend }),
        proxyModeSource: node.proxyModeSource ?? 'how its mode is known is not in the trace',
        ...(from === undefined ? { families } : { packetPaths: own }),
        unread,
      },
    ];
  });
  const connections = nodes.flatMap(({ name, connections: own }) =>
    own === undefined ? [] : [{ name, connections: own }],
  );
  return {
    desired,
    missing,
    explanation: {
      service: `${desired.namespace}/${desired.name}`,
      frontends: frontends.map(frontendName),
      nodes: explained,
      comparison: status.comparison ?? { rows: [], omitted: 0, outliers: [] },
      ...(connections.length === 0 ? {} : { connections }),
      ...present({ client: status.client }),
      untried: untriedOf(status),
    },
  };
}

/** Those of all nodes, each once. */
function distinctFrontends(nodes: readonly NodeStatus[]): NodePortStatus[] {
  return [...new Map(nodes.flatMap(({ ports }) => ports).map((port) => [frontendName(port), port])).values()];
}

/** JSON has every rule. */
function isFolded({ all, output }: ExplainRequest): boolean {
  return !all && output === 'text';
}

function isChosen({ nodes }: ExplainRequest, node: string): boolean {
  return nodes.length === 0 || nodes.includes(node);
}

/** @throws UsageError where --to is not a frontend of the Service */
function chooseFrontends(
  { answers, desired }: Bundle,
  { to, from }: ExplainRequest,
  all: readonly Frontend[],
): readonly Frontend[] {
  if (to === undefined)
    return from !== undefined && 'ip' in from ? all.filter(({ family }) => family === familyOf(from.ip)) : all;
  const addresses = answers.flatMap((answer) =>
    'report' in answer ? (recordsOf(answer.report, 'start')[0]?.addresses ?? []) : [],
  );
  const found = all.filter((frontend) => frontendMatches(frontend, to, addresses));
  if (found.length > 0) return found;
  throw noFrontend(to, desired, all);
}

function noFrontend(
  to: NonNullable<ExplainRequest['to']>,
  desired: DesiredService,
  all: readonly Parameters<typeof frontendName>[0][],
): UsageError {
  return new UsageError(
    `--to ${to.address === undefined ? `port ${String(to.port)}` : hostPort(to.address, to.port)} is not an address of Service ${desired.name}. It has ${all.map(frontendName).join(', ') || `none: ${desired.service.notProxied ?? 'it has no ports'}`}.`,
  );
}

/** One node of each different program, or those that were asked for; a client's own node where it is known. */
function nodesToExplain(
  { answers, desired }: Bundle,
  { nodes }: ExplainRequest,
  clients: readonly PlacedClient[] | undefined,
): NodeAndProgram[] {
  checkNodes(
    nodes,
    answers.map(({ node }) => node),
  );
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  if (reports.length === 0)
    throw new UsageError(`No node's rules are there to explain: ${desired.name} was traced on no node that answered.`);
  const chosenNode = (report: NodeReport): NodeAndProgram => withProgram(report, desired);
  if (nodes.length > 0) return reports.filter(({ node }) => nodes.includes(node)).map(chosenNode);
  const ownNode = ownNodeOf(reports, clients ?? []);
  if (ownNode !== undefined) return [chosenNode(ownNode)];
  return nodesByProgram(reports, desired);
}

function textOf(
  desired: DesiredService,
  { nodes, comparison, connections = [], client, untried }: Explanation,
  request: ExplainRequest,
  io: Io,
): string {
  const paint = createPaint(wantsColor(request.color, io.stdout.isTTY === true, io.env));
  const width = widthOf(io);
  const { service } = desired;
  const lines = [
    `${paint('heading', `Service ${desired.namespace}/${desired.name}`)}  ${[service.type, ...service.clusterIPs].join(' ')}`,
  ];
  if (service.notProxied !== undefined)
    lines.push(
      paint(
        'warning',
        `kube-proxy writes no rules for it, because ${service.notProxied}: its name resolves to the pods themselves.`,
      ),
    );
  for (const { node, sameOn, proxyMode, backend, proxyModeSource, families, packetPaths, unread } of nodes) {
    lines.push(
      '',
      paint(
        'heading',
        `Node ${node}${identicalNodesText(sameOn)}: proxy mode ${proxyMode}${backend === undefined ? '' : ` on ${backend}`}`,
      ),
      paint('dim', `(${proxyModeSource})`),
    );
    for (const { what, reason } of unread) lines.push(paint('warning', `not read: ${what}: ${reason}`));
    // A chain may be longer than a call may have arguments.
    for (const family of families ?? [])
      for (const line of ['', ...printFamily(family, { width, paint })]) lines.push(line);
    for (const packetPath of packetPaths ?? []) lines.push('', ...printPacketPath(packetPath, { width, paint }));
    if ((families ?? packetPaths ?? []).length === 0 && service.notProxied === undefined)
      lines.push(paint('warning', 'no rules of the Service are known on this node'));
  }
  const disagreeing =
    comparison.rows.length + comparison.outliers.length === 0
      ? []
      : ['', ...comparisonLines(comparison, { width, paint })];
  const table = connectionsTable({ nodes: connections, ...present({ client }) });
  const tried =
    connections.length === 0
      ? []
      : [
          '',
          paint('heading', 'Connections made by --connect'),
          ...printColumns(table.columns, table.rows, { width, paint }),
        ];
  const note =
    untried.length === 0 ? [] : ['', ...wrapped(untried.join('; '), width).map((line) => paint('dim', line))];
  return `${[...lines, ...tried, ...disagreeing, ...note].join('\n')}\n`;
}
