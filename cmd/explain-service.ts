/** `kubectl svctrace explain SERVICE`: every rule that its packets meet, in plain words; with --from, one client's whole way. */
import { hostPort } from '../core/address.ts';
import { clientStatus } from '../core/client-status.ts';
import type { Bundle } from '../core/bundle.ts';
import { comparisonOf } from '../core/compare-service.ts';
import {
  explainProgram,
  frontendMatches,
  frontendName,
  type FamilyExplanation,
} from '../core/explain/explain-program.ts';
import type { Journey } from '../core/explain/follow-client.ts';
import { readNodeFacts } from '../core/node-facts.ts';
import { askedFrontends, type Frontend } from '../core/node-program.ts';
import { recordsOf, type NodeReport } from '../core/node-report.ts';
import { present } from '../core/present.ts';
import { familyOf, type DesiredService } from '../core/service.ts';
import type { ComparisonStatus, ServiceTraceStatus } from '../core/service-trace.ts';
import { isTried, untriedTexts } from '../core/untried.ts';
import { openServiceBundle } from './bundle-source.ts';
import { checkFamilies, clientsOf, homeOf, journeysOf, type PlacedClient } from './client-journeys.ts';
import { UsageError } from './errors.ts';
import { exitStatus } from './exit-status.ts';
import { widthOf, type Io } from './io.ts';
import { nodesByProgram, twinsText, unreadOf, viewOfNode, type NodeView } from './node-programs.ts';
import { writeResult } from './output.ts';
import { printColumns } from './printers/columns.ts';
import { comparisonLines } from './printers/comparison.ts';
import { printFamily, printJourney } from './printers/explanation.ts';
import { createPaint, wantsColor } from './printers/paint.ts';
import { visible } from './printers/visible.ts';
import { wrapped } from './printers/wrapped.ts';
import type { ExplainRequest } from './request.ts';
import { connectionsTable, type NodeConnections } from './result-tables.ts';

/** What one node does: the keys of -o json. */
interface NodeExplanation {
  readonly node: string;
  readonly sameOn: readonly string[];
  readonly proxyMode: string;
  readonly backend?: string;
  readonly proxyModeSource: string;
  readonly families?: readonly FamilyExplanation[];
  readonly journeys?: readonly Journey[];
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

/**
 * @returns 5 where a node did not answer, or a part of one's rules could not be read; 1 where rules of other programs keep a
 * client of --from from an answer
 * @throws UsageError where the node, the client or the frontend is none of the Service's
 */
export async function runExplain(request: ExplainRequest, io: Io): Promise<number> {
  const { from, to } = request;
  const bundle = await openServiceBundle(
    request,
    {
      conntrack: 'Entries',
      dns: from !== undefined,
      ...(request.connect === 'None' ? {} : { connect: request.connect }),
    },
    io,
  );
  const { desired } = bundle;
  const missing = bundle.answers.flatMap((answer) =>
    'report' in answer || !isAsked(request, answer.node) ? [] : [`${answer.node} did not answer: ${answer.message}`],
  );
  for (const line of missing) io.stderr.write(`${line}\n`);
  const frontends = askedFrontends(desired);
  const wanted = chooseFrontends(bundle, request, frontends);
  const clients = from === undefined ? undefined : clientsOf(bundle, from);
  if (clients !== undefined) checkFamilies(clients, to === undefined ? frontends : wanted, desired);
  const views = viewsOf(bundle, request, clients);
  const explained = views.map(({ report, program, twins }): NodeExplanation => ({
    node: report.node,
    sameOn: twins,
    proxyMode: program.proxyMode,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    proxyModeSource: program.proxyModeSource,
    ...(clients === undefined
      ? {
          families: explainProgram(
            report,
            desired,
            (frontend) => wanted.some((each) => frontendName(each) === frontendName(frontend)),
            bundle.cluster,
          ),
        }
      : { journeys: journeysOf(bundle, report, clients, wanted) }),
    unread: unreadOf(report, `${desired.namespace}/${desired.name}`),
  }));
  const nodes = bundle.answers.map((answer) => readNodeFacts(answer, desired, bundle.nodeZones?.[answer.node]));
  // Of all nodes, whichever are explained.
  const comparison = comparisonOf({ desired, nodes, now: bundle.recordedAt, ...present({ cluster: bundle.cluster }) });
  const { cluster } = bundle;
  const client =
    cluster?.client?.connected === undefined ? undefined : clientStatus(cluster.client, cluster.client.connected);
  const connections = nodes.flatMap(({ node, read }) =>
    read?.connections === undefined || !isAsked(request, node) ? [] : [{ name: node, connections: read.connections }],
  );
  const untried = untriedTexts({
    hasEndpoints: desired.endpointSlices.some(({ endpoints }) => endpoints.some(({ ready }) => ready)),
    isTriedFromNodes: connections.some((each) => each.connections.some(isTried)),
    isRefused: cluster?.connectRefusal !== undefined,
    ...present({ client }),
  });
  const result = {
    service: `${desired.namespace}/${desired.name}`,
    frontends: frontends.map(frontendName),
    nodes: explained,
    comparison,
    ...(connections.length === 0 ? {} : { connections }),
    ...present({ client }),
    untried,
  };
  writeResult(io, request.output, result, (shown) =>
    textOf(
      visible(desired),
      shown.nodes,
      {
        comparison: shown.comparison,
        connections: shown.connections ?? [],
        client: shown.client,
        untried: shown.untried,
      },
      request,
      io,
    ),
  );
  if (missing.length > 0 || explained.some(({ unread }) => unread.length > 0)) return exitStatus.partial;
  return explained.some(({ journeys }) => journeys?.some(({ faults }) => faults.length > 0) === true)
    ? exitStatus.findings
    : exitStatus.ok;
}

function isAsked({ nodes }: ExplainRequest, node: string): boolean {
  return nodes.length === 0 || nodes.includes(node);
}

/** @throws UsageError where --to is no frontend of the Service */
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
  throw new UsageError(
    `--to ${to.address === undefined ? `port ${String(to.port)}` : hostPort(to.address, to.port)} is no address of Service ${desired.name}. It has ${all.map(frontendName).join(', ') || `none: ${desired.service.notProxied ?? 'it has no ports'}`}.`,
  );
}

