/** `kubectl svctrace explain SERVICE`: every rule that its packets meet, in plain words; with --from, one client's whole way. */
import { stringify } from 'yaml';
import { hostPort, isSameAddress, prefixContains } from '../core/address.ts';
import type { Bundle } from '../core/bundle.ts';
import { comparisonOf } from '../core/compare-service.ts';
import { explainProgram, frontendMatches, frontendName, type FamilyExplanation } from '../core/explain/explain-program.ts';
import { followClient, type Client, type Journey } from '../core/explain/follow-client.ts';
import { readNodeFacts } from '../core/node-facts.ts';
import { frontendsOf, type Frontend } from '../core/node-program.ts';
import { recordsOf, type NodeReport } from '../core/node-report.ts';
import { parseConntrackLine } from '../core/parse/conntrack.ts';
import { present } from '../core/present.ts';
import { familyOf } from '../core/service.ts';
import type { ComparisonStatus } from '../core/service-trace.ts';
import { openServiceBundle } from './bundle-source.ts';
import { UsageError } from './errors.ts';
import { exitStatus } from './exit-status.ts';
import { widthOf, type Io } from './io.ts';
import { nodesByProgram, twinsText, unreadOf, viewOfNode, type NodeView } from './node-programs.ts';
import { printColumns } from './printers/columns.ts';
import { comparisonLines } from './printers/comparison.ts';
import { printFamily, printJourney } from './printers/explanation.ts';
import { createPaint, wantsColor } from './printers/paint.ts';
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
 * @returns 5 where a node did not answer, or a part of one's rules could not be read
 * @throws UsageError where the node, the client or the frontend is none of the Service's
 */
export async function runExplain(request: ExplainRequest, io: Io): Promise<number> {
  const { from } = request;
  const bundle = await openServiceBundle(request, { conntrack: 'Entries', dns: from !== undefined, ...(request.connect === 'None' ? {} : { connect: request.connect }) }, io);
  const { desired } = bundle;
  const missing = bundle.answers.flatMap((answer) => ('report' in answer || !isAsked(request, answer.node) ? [] : [`${answer.node} did not answer: ${answer.message}`]));
  for (const line of missing) io.stderr.write(`${line}\n`);
  const frontends = frontendsOf(desired);
  const wanted = chooseFrontends(bundle, request, frontends);
  const clients = from === undefined ? undefined : clientsOf(bundle, from);
  const views = viewsOf(bundle, request, clients);
  const explained = views.map(({ report, program, twins }): NodeExplanation => ({
    node: report.node,
    sameOn: twins,
    proxyMode: program.proxyMode,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    proxyModeSource: program.proxyModeSource,
    ...(clients === undefined ? { families: explainProgram(report, desired, (frontend) => wanted.some((each) => frontendName(each) === frontendName(frontend))) } : { journeys: journeysOf(bundle, report, clients, wanted) }),
    unread: unreadOf(report, `${desired.namespace}/${desired.name}`),
  }));
  const nodes = bundle.answers.map((answer) => readNodeFacts(answer, desired, bundle.nodeZones?.[answer.node]));
  // Of all nodes, whichever are explained.
  const comparison = comparisonOf({ desired, nodes, now: bundle.recordedAt, ...present({ cluster: bundle.cluster }) });
  const connections = nodes.flatMap(({ node, read }) => (read?.connections === undefined || !isAsked(request, node) ? [] : [{ name: node, connections: read.connections }]));
  const result = { service: `${desired.namespace}/${desired.name}`, frontends: frontends.map(frontendName), nodes: explained, comparison, ...(connections.length === 0 ? {} : { connections }) };
  if (request.output === 'json') io.stdout.write(`${JSON.stringify(result, undefined, 4)}\n`);
  else if (request.output === 'yaml') io.stdout.write(stringify(result));
  else io.stdout.write(textOf(bundle, explained, { comparison, connections }, request, io));
  return missing.length > 0 || explained.some(({ unread }) => unread.length > 0) ? exitStatus.partial : exitStatus.ok;
}

function isAsked({ nodes }: ExplainRequest, node: string): boolean {
  return nodes.length === 0 || nodes.includes(node);
}

/** @throws UsageError where --to is no frontend of the Service */
function chooseFrontends({ answers, desired }: Bundle, { to, from }: ExplainRequest, all: readonly Frontend[]): readonly Frontend[] {
  if (to === undefined) return from !== undefined && 'ip' in from ? all.filter(({ family }) => family === familyOf(from.ip)) : all;
  const addresses = answers.flatMap((answer) => ('report' in answer ? (recordsOf(answer.report, 'start')[0]?.addresses ?? []) : []));
  const found = all.filter((frontend) => frontendMatches(frontend, to, addresses));
  if (found.length > 0) return found;
  throw new UsageError(`--to ${to.address === undefined ? `port ${String(to.port)}` : hostPort(to.address, to.port)} is no address of Service ${desired.name}. It has ${all.map(frontendName).join(', ') || `none: ${desired.service.notProxied ?? 'it has no ports'}`}.`);
}

