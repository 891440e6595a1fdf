/** `kubectl svctrace dns SERVICE`: what the cluster's DNS answers for the Service's names, and what it should. */
import { hostPort } from '../../core/net/address.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import type { Facts } from '../../core/diagnose/checks/finding.ts';
import { readNodeFacts } from '../../core/program/node-facts.ts';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import type { TraceEngine } from '../../engine/trace-engine.ts';
import { readBundle } from '../sources/bundle.ts';
import { connect, type ClusterClient } from '../cluster/cluster-client.ts';
import { checkClient } from '../cluster/find-client.ts';
import { collectBundle } from '../sources/collect-bundle.ts';
import {
  dnsResult,
  dnsResultOfTrace,
  type ClientDnsResult,
  type DnsResult,
  type DnsServiceResult,
  type QuestionResult,
} from '../tables/dns-result.ts';
import { NotFoundError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import { explainError } from '../cluster/explain-error.ts';
import { tableWidthOf, widthOf, type Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import { execInPod } from '../cluster/pod-exec.ts';
import { printColumns } from '../tables/columns.ts';
import { createPaint, wantsColor, type Paint } from '../tables/paint.ts';
import { findingLines } from '../printers/table.ts';
import { wrapped } from '../printers/wrapped.ts';
import { createProgress } from '../cli/progress.ts';
import { lackingText, traceByOperator } from '../sources/read-service.ts';
import type { DnsRequest } from '../cli/request.ts';
import { execAccess, missingRights, requireRights, standaloneAccess } from '../cluster/rights.ts';
import { cell, type Cell } from '../tables/tone.ts';
import { reasonOf } from '../cli/one-line.ts';

/**
 * @param connectTo replaced by tests
 * @returns 1 where a finding of DNS is an error, 5 where a node did not answer
 * @throws ClusterError where the user may neither collect nor ask the operator
 */
export async function runDns(request: DnsRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  const { result, isWhole, notices } =
    request.origin.kind === 'bundle'
      ? resultOfBundle(await ofBundle(request, request.origin.file))
      : await ofCluster(request, request.origin, io, connectTo);
  for (const notice of notices) io.stderr.write(`Notice: ${notice}\n`);
  writeResult(io, request.output, result, (shown) => print(shown, request, io));
  const errors = [...result.findings, ...(result.dnsService?.findings ?? [])].filter(
    ({ id, severity }) => severity === 'error' && id !== 'DATA-NODE-MISSING',
  );
  if (errors.length > 0) return exitStatus.findings;
  return isWhole ? exitStatus.ok : exitStatus.partial;
}

interface DnsAnswered {
  readonly result: DnsResult;
  /** Every node answered. */
  readonly isWhole: boolean;
  readonly notices: readonly string[];
}

function resultOfBundle({ bundle, dnsService, notices }: DnsReading): DnsAnswered {
  return {
    result: dnsResult(factsOf(bundle), dnsService),
    isWhole: bundle.answers.every((answer) => 'report' in answer),
    notices,
  };
}

interface DnsReading {
  readonly bundle: Bundle;
  readonly dnsService: ServiceTraceStatus | undefined;
  readonly notices: readonly string[];
}

async function ofBundle(request: DnsRequest, file: string): Promise<DnsReading> {
  const bundle = await readBundle(file);
  if (request.service !== undefined && request.service !== bundle.desired.name)
    throw new NotFoundError(`${file} holds a trace of Service "${bundle.desired.name}", not of "${request.service}".`);
  const wasAsked = factsOf(bundle).nodes.some(({ read }) => read?.dnsAnswers !== undefined);
  return { bundle, dnsService: undefined, notices: wasAsked ? [] : [`${file} holds no answer of DNS`] };
}

async function ofCluster(
  request: DnsRequest,
  origin: Extract<DnsRequest['origin'], { kind: 'cluster' }>,
  io: Io,
  connectTo: typeof connect,
): Promise<DnsAnswered> {
  const clusterClient = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const { namespace } = clusterClient;
  const from = request.from === undefined ? undefined : { pod: request.from };
  await checkClient(clusterClient, namespace, from);
  const collect = { rules: false, conntrack: 'None', kubeProxy: false, dns: true } as const;
  const asked = {
    ...origin,
    service: request.service ?? '',
    nodes: request.nodes,
    ...(from === undefined ? {} : { from }),
    collect,
  };
  const own = standaloneAccess(namespace, origin.probeNamespace);
  // What is read in a pod is compared with what its node and its spec make: no operator does that.
  if (request.exec) await requireRights(clusterClient, [...own, ...execAccess(namespace)], '--exec');
  const lacking = request.exec ? [] : await missingRights(clusterClient, own);
  if (lacking.length > 0) {
    const trace = await traceByOperator(clusterClient, { ...asked, lacking }, io);
    return {
      result: dnsResultOfTrace(trace),
      isWhole: (trace.status?.nodes ?? []).every(({ probe }) => probe.state === 'Collected'),
      notices: [
        lackingText(
          lacking,
          'each answer of each DNS server is shown, also for ports and pods, and the DNS Service is traced',
        ),
      ],
    };
  }
  const notices: string[] = [];
  let dnsService: ServiceTraceStatus | undefined;
  const progress = createProgress(io.stderr);
  const { bundle } = await collectBundle(
    clusterClient,
    {
      ...asked,
      whileProbesRun: async (engine) => {
        dnsService = await traceDnsService(engine, request.nodes, notices, io.signal);
      },
    },
    progress,
    io,
  );
  if (bundle.cluster?.dns === null)
    notices.push('there is no Service kube-dns in namespace kube-system, so nothing was asked');
  return resultOfBundle({
    bundle: request.exec ? await withResolvConf(bundle, clusterClient) : bundle,
    dnsService,
    notices,
  });
}

/** The DNS Service is a Service like any other: its endpoints and its rules decide whether anybody is answered. */
async function traceDnsService(
  engine: TraceEngine,
  nodes: readonly string[],
  notices: string[],
  signal: AbortSignal,
): Promise<ServiceTraceStatus | undefined> {
  try {
    const { status, desired } = await engine.trace({
      namespace: 'kube-system',
      spec: {
        serviceRef: { name: 'kube-dns' },
        collect: { rules: true, conntrack: 'None', kubeProxy: true, dns: false },
        ...(nodes.length === 0 ? {} : { nodes: { names: [...nodes] } }),
      },
      signal,
    });
    return desired === undefined ? undefined : status;
  } catch (error) {
    const explained = explainError(error);
    notices.push(`the DNS Service itself could not be traced: ${reasonOf(explained)}`);
    return undefined;
  }
}

async function withResolvConf(bundle: Bundle, { kubeConfig }: Pick<ClusterClient, 'kubeConfig'>): Promise<Bundle> {
  const client = bundle.cluster?.client;
  if (bundle.cluster === undefined || client === undefined) return bundle;
  const resolvConf = await execInPod(kubeConfig, {
    namespace: bundle.namespace,
    pod: client.pod,
    command: ['cat', '/etc/resolv.conf'],
  });
  return { ...bundle, cluster: { ...bundle.cluster, client: { ...client, resolvConf } } };
}

function factsOf({ desired, answers, recordedAt, cluster, nodeZones }: Bundle): Facts {
  const nodes = [...answers]
    .sort((one, other) => (one.node < other.node ? -1 : 1))
    .map((answer) => readNodeFacts(answer, desired, nodeZones?.[answer.node]));
  return { desired, nodes, now: recordedAt, ...(cluster === undefined ? {} : { cluster }) };
}

function print(result: DnsResult, { color }: DnsRequest, io: Io): string {
  const paint = createPaint(wantsColor(color, io.stdout.isTTY === true, io.env));
  const width = widthOf(io);
  const sections = [
    [
      `${paint('heading', `DNS of Service ${result.namespace}/${result.service}`)}  in the domain ${result.clusterDomain}`,
    ],
    result.client === undefined ? [] : clientLines(result.client, result.service, width, paint),
    questionLines(result, tableWidthOf(io), paint),
    result.dnsService === undefined ? [] : dnsServiceLines(result.dnsService, width, paint),
    result.findings.length === 0
      ? [
          `${paint('heading', 'Findings')}  ${result.questions.length === 0 ? paint('warning', 'none, but nothing was asked') : paint('ok', 'none')}`,
        ]
      : [
          paint('heading', 'Findings'),
          ...result.findings.flatMap((finding) => findingLines(finding, { paint, width })),
        ],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .concat('\n');
}

function clientLines(client: ClientDnsResult, service: string, width: number, paint: Paint): string[] {
  return [
    `${paint('heading', `resolv.conf of pod ${client.pod}`)}  ${client.source}${client.isPartial ? paint('warning', "; the node's part of it is not known") : ''}`,
    ...wrapped(`nameserver ${client.nameservers.join(' ') || '-'}`, width, 2),
    ...wrapped(`search ${client.searches.join(' ') || '-'}`, width, 2),
    ...wrapped(`options ${client.options.join(' ') || '-'}`, width, 2),
    ...wrapped(`${service} is asked as ${client.asks.join(', then ')}`, width, 2),
    ...(client.differences ?? []).flatMap((difference) =>
      wrapped(difference, width, 2).map((line) => paint('warning', line)),
    ),
  ];
}

const resultCells: Readonly<Record<QuestionResult['result'], Cell>> = {
  right: cell('right', 'ok'),
  absent: cell('absent', 'error'),
  wrong: cell('wrong', 'error'),
  unknown: cell('unknown', 'warning'),
};

/** Names are shown without the domain that the heading shows. */
function questionLines({ questions, clusterDomain }: DnsResult, width: number, paint: Paint): string[] {
  if (questions.length === 0) return [];
  const columns = [
    { title: 'SERVER', least: 14 },
    { title: 'ASKED FROM', least: 10 },
    { title: 'NAME', least: 20, cut: 'middle' as const },
    { title: 'TYPE' },
    { title: 'ANSWER', least: 14 },
    { title: 'EXPECTED', least: 14 },
    { title: 'RESULT' },
    { title: 'TIME', align: 'right' as const },
  ];
  const rows = questions.map((row): Cell[] => [
    cell(row.role === 'Service' ? row.server : `${hostPort(row.server, row.port)} directly`),
    cell(row.nodes.length > 3 ? `${String(row.nodes.length)} nodes` : row.nodes.join(',')),
    cell(row.name.endsWith(`.${clusterDomain}`) ? row.name.slice(0, -clusterDomain.length - 1) : row.name),
    cell(row.type),
    cell(row.answer),
    cell(row.expected),
    resultCells[row.result],
    cell(row.milliseconds === undefined ? '-' : `${row.milliseconds.toFixed(1)} ms`),
  ]);
  return printColumns(columns, rows, { width, paint });
}

function dnsServiceLines(
  { endpoints, nodes, convergedNodes, findings }: DnsServiceResult,
  width: number,
  paint: Paint,
): string[] {
  return [
    `${paint('heading', 'DNS Service kube-system/kube-dns')}  ${endpoints} endpoints ready; ${nodes} nodes answered, the rules of ${String(convergedNodes)} equal its EndpointSlices`,
    ...findings.flatMap((finding) => findingLines(finding, { paint, width })),
  ];
}