/** One node of each different program, or those that were asked for; a client's own node where it is known. */
function viewsOf(
  { answers, desired }: Bundle,
  { nodes }: ExplainRequest,
  clients: readonly PlacedClient[] | undefined,
): NodeView[] {
  const strangers = nodes.filter((name) => !answers.some(({ node }) => node === name));
  if (strangers.length > 0)
    throw new UsageError(
      `--node ${strangers.join(', ')}: there is no such node in the trace; it has ${answers.map(({ node }) => node).join(', ')}.`,
    );
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  if (reports.length === 0)
    throw new UsageError(`No node's rules are there to explain: ${desired.name} was traced on no node that answered.`);
  const view = (report: NodeReport): NodeView => viewOfNode(report, desired);
  if (nodes.length > 0) return reports.filter(({ node }) => nodes.includes(node)).map(view);
  const home = homeOf(reports, clients ?? []);
  if (home !== undefined) return [view(home)];
  return nodesByProgram(reports, desired);
}

interface Tried {
  readonly comparison: ComparisonStatus;
  readonly connections: readonly NodeConnections[];
  readonly client: ServiceTraceStatus['client'];
  /** What was not tried. */
  readonly untried: readonly string[];
}

function textOf(
  desired: DesiredService,
  nodes: readonly NodeExplanation[],
  { comparison, connections, client, untried }: Tried,
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
        `kube-proxy writes no rules for it, because ${service.notProxied}: its name leads to the pods themselves.`,
      ),
    );
  for (const { node, sameOn, proxyMode, backend, proxyModeSource, families, journeys, unread } of nodes) {
    lines.push(
      '',
      paint(
        'heading',
        `Node ${node}${twinsText(sameOn)}: proxy mode ${proxyMode}${backend === undefined ? '' : ` on ${backend}`}`,
      ),
      paint('dim', `(${proxyModeSource})`),
    );
    for (const { what, reason } of unread) lines.push(paint('warning', `not read: ${what}: ${reason}`));
    // A chain may be longer than a call may have arguments.
    for (const family of families ?? [])
      for (const line of ['', ...printFamily(family, { width, paint })]) lines.push(line);
    for (const journey of journeys ?? []) lines.push('', ...printJourney(journey, { width, paint }));
    if ((families ?? journeys ?? []).length === 0 && service.notProxied === undefined)
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