/** The addresses of the client; a pod's by its name, as far as the trace knows it. @throws UsageError */
function clientsOf({ answers, cluster, desired, walkFrom }: Bundle, from: NonNullable<ExplainRequest['from']>): readonly (Client & { readonly node?: string })[] {
  const endpoints = desired.endpointSlices.flatMap((slice) => slice.endpoints);
  if ('ip' in from) {
    const endpoint = endpoints.find(({ addresses }) => addresses.some((address) => isSameAddress(address, from.ip)));
    const pod = cluster?.pods?.find(({ addresses }) => addresses.some((address) => isSameAddress(address, from.ip)));
    const name = pod?.name ?? endpoint?.targetRef?.name;
    const node = pod?.node ?? endpoint?.nodeName ?? cluster?.nodes?.find(({ podCIDRs }) => podCIDRs.some((prefix) => prefixContains(prefix, from.ip) === true))?.name ?? trackingNode(answers, from.ip);
    return [{ address: from.ip, ...(name === undefined ? {} : { pod: name }), ...(node === undefined ? {} : { node }) }];
  }
  if (walkFrom !== undefined && walkFrom.length > 0) return walkFrom.map(({ address, node }) => ({ address, node, pod: from.pod }));
  const pod = cluster?.pods?.find(({ name }) => name === from.pod);
  if (pod !== undefined) return pod.addresses.map((address) => ({ address, pod: pod.name, ...(pod.node === undefined ? {} : { node: pod.node }) }));
  const own = endpoints.filter(({ targetRef }) => targetRef?.name === from.pod);
  if (own.length > 0) return own.flatMap(({ addresses, nodeName }) => addresses.slice(0, 1).map((address) => ({ address, pod: from.pod, ...(nodeName === undefined ? {} : { node: nodeName }) })));
  throw new UsageError(`--from ${from.pod}: the trace knows no pod of this name; a recorded trace knows the Service's own pods alone. Write the client's IP address.`);
}

/** The node whose conntrack holds connections of the client, where it is one alone: packets of a pod meet the rules of its own node. */
function trackingNode(answers: Bundle['answers'], address: string): string | undefined {
  const nodes = answers.filter((answer) => 'report' in answer && recordsOf(answer.report, 'conntrack').some(({ lines }) => lines.some((line) => parseConntrackLine(line)?.original.source === address)));
  return nodes.length === 1 ? nodes[0]?.node : undefined;
}

/** One node of each different program, or those that were asked for; a client's own node where it is known. */
function viewsOf({ answers, desired }: Bundle, { nodes }: ExplainRequest, clients: readonly (Client & { readonly node?: string })[] | undefined): NodeView[] {
  const strangers = nodes.filter((name) => !answers.some(({ node }) => node === name));
  if (strangers.length > 0) throw new UsageError(`--node ${strangers.join(', ')}: there is no such node in the trace; it has ${answers.map(({ node }) => node).join(', ')}.`);
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  if (reports.length === 0) throw new UsageError(`No node's rules are there to explain: ${desired.name} was traced on no node that answered.`);
  const view = (report: NodeReport): NodeView => viewOfNode(report, desired);
  if (nodes.length > 0) return reports.filter(({ node }) => nodes.includes(node)).map(view);
  const home = (clients ?? []).flatMap(({ address, node }) => reports.filter((report) => (node === undefined ? (recordsOf(report, 'start')[0]?.addresses ?? []).some((own) => isSameAddress(own, address)) : report.node === node)));
  const [first] = home;
  if (first !== undefined) return [view(first)];
  return nodesByProgram(reports, desired);
}

function journeysOf(bundle: Bundle, report: NodeReport, clients: readonly Client[], frontends: readonly Frontend[]): Journey[] {
  return frontends.flatMap((frontend) => clients.filter(({ address }) => familyOf(address) === frontend.family).flatMap((client) => followClient(bundle, report, client, frontend) ?? []));
}

function textOf({ desired }: Bundle, nodes: readonly NodeExplanation[], { comparison, connections }: { readonly comparison: ComparisonStatus; readonly connections: readonly NodeConnections[] }, request: ExplainRequest, io: Io): string {
  const paint = createPaint(wantsColor(request.color, io.stdout.isTTY === true, io.env));
  const width = widthOf(io);
  const { service } = desired;
  const lines = [`${paint('heading', `Service ${desired.namespace}/${desired.name}`)}  ${[service.type, ...service.clusterIPs].join(' ')}`];
  if (service.notProxied !== undefined) lines.push(paint('warning', `kube-proxy writes no rules for it, because ${service.notProxied}: its name leads to the pods themselves.`));
  for (const { node, sameOn, proxyMode, backend, proxyModeSource, families, journeys, unread } of nodes) {
    lines.push('', paint('heading', `Node ${node}${twinsText(sameOn)}: proxy mode ${proxyMode}${backend === undefined ? '' : ` on ${backend}`}`), paint('dim', `(${proxyModeSource})`));
    for (const { what, reason } of unread) lines.push(paint('warning', `not read: ${what}: ${reason}`));
    for (const family of families ?? []) lines.push('', ...printFamily(family, { width, paint }));
    for (const journey of journeys ?? []) lines.push('', ...printJourney(journey, { width, paint }));
    if ((families ?? journeys ?? []).length === 0 && service.notProxied === undefined) lines.push(paint('warning', 'no rules of the Service are known on this node'));
  }
  const disagreeing = comparison.rows.length + comparison.outliers.length === 0 ? [] : ['', ...comparisonLines(comparison, { width, paint })];
  const table = connectionsTable({ nodes: connections });
  const tried = connections.length === 0 ? [] : ['', paint('heading', 'Connections made by --connect'), ...printColumns(table.columns, table.rows, { width, paint })];
  return `${[...lines, ...tried, ...disagreeing].join('\n')}\n`;
}
