/** What a report says, before it is made a page: the judged trace, its rules in words, its picture, and the versions. */
import { buildDiagram } from '../../core/diagram/build-diagram.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import { explainProgram } from '../../core/explain/explain-program.ts';
import type { FamilyExplanation } from '../../core/explain/explanation.ts';
import type { PacketPath } from '../../core/explain/follow-client.ts';
import { recordsOf } from '../../core/wire/node-report.ts';
import { present } from '../../core/lib/present.ts';
import type { NodeStatus, ServiceTrace } from '../../core/api/service-trace.ts';
import { allPacketPaths } from '../tables/client-packet-paths.ts';
import { nodesByProgram, unreadOf } from '../tables/node-programs.ts';
import { mostEndpointsOfPicture, printPicture } from '../printers/picture.ts';
import { visible } from '../../core/lib/visible.ts';
import type { ClientName } from '../cli/request.ts';
import type { ResultTable } from '../tables/result-tables.ts';
import { cell, type Cell } from '../tables/tone.ts';
import { traceOfBundle } from '../sources/bundle.ts';
import { statusPacketPaths, statusPrograms } from '../tables/status-programs.ts';

/** One of the different programs of rules, as one of its nodes has it. */
export interface ProgramContent {
  readonly node: string;
  readonly identicalNodes: readonly string[];
  readonly proxyMode: string;
  readonly backend?: string;
  readonly proxyModeSource: string;
  readonly families: readonly FamilyExplanation[];
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

export interface ReportContent {
  readonly trace: ServiceTrace;
  readonly programs: readonly ProgramContent[];
  /** The client of --from, and its packet paths to the Service's frontends. */
  readonly clientPath?: { readonly client: string; readonly packetPaths: readonly PacketPath[] };
  /** An svg element. */
  readonly picture: string;
  /** What is not in the picture, and why. */
  readonly pictureNotes: readonly string[];
  readonly versions: ResultTable;
  /** Who collected: `version 0.1.0` of the tool, or the operator. */
  readonly collectedBy: string;
  /** RFC 3339, and the version of the tool, of the writing. */
  readonly writtenAt: string;
  readonly writtenBy: string;
}

/** @throws UsageError where the bundle knows no such client */
export async function buildReport(
  bundle: Bundle,
  {
    writtenAt,
    writtenBy,
    from,
  }: Pick<ReportContent, 'writtenAt' | 'writtenBy'> & { readonly from?: ClientName | undefined },
): Promise<ReportContent> {
  const { desired, answers, namespace, toolVersion } = bundle;
  const trace = traceOfBundle(bundle);
  const reports = answers.flatMap((answer) => ('report' in answer ? [answer.report] : []));
  return {
    trace,
    programs: nodesByProgram(reports, desired).map(({ report, program, identicalNodes }) => ({
      node: report.node,
      identicalNodes,
      proxyMode: program.proxyMode,
      ...(program.backend === undefined ? {} : { backend: program.backend }),
      proxyModeSource: program.proxyModeSource,
      families: explainProgram(report, desired, { isFolded: true }),
      unread: unreadOf(report, `${namespace}/${desired.name}`),
    })),
    ...(from === undefined
      ? {}
      : {
          clientPath: { client: 'ip' in from ? from.ip : `pod ${from.pod}`, packetPaths: allPacketPaths(bundle, from) },
        }),
    ...(await pictureOf(trace)),
    versions: versionsTable(bundle, trace.status?.nodes ?? []),
    collectedBy: `version ${toolVersion}`,
    writtenAt,
    writtenBy,
  };
}

/** The same of an operator's trace, as far as its status holds it. @throws UsageError where it has no walk of the client */
export async function reportOfTrace(
  trace: ServiceTrace,
  {
    writtenAt,
    writtenBy,
    from,
  }: Pick<ReportContent, 'writtenAt' | 'writtenBy'> & { readonly from?: ClientName | undefined },
): Promise<ReportContent> {
  return {
    trace,
    programs: statusPrograms(trace, [], { isFolded: true }).map(({ node, identicalNodes, families, unread }) => ({
      node: node.name,
      identicalNodes,
      proxyMode: node.proxyMode,
      ...(node.backend === undefined ? {} : { backend: node.backend }),
      proxyModeSource: node.proxyModeSource ?? 'how its mode is known is not in the trace',
      families,
      unread,
    })),
    ...(from === undefined
      ? {}
      : {
          clientPath: {
            client: 'ip' in from ? from.ip : `pod ${from.pod}`,
            packetPaths: statusPacketPaths(trace, from),
          },
        }),
    ...(await pictureOf(trace)),
    versions: versionsOf(
      (trace.status?.nodes ?? []).map(({ name, datapath, kubeProxy }) => ({
        node: name,
        ...present({ datapath, kubeProxy: kubeProxy?.version }),
      })),
    ),
    collectedBy: 'the operator',
    writtenAt,
    writtenBy,
  };
}

async function pictureOf(trace: ServiceTrace): Promise<Pick<ReportContent, 'picture' | 'pictureNotes'>> {
  const { metadata, spec, status } = visible(trace);
  const diagram = buildDiagram(status ?? {}, {
    namespace: metadata.namespace ?? 'default',
    name: spec.serviceRef.name,
    nodes: [],
    mostEndpoints: mostEndpointsOfPicture,
  });
  // Findings and notes stand beside the picture, as text that wraps.
  return { picture: await printPicture({ ...diagram, findings: [], notes: [] }, 'svg'), pictureNotes: diagram.notes };
}

function versionsTable({ answers, cluster }: Bundle, nodes: readonly NodeStatus[]): ResultTable {
  return versionsOf(
    answers.map((answer) => {
      const start = 'report' in answer ? recordsOf(answer.report, 'start')[0] : undefined;
      const own = cluster?.nodes?.find(({ name }) => name === answer.node);
      const { kubeProxy, datapath } = nodes.find(({ name }) => name === answer.node) ?? {};
      return {
        node: answer.node,
        ...present({
          datapath,
          kubeProxy: kubeProxy?.version,
          kubelet: own?.kubeletVersion,
          kernel: start?.kernel ?? own?.kernel,
          probe: start?.probeVersion,
        }),
      };
    }),
  );
}

interface NodeVersions {
  readonly node: string;
  /** What serves Services in kube-proxy's place. */
  readonly datapath?: string;
  readonly kubeProxy?: string;
  readonly kubelet?: string;
  readonly kernel?: string;
  readonly probe?: string;
}

function versionsOf(nodes: readonly NodeVersions[]): ResultTable {
  const known = (text: string | undefined): Cell =>
    text === undefined || text === '' ? cell('unknown', 'warning') : cell(text);
  return {
    columns: ['NODE', 'KUBE-PROXY', 'KUBELET', 'KERNEL', 'PROBE'].map((title) => ({ title })),
    rows: nodes.map(({ node, datapath, kubeProxy, kubelet, kernel, probe }): Cell[] => [
      cell(node),
      datapath === undefined ? known(kubeProxy) : cell(`none: ${datapath}`),
      known(kubelet),
      known(kernel),
      known(probe),
    ]),
  };
}
